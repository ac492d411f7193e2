# Opens a dataset with the libraries and calls that LeRobot opens it with (pyarrow, pandas, datasets) and prints
# one JSON document about what they saw. Usage: python check-with-lerobot-libraries.py <dataset>
import json
import pathlib
import sys
import tempfile

import datasets
import numpy as np
import pandas as pd
import pyarrow.parquet as pq

root = pathlib.Path(sys.argv[1])
info = json.loads((root / "meta/info.json").read_text())
datasets.disable_progress_bars()
columns = {
    name: datasets.Value(dtype=feature["dtype"])
    if feature["shape"] == [1]
    else datasets.Sequence(length=feature["shape"][0], feature=datasets.Value(dtype=feature["dtype"]))
    for name, feature in info["features"].items()
    if feature["dtype"] != "video"
}


def paths(folder):
    return [str(path) for path in sorted((root / folder).glob("*/*.parquet"))]


with tempfile.TemporaryDirectory() as cache:
    rows = datasets.Dataset.from_parquet(paths("data"), features=datasets.Features(columns), cache_dir=cache)
    episodes = datasets.Dataset.from_parquet(paths("meta/episodes"), cache_dir=cache)
    tasks = pd.read_parquet(root / "meta/tasks.parquet")
    schema = pq.read_schema(paths("data")[0])
    print(
        json.dumps(
            {
                "numRows": len(rows),
                "action": np.array(rows["action"], dtype=np.float32).ravel().tolist(),
                "index": list(rows["index"]),
                "timestamp": np.array(rows["timestamp"], dtype=np.float32).tolist(),
                "types": {field.name: str(field.type) for field in schema},
                "huggingface": json.loads(schema.metadata[b"huggingface"])["info"]["features"]["action"],
                "tasks": tasks.index.tolist(),
                "taskIndexName": tasks.index.name,
                "taskIndex": tasks.task_index.tolist(),
                "episodeTasks": [list(value) for value in episodes["tasks"]],
                "episodeLength": list(episodes["length"]),
                "columns": list(episodes.features),
                "imageMean": episodes[0].get("stats/observation.images.top/mean"),
            }
        )
    )
