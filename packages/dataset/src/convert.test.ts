// A converted dataset is v3.0 and has the same rows, tasks and frames; LeRobot itself reads it where
// ZK0_LEROBOT_PYTHON names a Python that has it.
import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { convertDataset } from "./convert.ts";
import { openDataset } from "./dataset.ts";
import { createFrameReader } from "./frame-reader.ts";
import { CAMERAS, markerOf, readMarker, temporaryFolder } from "./testing/recordings.ts";
import { recordSyntheticV2, TASKS_V2 } from "./testing/recordings-v2.ts";

const LENGTHS = [5, 18];
/** A Python with LeRobot, PyTorch and PyAV. */
const pythons = [process.env["ZK0_LEROBOT_PYTHON"] ?? []].flat();
const READ_WITH_LEROBOT = `import sys
from lerobot.datasets.lerobot_dataset import LeRobotDataset
data = LeRobotDataset("zk0/converted", root=sys.argv[1], video_backend="pyav")
row = data[7]
image = list(row["${CAMERAS[0].key}"].shape)
print(len(data), data.num_episodes, list(row["action"].shape), image, data[5]["task"] + "|" + data[6]["task"])`;

test("v2.1 to v3.0: rows, tasks and frames are equal, statistics computed", async () => {
	using folder = temporaryFolder();
	const from = join(folder.path, "v21");
	const to = join(folder.path, "converted");
	await recordSyntheticV2(from, LENGTHS, { version: "v2.1", hasExtraColumns: true, hasLocalIndex: true });
	const source = await openDataset(from);
	const done: number[] = [];
	const written = await convertDataset(source, to, {
		codec: "h264",
		onEpisode: (numDone) => done.push(numDone),
	});
	expect(written).toEqual({
		root: to,
		numEpisodes: 2,
		numFrames: 23,
		droppedFeatures: ["next.reward", "language"],
	});
	expect(done).toEqual([1, 2]);
	const converted = await openDataset(to);
	expect(converted.info.codebase_version).toBe("v3.0");
	expect(await converted.readRows()).toEqual(await source.readRows());
	expect(converted.tasks).toEqual(TASKS_V2);
	expect(converted.episodes.map(({ tasks }) => tasks)).toEqual([TASKS_V2, TASKS_V2]);
	expect(converted.features["action"]?.names).toEqual(["a", "b", "c"]);
	expect(converted.features[CAMERAS[0].key]?.shape).toEqual([64, 96, 3]);
	expect(converted.storedStats?.["action"]?.mean[0]).toBeCloseTo(
		source.storedStats?.["action"]?.mean[0] ?? Number.NaN,
		6,
	);
	await using reader = createFrameReader(converted, { processes: 1 });
	const requests = LENGTHS.flatMap((length, episodeIndex) =>
		CAMERAS.map(({ key }) => ({ episodeIndex, frameIndex: length - 1, camera: key })),
	);
	expect((await reader.read(requests)).map(readMarker)).toEqual(
		LENGTHS.flatMap((length, episode) => [0, 1].map((camera) => markerOf(episode, length - 1, camera))),
	);
	await expect(convertDataset(source, to)).rejects.toMatchObject({ code: "target-exists" });
});

test("what v3.0 cannot hold is refused before anything is written", async () => {
	using folder = temporaryFolder();
	const from = join(folder.path, "v20");
	await recordSyntheticV2(from, [2], { version: "v2.0", isStateOnly: true, fps: 12.5 });
	const to = join(folder.path, "out");
	await expect(convertDataset(await openDataset(from), to)).rejects.toMatchObject({
		code: "not-convertible",
		file: from,
	});
	expect(existsSync(to)).toBe(false);
});

test.for(pythons)("a converted dataset opens with LeRobot itself (%s)", async (python) => {
	using folder = temporaryFolder();
	const from = join(folder.path, "v21");
	const to = join(folder.path, "converted");
	await recordSyntheticV2(from, LENGTHS, { version: "v2.1" });
	await convertDataset(await openDataset(from), to);
	const { status, stdout, stderr } = spawnSync(python, ["-c", READ_WITH_LEROBOT, to], { encoding: "utf8" });
	expect([status, status === 0 ? "" : stderr]).toEqual([0, ""]);
	expect(stdout.trim().split("\n").at(-1)).toBe(`23 2 [3] [3, 64, 96] ${TASKS_V2[0]}|${TASKS_V2[1]}`);
});
