// Tables by LeRobot's libraries read here, and ours read by ffprobe and, where ZK0_PYTHON names a Python that has
// them (pyarrow, pandas, datasets), by those libraries. Last run with pyarrow 25.0.1, pandas 3.0.6, datasets 5.0.1.
import { spawnSync } from "node:child_process";
import { cpSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";
import { z } from "zod";
import { openDataset } from "./dataset.ts";
import { computeStats } from "./dataset-stats.ts";
import { CAMERAS, recordSynthetic, temporaryFolder } from "./testing/recordings.ts";
import { requireTool } from "./testing/require-tool.ts";

const golden = fileURLToPath(new URL("../golden", import.meta.url));
const pythons = [process.env["ZK0_PYTHON"] ?? []].flat();

describe("a dataset written by pyarrow, pandas and datasets", () => {
	test("opens; rows, tasks and statistics are right", async () => {
		const dataset = await openDataset(join(golden, "pyarrow-v3"));
		expect(dataset).toMatchObject({
			numEpisodes: 2,
			numFrames: 7,
			fps: 5,
			robotType: "so101_follower",
			storedStats: null,
		});
		expect(dataset.tasks).toEqual(["Reach the red cube", "Push the blue cube to the left, slowly – please"]);
		expect(dataset.episodes[1]).toMatchObject({
			index: 1,
			length: 3,
			fromIndex: 4,
			toIndex: 7,
			tasks: [dataset.tasks[1]],
		});
		const rows = await dataset.readRows();
		const values = [4, 3].flatMap((length, episode) =>
			Array.from({ length }, (_, frame) => [10 * episode + frame, -0.5 * frame]),
		);
		expect(rows.action).toEqual(Float32Array.from(values.flat()));
		expect(rows.state).toEqual(Float32Array.from(values.flatMap(([first = 0]) => [first - 0.25, 3])));
		expect([...rows.taskIndex]).toEqual([0, 0, 0, 0, 1, 1, 1]);
		const computed = await computeStats(dataset, [1], { rows });
		const stored = (await dataset.readEpisodeStats()).get(1);
		expect(stored?.["action"]).toMatchObject({ shape: [2], count: 3, mean: [11, -0.5] });
		expect(computed["action"]).toMatchObject(stored?.["action"] ?? {});
	});

	test("statistics of pictures that it does not have are refused", async () => {
		const dataset = await openDataset(join(golden, "pyarrow-v3"));
		await expect(computeStats(dataset, [])).rejects.toMatchObject({ code: "no-episodes" });
		await expect(computeStats(dataset, [2])).rejects.toThrow(RangeError);
		await expect(
			computeStats({ ...dataset, cameraKeys: ["top"] }, [0], { images: "stored" }),
		).rejects.toMatchObject({
			code: "bad-stats",
			camera: "top",
		});
	});

	test("a named pandas index works, too, and sentences may be missing", async () => {
		using folder = temporaryFolder();
		const dir = join(folder.path, "copy");
		cpSync(join(golden, "pyarrow-v3"), dir, { recursive: true });
		await recordSynthetic(join(folder.path, "ours"), [2], { cameras: [] });
		writeFileSync(
			join(dir, "meta/tasks.parquet"),
			readFileSync(join(folder.path, "ours/meta/tasks.parquet")),
		);
		await expect(openDataset(dir)).rejects.toMatchObject({ code: "count-mismatch" });
	});
});

const seen = z.object({
	numRows: z.number(),
	action: z.array(z.number()),
	index: z.array(z.number()),
	timestamp: z.array(z.number()),
	types: z.record(z.string(), z.string()),
	huggingface: z.unknown(),
	tasks: z.array(z.string()),
	taskIndexName: z.string().nullable(),
	taskIndex: z.array(z.number()),
	episodeTasks: z.array(z.array(z.string())),
	episodeLength: z.array(z.number()),
	columns: z.array(z.string()),
	imageMean: z.unknown(),
});

test.for(pythons)(
	"a dataset written here opens with the libraries and calls of LeRobot (%s)",
	async (python) => {
		using folder = temporaryFolder();
		const dir = join(folder.path, "recordings");
		const episodes = await recordSynthetic(dir, [3, 5]);
		const { status, stdout } = spawnSync(python, [join(golden, "check-with-lerobot-libraries.py"), dir], {
			encoding: "utf8",
		});
		expect(status).toBe(0);
		const document = seen.parse(JSON.parse(stdout));
		expect(document).toMatchObject({
			numRows: 8,
			index: [0, 1, 2, 3, 4, 5, 6, 7],
			action: episodes.flatMap(({ actions }) => [...actions]),
			timestamp: [0, 1, 2, 0, 1, 2, 3, 4].map((frame) => Math.fround(frame / 10)),
			tasks: ["Task 0", "Task 1"],
			taskIndexName: "task",
			taskIndex: [0, 1],
			episodeTasks: [["Task 0"], ["Task 1"]],
			episodeLength: [3, 5],
			huggingface: { feature: { dtype: "float32", _type: "Value" }, length: 3, _type: "Sequence" },
		});
		expect(document.types).toMatchObject({
			action: "list<element: float>",
			timestamp: "float",
			index: "int64",
		});
		expect(document.imageMean).toEqual([
			[[expect.any(Number)]],
			[[expect.any(Number)]],
			[[expect.any(Number)]],
		]);
		expect(document.columns).toEqual(
			expect.arrayContaining([
				"data/chunk_index",
				"dataset_to_index",
				`videos/${CAMERAS[0].key}/from_timestamp`,
			]),
		);
	},
);

test.for(["av1", "h264"] as const)(
	"a %s video written here is what ffprobe expects",
	async (codec, context) => {
		requireTool(context, "ffprobe", ["-version"]);
		using folder = temporaryFolder();
		const dir = join(folder.path, "recordings");
		await recordSynthetic(dir, [3, 5], { codec });
		const path = join(dir, "videos", CAMERAS[0].key, "chunk-000/file-000.mp4");
		const entries =
			"stream=codec_name,width,height,pix_fmt,r_frame_rate,avg_frame_rate,nb_read_frames:frame=pts_time,key_frame";
		const { status, stdout } = spawnSync(
			"ffprobe",
			["-v", "error", "-count_frames", "-show_entries", entries, "-of", "json", path],
			{ encoding: "utf8" },
		);
		expect(status).toBe(0);
		const document: unknown = JSON.parse(stdout);
		expect(document).toMatchObject({
			streams: [
				{
					codec_name: codec,
					width: 96,
					height: 64,
					pix_fmt: "yuv420p",
					r_frame_rate: "10/1",
					avg_frame_rate: "10/1",
					nb_read_frames: "8",
				},
			],
			// Episodes of 3 and 5 frames: each begins with a keyframe.
			frames: [1, 0, 1, 1, 0, 1, 0, 1].map((key_frame, frame) => ({
				key_frame,
				pts_time: (frame / 10).toFixed(6),
			})),
		});
	},
);
