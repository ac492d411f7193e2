# Writes pyarrow-v3/: a LeRobotDataset v3.0 without videos whose tables are written by the libraries LeRobot uses,
# in the way it uses them (fixed-size lists typed by `datasets`, one row group per episode, dictionary pages,
# pandas index, a table of Python lists for the episodes). Made with pyarrow 25.0.1, pandas 3.0.6, datasets 5.0.1.
import json
import pathlib
import shutil

import datasets
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

root = pathlib.Path(__file__).with_name("pyarrow-v3")
shutil.rmtree(root, ignore_errors=True)
for folder in ("data/chunk-000", "meta/episodes/chunk-000"):
    (root / folder).mkdir(parents=True)

FPS = 5
LENGTHS = (4, 3)
TASKS = ("Reach the red cube", "Push the blue cube to the left, slowly – please")
vector = {"dtype": "float32", "shape": [2], "names": ["shoulder_pan.pos", "gripper.pos"]}
features = {"action": vector, "observation.state": vector}
features["next.done"] = {"dtype": "bool", "shape": [1], "names": None}
for name in ("timestamp", "frame_index", "episode_index", "index", "task_index"):
    dtype = "float32" if name == "timestamp" else "int64"
    features[name] = {"dtype": dtype, "shape": [1], "names": None}


def hf_feature(feature):
    value = datasets.Value(dtype=feature["dtype"])
    return value if feature["shape"] == [1] else datasets.Sequence(length=feature["shape"][0], feature=value)


hf_features = datasets.Features({name: hf_feature(feature) for name, feature in features.items()})
writer = None
episodes = []
start = 0
for episode, length in enumerate(LENGTHS):
    rows = {
        "action": [[10.0 * episode + frame, -0.5 * frame] for frame in range(length)],
        "observation.state": [[10.0 * episode + frame - 0.25, 3.0] for frame in range(length)],
        "next.done": [frame == length - 1 for frame in range(length)],
        "timestamp": [frame / FPS for frame in range(length)],
        "frame_index": list(range(length)),
        "episode_index": [episode] * length,
        "index": list(range(start, start + length)),
        "task_index": [episode] * length,
    }
    table = datasets.Dataset.from_dict(rows, features=hf_features, split="train").with_format("arrow")[:]
    if writer is None:
        path = root / "data/chunk-000/file-000.parquet"
        writer = pq.ParquetWriter(path, schema=table.schema, compression="snappy", use_dictionary=True)
    writer.write_table(table)
    record = {
        "episode_index": episode,
        "tasks": [TASKS[episode]],
        "length": length,
        "data/chunk_index": 0,
        "data/file_index": 0,
        "dataset_from_index": start,
        "dataset_to_index": start + length,
        "meta/episodes/chunk_index": 0,
        "meta/episodes/file_index": 0,
    }
    for name in ("action", "observation.state"):
        values = np.array(rows[name])
        for key, value in {
            "min": values.min(0),
            "max": values.max(0),
            "mean": values.mean(0),
            "std": values.std(0),
            "count": np.array([length]),
        }.items():
            record[f"stats/{name}/{key}"] = value.tolist()
    episodes.append(record)
    start += length
writer.close()
table = pa.Table.from_pydict({key: [record[key] for record in episodes] for key in episodes[0]})
pq.write_table(table, root / "meta/episodes/chunk-000/file-000.parquet", compression="snappy", use_dictionary=True)
# Datasets of 2025 keep the sentences in an index without a name (`__index_level_0__`).
tasks = pd.DataFrame({"task_index": range(len(TASKS))}, index=list(TASKS))
tasks.to_parquet(root / "meta/tasks.parquet")
info = {
    "codebase_version": "v3.0",
    "robot_type": "so101_follower",
    "total_episodes": len(LENGTHS),
    "total_frames": start,
    "total_tasks": len(TASKS),
    "chunks_size": 1000,
    "data_files_size_in_mb": 100,
    "video_files_size_in_mb": 200,
    "fps": FPS,
    "splits": {"train": f"0:{len(LENGTHS)}"},
    "data_path": "data/chunk-{chunk_index:03d}/file-{file_index:03d}.parquet",
    "video_path": "videos/{video_key}/chunk-{chunk_index:03d}/file-{file_index:03d}.mp4",
    "features": features,
}
(root / "meta/info.json").write_text(json.dumps(info, indent=4))
