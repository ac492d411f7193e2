"""Writes one small parquet file per way in which pyarrow stores vectors and numbers. Usage: make-pyarrow-columns.py OUT

Values are functions of the row r and the dimension d, exact in every type: action[r][d] = r % 96 + d / 4 + 1,
index[r] = r, task_index[r] = r // 50 % 3.
"""

import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

ROWS, DIM = 300, 3
values = (np.arange(ROWS)[:, None] % 96 + np.arange(DIM)[None, :] / 4 + 1).astype(np.float64)
rows = np.arange(ROWS)
tasks = rows // 50 % 3


def vectors(kind, dtype):
    flat = pa.array(values.astype(dtype).ravel())
    if kind == "fixed":
        return pa.FixedSizeListArray.from_arrays(flat, DIM)
    maker = pa.LargeListArray if kind == "large" else pa.ListArray
    offsets = np.arange(0, ROWS * DIM + 1, DIM)
    return maker.from_arrays(pa.array(offsets, pa.int64() if kind == "large" else pa.int32()), flat)


def table(action, integer="int64"):
    return pa.table({"action": action, "index": rows.astype(integer), "task_index": tasks.astype(integer)})


def nullable(position):
    lists = values.tolist()
    lists[position[0]] = None if position[1] is None else [*lists[position[0]][: position[1]], None]
    return pa.array(lists, pa.list_(pa.float32()))


ragged = values.tolist()
ragged[7] = ragged[7][:2]

FILES = {
    "list-snappy": (table(vectors("list", np.float32)), {}),
    "fixed-zstd-v2": (
        table(vectors("fixed", np.float32)),
        dict(compression="zstd", data_page_version="2.0", use_dictionary=False, row_group_size=70, data_page_size=128),
    ),
    "list-v2": (table(vectors("list", np.float32)), dict(data_page_version="2.0", data_page_size=256)),
    "large-none": (table(vectors("large", np.float64)), dict(compression="none", use_dictionary=False)),
    "double-gzip": (table(vectors("list", np.float64), "int32"), dict(compression="gzip", row_group_size=64)),
    "half-float": (table(vectors("list", np.float16), "int16"), dict(use_dictionary=False)),
    "split-lz4": (
        table(vectors("fixed", np.float32), "uint16"),
        dict(compression="lz4", use_dictionary=False, column_encoding={"action.list.element": "BYTE_STREAM_SPLIT"}),
    ),
    "delta-brotli": (
        table(vectors("list", np.float32)),
        dict(
            compression="brotli",
            use_dictionary=False,
            column_encoding={"index": "DELTA_BINARY_PACKED", "task_index": "DELTA_BINARY_PACKED"},
        ),
    ),
    "integer-vectors": (table(pa.array([[int(v) for v in row] for row in values], pa.list_(pa.int64()))), {}),
    "scalar": (table(pa.array(values[:, 0])), {}),
    "null-list": (table(nullable((4, None))), {}),
    "null-value": (table(nullable((4, 2))), {}),
    "ragged": (table(pa.array(ragged, pa.list_(pa.float32()))), {}),
    "text": (table(pa.array([["a", "b", "c"]] * ROWS)), {}),
}

out = Path(sys.argv[1])
out.mkdir(parents=True, exist_ok=True)
for name, (content, options) in FILES.items():
    pq.write_table(content, out / f"{name}.parquet", **options)
