# Writes pyarrow-v21/: a LeRobotDataset v2.1 whose parquet files are written by pyarrow through `datasets`, in the
# way LeRobot v0.1 wrote them (fixed-size lists, snappy, pictures as {bytes, path} structs), with what is found in
# the wild: a picture camera of PNG and JPEG bytes, videos whose codec info.json has wrong (HEVC and MPEG-4 said to
# be AV1), several tasks per episode, a scalar action, extra columns and a doubled line of episodes.jsonl.
# `python3 make-pyarrow-v21.py tables`, then `python3 make-pyarrow-v21.py videos` (needs ffmpeg with libx265).
# Made with pyarrow 25.0.0, datasets 5.0.2.dev0, numpy 2.4.6, Pillow 13.0.0 and ffmpeg 5.1.9.
import io
import json
import pathlib
import shutil
import subprocess
import sys

root = pathlib.Path(__file__).with_name("pyarrow-v21")
FPS = 15
LENGTHS = (4, 3)
HEIGHT, WIDTH = 48, 64
TASKS = ("Fold the cloth", "Wait – then let go")
VIDEOS = {"observation.images.hevc": ("libx265", "x265-params=log-level=none"), "observation.images.mpeg4": ("mpeg4", None)}


def grey(episode, frame):
    return 20 + 60 * episode + 15 * frame


def tables():
    import datasets
    import numpy as np
    from PIL import Image

    shutil.rmtree(root, ignore_errors=True)
    (root / "meta").mkdir(parents=True)
    (root / "data/chunk-000").mkdir(parents=True)
    vector = {"dtype": "float32", "shape": [7], "names": {"motors": [f"joint_{i}" for i in range(7)]}}
    picture = {"dtype": "image", "shape": [3, HEIGHT, WIDTH], "names": ["channels", "height", "width"]}
    video = {"dtype": "video", "shape": [HEIGHT, WIDTH, 3], "names": None, "video_info": {"video.codec": "av1"}}
    features = {
        "observation.images.wrist": picture,
        "observation.state": vector,
        "action": {"dtype": "float64", "shape": [1], "names": None},
        "next.done": {"dtype": "bool", "shape": [1], "names": None},
        "comment": {"dtype": "string", "shape": [1], "names": None},
    }
    for name in ("timestamp", "frame_index", "episode_index", "index", "task_index"):
        dtype = "float32" if name == "timestamp" else "int64"
        features[name] = {"dtype": dtype, "shape": [1], "names": None}

    def hf_feature(feature):
        if feature["dtype"] == "image":
            return datasets.Image()
        value = datasets.Value(dtype=feature["dtype"])
        return value if feature["shape"] == [1] else datasets.Sequence(length=feature["shape"][0], feature=value)

    def encode(episode, frame):
        # Vertical halves: the grey that tells the frame, and pure red.
        pixels = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
        pixels[:, : WIDTH // 2] = grey(episode, frame)
        pixels[:, WIDTH // 2 :, 0] = 255
        buffer = io.BytesIO()
        Image.fromarray(pixels).save(buffer, "PNG" if episode == 0 else "JPEG", **({} if episode == 0 else {"quality": 95}))
        return {"bytes": buffer.getvalue(), "path": f"frame_{frame:06d}.png"}

    hf_features = datasets.Features({name: hf_feature(feature) for name, feature in features.items()})
    episodes, stats, start = [], [], 0
    for episode, length in enumerate(LENGTHS):
        state = [[episode + frame / 8 - joint for joint in range(7)] for frame in range(length)]
        rows = {
            "observation.images.wrist": [encode(episode, frame) for frame in range(length)],
            "observation.state": state,
            "action": [100.0 * episode + frame for frame in range(length)],
            "next.done": [frame == length - 1 for frame in range(length)],
            "comment": [None] * length,
            "timestamp": [frame / FPS for frame in range(length)],
            "frame_index": list(range(length)),
            "episode_index": [episode] * length,
            "index": list(range(start, start + length)),
            "task_index": [int(frame > 1) for frame in range(length)],
        }
        dataset = datasets.Dataset.from_dict(rows, features=hf_features, split="train")
        dataset.to_parquet(root / f"data/chunk-000/episode_{episode:06d}.parquet")
        values = np.array(state, np.float32)
        keys = {"min": values.min(0), "max": values.max(0), "mean": values.mean(0), "std": values.std(0), "count": np.array([length])}
        stats.append({"episode_index": episode, "stats": {"observation.state": {k: v.tolist() for k, v in keys.items()}}})
        episodes.append({"episode_index": episode, "tasks": list(TASKS), "length": length})
        start += length
    info = {
        "codebase_version": "v2.1",
        "robot_type": "koch",
        "total_episodes": len(LENGTHS),
        "total_frames": start,
        "total_tasks": len(TASKS),
        "total_videos": 2 * len(LENGTHS),
        "total_chunks": 1,
        "chunks_size": 1000,
        "fps": FPS,
        "splits": {"train": f"0:{len(LENGTHS)}"},
        "data_path": "data/chunk-{episode_chunk:03d}/episode_{episode_index:06d}.parquet",
        "video_path": "videos/chunk-{episode_chunk:03d}/{video_key}/episode_{episode_index:06d}.mp4",
        "features": {**{key: video for key in VIDEOS}, **features},
    }
    (root / "meta/info.json").write_text(json.dumps(info, indent=4))
    lines = lambda documents: "".join(json.dumps(document, ensure_ascii=False) + "\n" for document in documents)
    (root / "meta/tasks.jsonl").write_text(lines({"task_index": i, "task": t} for i, t in enumerate(TASKS)))
    (root / "meta/episodes.jsonl").write_text(lines([*episodes, episodes[-1]]))
    (root / "meta/episodes_stats.jsonl").write_text(lines(stats))


def videos():
    for key, (encoder, options) in VIDEOS.items():
        folder = root / "videos/chunk-000" / key
        folder.mkdir(parents=True, exist_ok=True)
        for episode, length in enumerate(LENGTHS):
            raw = b"".join(bytes([grey(episode, frame)]) * (HEIGHT * WIDTH * 3) for frame in range(length))
            source = f"-f rawvideo -pix_fmt rgb24 -s {WIDTH}x{HEIGHT} -r {FPS} -i -".split()
            extra = [] if options is None else ["-x265-params", options.split("=", 1)[1]]
            target = f"-c:v {encoder} -g 2 -bf 0 -pix_fmt yuv420p -fflags +bitexact -flags +bitexact".split()
            path = folder / f"episode_{episode:06d}.mp4"
            command = ["ffmpeg", "-v", "error", "-y", *source, *target, *extra, str(path)]
            subprocess.run(command, input=raw, check=True)


{"tables": tables, "videos": videos}[sys.argv[1]]()
