# Writes lerobot-stats.json: statistics by LeRobot's own formulas, in float64, for small inputs.
# Usage: python make-lerobot-stats.py <lerobot source tree> ; needs numpy only. Made with huggingface/lerobot
# 7427f31801f9 (2026-08-23), src/lerobot/datasets/compute_stats.py, and numpy 2.4.6.
import json
import pathlib
import re
import sys
import types

import numpy as np

source = (pathlib.Path(sys.argv[1]) / "src/lerobot/datasets/compute_stats.py").read_text()
source = re.sub(r"^from (lerobot|\.io_utils).*$", "", source, flags=re.M)
lerobot = types.ModuleType("compute_stats")
exec(compile(source, "compute_stats.py", "exec"), lerobot.__dict__)

random = np.random.default_rng(0)


def flat(stats):
    return {key: np.asarray(value).ravel().tolist() for key, value in stats.items()}


vectors = []
for rows in (1, 2, 37, 120):
    values = (random.normal(size=(rows, 3)) * [30, 0.01, 0] + [50, -2, 7.25]).astype(np.float32)
    stats = lerobot.get_feature_stats(values.astype(np.float64), axis=0, keepdims=False)
    vectors.append({"rows": rows, "values": values.ravel().tolist(), "stats": flat(stats)})

images = []
for count, height, width in ((2, 4, 6), (1, 302, 4)):
    pixels = (random.integers(0, 256, size=(count, 3, height, width)) * [[[[1]], [[0.5]], [[0.1]]]]).astype(np.uint8)
    sampled = np.stack([lerobot.auto_downsample_height_width(image) for image in pixels])
    stats = lerobot.get_feature_stats(sampled.astype(np.float64), axis=(0, 2, 3), keepdims=True)
    stats = {key: value if key == "count" else np.squeeze(value / 255.0, axis=0) for key, value in stats.items()}
    pixels = pixels.transpose(0, 2, 3, 1)
    images.append({"shape": list(pixels.shape), "pixels": pixels.ravel().tolist(), "stats": flat(stats)})

parts = [{"x": {key: np.asarray(value) for key, value in case["stats"].items()}} for case in vectors]
document = {
    "vectors": vectors,
    "images": images,
    "aggregated": flat(lerobot.aggregate_stats(parts)["x"]),
    "sampledFrames": {str(n): lerobot.sample_indices(n) for n in (1, 2, 99, 100, 101, 150, 333, 1000)},
}
path = pathlib.Path(__file__).with_name("lerobot-stats.json")
path.write_text(json.dumps(document, separators=(",", ":")))
