"""Opens a bound zk0 site checkpoint and a LeRobot dataset with LeRobot's own code, and predicts a chunk.

Needs a LeRobot source tree (and its dependencies) on PYTHONPATH; not needed to build or test zk0.
Usage: open_site.py <pretrained_model dir> <dataset dir> [<expected.json>]

expected.json, when given: {"index": dataset index, "noise": [[...]], "actions": [[...]]}; the chunk that LeRobot
predicts from that noise has to agree with ours to 1e-3 of the recorded unit. Prints one JSON line; exits 1 on a miss.
"""

import json
import sys
from pathlib import Path

import torch
from lerobot.datasets.lerobot_dataset import LeRobotDataset
from lerobot.configs import PreTrainedConfig
from lerobot.policies.factory import make_pre_post_processors
from lerobot.policies.smolvla.modeling_smolvla import SmolVLAPolicy

checkpoint, dataset_dir = Path(sys.argv[1]).resolve(), Path(sys.argv[2]).resolve()
config = PreTrainedConfig.from_pretrained(checkpoint)
config.device = "cpu"
if (checkpoint / "vlm").is_dir():
    config.vlm_model_name = str(checkpoint / "vlm")
policy = SmolVLAPolicy.from_pretrained(checkpoint, config=config).float().eval()
overrides = {"device_processor": {"device": "cpu"}}
if (checkpoint / "vlm").is_dir():
    overrides["tokenizer_processor"] = {"tokenizer_name": str(checkpoint / "vlm")}
preprocess, postprocess = make_pre_post_processors(config, pretrained_path=str(checkpoint),
                                                   preprocessor_overrides=overrides)
fps = json.loads((dataset_dir / "meta" / "info.json").read_text())["fps"]
dataset = LeRobotDataset("local/site", root=dataset_dir, video_backend="pyav",
                         delta_timestamps={"action": [i / fps for i in range(config.chunk_size)]})
expected = json.loads(Path(sys.argv[3]).read_text()) if len(sys.argv) > 3 else None
index = expected["index"] if expected else 0
item = dataset[index]
observation = {k: v for k, v in item.items() if k.startswith("observation.") or k == "task"}
batch = preprocess(observation)
noise = torch.tensor(expected["noise"])[None] if expected else torch.zeros(1, config.chunk_size, config.max_action_dim)
with torch.no_grad():
    chunk = postprocess(policy.predict_action_chunk(dict(batch), noise=noise))[0]
recorded = item["action"]
result = {
    "frames": len(dataset), "episodes": dataset.num_episodes, "parameters": sum(p.numel() for p in policy.parameters()),
    "chunk_shape": list(chunk.shape), "mean_error_to_recorded": (chunk - recorded).abs().mean().item(),
    "max_difference_to_expected": None,
}
ok = bool(torch.isfinite(chunk).all())
if expected:
    result["max_difference_to_expected"] = (chunk - torch.tensor(expected["actions"])).abs().max().item()
    ok = ok and result["max_difference_to_expected"] <= 1e-3
print(json.dumps(result))
sys.exit(0 if ok else 1)
