// LeRobotDataset v2.0 and v2.1 read like v3.0: rows, frames, statistics, and errors that name the file.
import { appendFileSync, readFileSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { openDataset } from "./dataset.ts";
import { computeStats } from "./dataset-stats.ts";
import { DatasetError } from "./errors.ts";
import { createFrameReader } from "./frame-reader.ts";
import { createSampleSource } from "./sample-source.ts";
import { CAMERAS, markerOf, readMarker, temporaryFolder } from "./testing/recordings.ts";
import { recordSyntheticV2, TASKS_V2 } from "./testing/recordings-v2.ts";
import type { EpisodeInput } from "./writer.ts";

const folder = temporaryFolder();
const v20 = join(folder.path, "v20");
const v21 = join(folder.path, "v21");
const LENGTHS = [4, 3, 5];
let episodes: EpisodeInput[];

beforeAll(async () => {
	episodes = await recordSyntheticV2(v21, LENGTHS, { version: "v2.1", chunksSize: 2, hasExtraColumns: true });
	await recordSyntheticV2(v20, [3, 2], { version: "v2.0", fps: 12.5, isStateOnly: true });
});
afterAll(() => folder[Symbol.dispose]());

describe("a v2.1 dataset", () => {
	test("has the rows that were recorded, with several tasks per episode", async () => {
		const dataset = await openDataset(v21);
		expect(dataset).toMatchObject({
			numEpisodes: 3,
			numFrames: 12,
			stateDim: 2,
			actionDim: 3,
			robotType: "so100",
			tasks: TASKS_V2,
			cameraKeys: CAMERAS.map(({ key }) => key),
		});
		expect(dataset.episodes[2]).toMatchObject({
			fromIndex: 7,
			toIndex: 12,
			tasks: TASKS_V2,
			dataPath: join(v21, "data/chunk-001/episode_000002.parquet"),
		});
		const rows = await dataset.readRows();
		expect([...rows.action]).toEqual(episodes.flatMap(({ actions }) => [...actions]));
		expect([...rows.state]).toEqual(episodes.flatMap(({ states }) => [...states]));
		expect([...rows.taskIndex]).toEqual(LENGTHS.flatMap((length) => [0, 1, 0, 1, 0].slice(0, length)));
	});

	test("gives the frame that is asked for, whatever info.json says of the codec", async () => {
		const dataset = await openDataset(v21);
		await using reader = createFrameReader(dataset, { processes: 1 });
		const requests = LENGTHS.flatMap((length, episodeIndex) =>
			CAMERAS.map(({ key }) => ({ episodeIndex, frameIndex: length - 1, camera: key })),
		);
		const images = await reader.read(requests);
		expect(images.map(readMarker)).toEqual(
			LENGTHS.flatMap((length, episode) => [0, 1].map((camera) => markerOf(episode, length - 1, camera))),
		);
	});

	test("gives samples with the row's own task", async () => {
		await using source = await createSampleSource(await openDataset(v21), { chunkSize: 2, cameras: [] });
		const samples = await source.framesAt([0, 1, 3]);
		expect(samples.map(({ task }) => task)).toEqual([TASKS_V2[0], TASKS_V2[1], TASKS_V2[1]]);
		expect([...(samples[2]?.actionIsPad ?? [])]).toEqual([0, 1]);
	});

	test("joins the episodes' statistics as they would be computed", async () => {
		const dataset = await openDataset(v21);
		const computed = await computeStats(dataset);
		for (const key of ["mean", "std", "min", "max"] as const) {
			for (const [index, value] of (dataset.storedStats?.["action"]?.[key] ?? []).entries()) {
				expect(value).toBeCloseTo(computed["action"]?.[key][index] ?? Number.NaN, 9);
			}
		}
		expect(dataset.storedStats?.["action"]?.count).toBe(12);
		expect((await dataset.readEpisodeStats()).get(1)?.["action"]?.count).toBe(3);
	});
});

describe("a v2.0 dataset", () => {
	test("opens without videos, at an odd rate; statistics without counts are left to be computed", async () => {
		const dataset = await openDataset(v20);
		expect(dataset).toMatchObject({ fps: 12.5, cameraKeys: [], numFrames: 5, storedStats: null });
		expect(await dataset.readEpisodeStats()).toEqual(new Map());
		expect([...(await dataset.readRows()).timestamp]).toEqual([0, 0.08, 0.16, 0, 0.08].map(Math.fround));
		expect((await computeStats(dataset))["action"]?.count).toBe(5);
	});

	test("may leave out its path templates and count `index` anew in every file", async () => {
		using copy = temporaryFolder();
		const dir = join(copy.path, "merged");
		await recordSyntheticV2(dir, [2, 2], {
			version: "v2.0",
			isStateOnly: true,
			hasLocalIndex: true,
			info: { data_path: undefined, video_path: undefined, chunks_size: undefined },
		});
		expect((await (await openDataset(dir)).readRows()).length).toBe(4);
	});
});

describe("damage is named", () => {
	const damaged = async (file: string, damage: (path: string) => void): Promise<unknown> => {
		const path = join(v20, file);
		const original = readFileSync(path);
		damage(path);
		try {
			const dataset = await openDataset(v20);
			return await dataset.readRows();
		} catch (cause) {
			return cause;
		} finally {
			writeFileSync(path, original);
		}
	};
	const cases: [string, string, string, (path: string) => void][] = [
		["no tasks", "meta/tasks.jsonl", "missing-file", (path) => rmSync(path)],
		["no episodes", "meta/episodes.jsonl", "missing-file", (path) => rmSync(path)],
		["episodes cut", "meta/episodes.jsonl", "bad-json", (path) => truncateSync(path, 30)],
		[
			"an episode without length",
			"meta/episodes.jsonl",
			"bad-metadata",
			(path) => writeFileSync(path, '{"episode_index":0}\n'),
		],
		[
			"an episode twice, differing",
			"meta/episodes.jsonl",
			"bad-metadata",
			(path) => appendFileSync(path, '{"episode_index":1,"length":9}\n'),
		],
		[
			"an episode too many",
			"meta/episodes.jsonl",
			"count-mismatch",
			(path) => appendFileSync(path, '{"episode_index":2,"length":9}\n'),
		],
		[
			"a gap in the tasks",
			"meta/tasks.jsonl",
			"bad-metadata",
			(path) => writeFileSync(path, '{"task_index":1,"task":"Reach"}\n'),
		],
		["statistics of v2.0 cut", "meta/stats.json", "bad-json", (path) => truncateSync(path, 20)],
		["rows missing", "data/chunk-000/episode_000001.parquet", "missing-file", (path) => rmSync(path)],
		["rows cut", "data/chunk-000/episode_000001.parquet", "bad-parquet", (path) => truncateSync(path, 200)],
		[
			"rows of another episode",
			"data/chunk-000/episode_000001.parquet",
			"count-mismatch",
			(path) => writeFileSync(path, readFileSync(join(v20, "data/chunk-000/episode_000000.parquet"))),
		],
	];
	test.each(cases)("%s", async (_, file, code, damage) => {
		const error = await damaged(file, damage);
		expect(error).toMatchObject({ name: "DatasetError", code, file: expect.stringContaining(v20) });
		expect(String(error)).toContain(code === "count-mismatch" ? v20 : file);
	});

	test("equal lines count once, empty lines and a byte order mark not at all", async () => {
		const lines = readFileSync(join(v20, "meta/episodes.jsonl"), "utf8");
		const rows = await damaged("meta/episodes.jsonl", (path) =>
			writeFileSync(path, `\uFEFF${lines}\r\n${lines}`),
		);
		expect(rows).toMatchObject({ length: 5 });
	});

	test("the timestamps' tolerance can be widened up to half a frame", async () => {
		const change = (path: string): void =>
			writeFileSync(path, readFileSync(path, "utf8").replace('"fps": 12.5', '"fps": 12.4'));
		const path = join(v20, "meta/info.json");
		const original = readFileSync(path);
		change(path);
		try {
			await expect((await openDataset(v20)).readRows()).rejects.toMatchObject({ code: "bad-timestamp" });
			expect((await (await openDataset(v20, { toleranceS: 0.01 })).readRows()).length).toBe(5);
			await expect(openDataset(v20, { toleranceS: 0.05 })).rejects.toThrow(RangeError);
		} finally {
			writeFileSync(path, original);
		}
	});
});

describe("statistics and bytes that do not fit", () => {
	let dir: string;
	const FILES = ["meta/info.json", "meta/tasks.jsonl", "meta/episodes.jsonl", "meta/episodes_stats.jsonl"];

	beforeAll(async () => {
		dir = join(folder.path, "fragile");
		await recordSyntheticV2(dir, [2, 2], { version: "v2.1", isStateOnly: true });
	});

	const outcome = async (file: string, content: Uint8Array): Promise<unknown> => {
		const path = join(dir, file);
		const original = readFileSync(path);
		writeFileSync(path, content);
		try {
			const dataset = await openDataset(dir);
			await dataset.readEpisodeStats();
			return await dataset.readRows();
		} catch (cause) {
			return cause;
		} finally {
			writeFileSync(path, original);
		}
	};

	test("statistics of another size in one episode are named", async () => {
		const text = readFileSync(join(dir, "meta/episodes_stats.jsonl"), "utf8");
		const one = [1];
		const stats = { action: { min: one, max: one, mean: one, std: one, count: one } };
		const [first = ""] = text.split("\n");
		const content = `${first}\n${JSON.stringify({ episode_index: 1, stats })}\n`;
		expect(await outcome("meta/episodes_stats.jsonl", Buffer.from(content))).toMatchObject({
			code: "bad-stats",
			file: join(dir, "meta/episodes_stats.jsonl"),
		});
	});

	test("any bytes may be wrong: an error with a code, or a dataset", async () => {
		const changes = fc.array(fc.tuple(fc.double({ min: 0, max: 0.999, noNaN: true }), fc.nat(255)), {
			minLength: 1,
			maxLength: 6,
		});
		await fc.assert(
			fc.asyncProperty(fc.constantFrom(...FILES), changes, async (file, bytes) => {
				const content = readFileSync(join(dir, file));
				for (const [place, value] of bytes) content[Math.floor(place * content.length)] = value;
				const result = await outcome(file, content);
				expect(result instanceof DatasetError || !(result instanceof Error)).toBe(true);
			}),
			{ numRuns: 100, seed: 11 },
		);
	});
});
