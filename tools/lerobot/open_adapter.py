"""Opens a zk0 LoRA checkpoint with LeRobot's and peft's own code, and compares the chunks it predicts.

Needs peft and a LeRobot source tree (and its dependencies) on PYTHONPATH; not needed to build or test zk0.
Usage: open_adapter.py <pretrained_model dir of an adapter> [<merged checkpoint dir>]

The adapter is opened as LeRobot's policy factory does: peft's configuration names the base, the base is loaded with the
adapter's config.json, and peft puts the adapter on it. A random observation then goes through the policy with the
adapter, without it, with it merged by peft, and, where a merged checkpoint is given, through that. Prints one JSON line;
exits 1 when with and without agree (the adapter does nothing) or when a merged one differs by more than 1e-5.
"""

import json
import sys
from pathlib import Path

import torch
from lerobot.configs import PreTrainedConfig
from lerobot.policies.smolvla.modeling_smolvla import SmolVLAPolicy
from peft import PeftConfig, PeftModel


def open_policy(directory, source):
    config = PreTrainedConfig.from_pretrained(directory)
    config.device = "cpu"
    if (directory / "vlm").is_dir():
        config.vlm_model_name = str(directory / "vlm")
    return config, SmolVLAPolicy.from_pretrained(source, config=config).float().eval()


def predict(policy, config, seed=7):
    torch.manual_seed(seed)
    length = config.tokenizer_max_length
    batch = {"observation.state": torch.randn(1, *config.input_features["observation.state"].shape),
             "observation.language.tokens": torch.randint(10, 300, (1, length)),
             "observation.language.attention_mask": torch.ones(1, length, dtype=torch.bool)}
    for key, feature in config.input_features.items():
        if "image" in key:
            batch[key] = torch.rand(1, *feature.shape)
    noise = torch.randn(1, config.chunk_size, config.max_action_dim)
    with torch.no_grad():
        return policy.predict_action_chunk(batch, noise=noise)


checkpoint = Path(sys.argv[1]).resolve()
peft_config = PeftConfig.from_pretrained(str(checkpoint))
config, policy = open_policy(checkpoint, peft_config.base_model_name_or_path)
assert config.use_peft
without = predict(policy, config)
adapted = PeftModel.from_pretrained(policy, str(checkpoint), config=peft_config).eval()
with_adapter = predict(adapted, config)
parameters = sum(p.numel() for n, p in adapted.named_parameters() if "lora_" in n)
merged_by_peft = predict(adapted.merge_and_unload().eval(), config)


def gap(other):
    return (with_adapter - other).abs().max().item()


result = {"parameters_in_adapter": parameters, "chunk_shape": list(with_adapter.shape), "difference_to_base": gap(without),
          "difference_to_peft_merge": gap(merged_by_peft), "difference_to_zk0_merge": None}
if len(sys.argv) > 2:
    merged_dir = Path(sys.argv[2]).resolve()
    merged_config, merged = open_policy(merged_dir, str(merged_dir))
    result["difference_to_zk0_merge"] = gap(predict(merged, merged_config))
print(json.dumps(result))
ok = result["difference_to_base"] > 1e-6 and result["difference_to_peft_merge"] <= 1e-5
sys.exit(0 if ok and (result["difference_to_zk0_merge"] or 0) <= 1e-5 else 1)
