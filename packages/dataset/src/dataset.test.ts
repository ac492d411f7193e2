// What is wrong with a dataset on disk is said at once, by code, with the file.
import { readFileSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { join, sep } from "node:path";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type LeRobotDataset, openDataset } from "./dataset.ts";
import { DatasetError } from "./errors.ts";
import { featureColumn } from "./parquet/schema.ts";
import { type TableValues, writeParquetFile } from "./parquet/write.ts";
import { OPTIONS, recordSynthetic, temporaryFolder } from "./testing/recordings.ts";
import { datasetFeatures } from "./writer-checks.ts";

const folder = temporaryFolder();
const pristine = join(folder.path, "recordings");
const LENGTHS = [3, 4];
const NUM_ROWS = 7;
const files = {
	info: "meta/info.json",
	stats: "meta/stats.json",
	tasks: "meta/tasks.parquet",
	episodes: "meta/episodes/chunk-000/file-000.parquet",
	data: "data/chunk-000/file-000.parquet",
};

/** Every file's bytes, so that each test can damage the dataset and put it back. */
const originals = new Map<string, Buffer>();

beforeAll(async () => {
	await recordSynthetic(pristine, LENGTHS, { cameras: [] });
	for (const path of Object.values(files)) originals.set(path, readFileSync(join(pristine, path)));
});
afterAll(() => folder[Symbol.dispose]());

async function withDamage<T>(
	file: string,
	damage: (path: string) => void,
	action: () => Promise<T>,
): Promise<T> {
	const path = join(pristine, file);
	damage(path);
	try {
		return await action();
	} finally {
		writeFileSync(path, originals.get(file) ?? "");
	}
}

function editInfo(change: (info: Record<string, unknown>) => void): (path: string) => void {
	return (path) => {
		const info: Record<string, unknown> = JSON.parse(readFileSync(path, "utf8"));
		change(info);
		writeFileSync(path, JSON.stringify(info));
	};
}

async function openAndRead(): Promise<LeRobotDataset> {
	const dataset = await openDataset(pristine);
	await dataset.readRows();
	await dataset.readEpisodeStats();
	return dataset;
}

describe("damaged metadata", () => {
	const cases: [string, keyof typeof files, string, (path: string) => void][] = [
		["info.json is missing", "info", "missing-file", (path) => rmSync(path)],
		["info.json is cut", "info", "bad-json", (path) => truncateSync(path, 100)],
		["info.json is a list", "info", "bad-metadata", (path) => writeFileSync(path, "[]")],
		["fps is zero", "info", "bad-metadata", editInfo((info) => Object.assign(info, { fps: 0 }))],
		[
			"the version is another",
			"info",
			"unsupported-version",
			editInfo((info) => Object.assign(info, { codebase_version: "v4.0" })),
		],
		[
			"an episode too many is claimed",
			"info",
			"count-mismatch",
			editInfo((info) => Object.assign(info, { total_episodes: 3 })),
		],
		[
			"a frame too few is claimed",
			"info",
			"count-mismatch",
			editInfo((info) => Object.assign(info, { total_frames: 6 })),
		],
		[
			"no task is claimed",
			"info",
			"count-mismatch",
			editInfo((info) => Object.assign(info, { total_tasks: 0 })),
		],
		[
			"data lies outside",
			"info",
			"bad-metadata",
			editInfo((info) => Object.assign(info, { data_path: "../../x.parquet" })),
		],
		[
			"data lies elsewhere",
			"info",
			"missing-file",
			editInfo((info) => Object.assign(info, { data_path: "data/x.parquet" })),
		],
		[
			"the action is a picture",
			"info",
			"bad-metadata",
			editInfo((info) => Object.assign(info, { features: { action: { dtype: "image", shape: [8, 8, 3] } } })),
		],
		["tasks are missing", "tasks", "missing-file", (path) => rmSync(path)],
		["tasks are cut", "tasks", "bad-parquet", (path) => truncateSync(path, 300)],
		["tasks are empty", "tasks", "bad-parquet", (path) => truncateSync(path, 0)],
		["episodes are cut", "episodes", "bad-parquet", (path) => truncateSync(path, 1000)],
		["rows are cut", "data", "bad-parquet", (path) => truncateSync(path, 1000)],
		["rows are noise", "data", "bad-parquet", (path) => writeFileSync(path, Buffer.alloc(3000, "noise"))],
		["statistics are cut", "stats", "bad-json", (path) => truncateSync(path, 100)],
		["statistics are a text", "stats", "bad-stats", (path) => writeFileSync(path, '"none"')],
		["statistics lack a mean", "stats", "bad-stats", (path) => writeFileSync(path, '{"action":{"std":[1]}}')],
		[
			"statistics differ in length",
			"stats",
			"bad-stats",
			(path) => writeFileSync(path, '{"a":{"min":[1],"max":[1],"mean":[1,2],"std":[1],"count":[1]}}'),
		],
	];
	test.each(cases)("%s", async (_, file, code, damage) => {
		const start = performance.now();
		await withDamage(files[file], damage, async () => {
			const error = await openAndRead().then(
				() => null,
				(cause: unknown) => cause,
			);
			expect(error).toBeInstanceOf(DatasetError);
			// Metadata that names a wrong path is reported with that path.
			const isNamedPath = code === "missing-file" || code === "bad-metadata";
			expect(error).toMatchObject({ code, file: expect.stringContaining(isNamedPath ? sep : files[file]) });
		});
		expect(performance.now() - start).toBeLessThan(2000);
	});

	test("a folder that is not there", async () => {
		await expect(openDataset(join(folder.path, "nowhere"))).rejects.toMatchObject({ code: "not-found" });
	});

	test("missing statistics are no error, unknown keys are ignored", async () => {
		await withDamage(
			files.stats,
			(path) => rmSync(path),
			async () => {
				expect((await openDataset(pristine)).storedStats).toBeNull();
			},
		);
		await withDamage(
			files.info,
			editInfo((info) => Object.assign(info, { total_videos: 4, tools: [] })),
			async () => {
				expect((await openDataset(pristine)).numFrames).toBe(NUM_ROWS);
			},
		);
	});

	test("any bytes may be wrong: an error with a code, or a dataset", async () => {
		const anyFile = fc.constantFrom(...Object.values(files));
		const changes = fc.array(
			fc.tuple(fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }), fc.nat(255)),
			{
				minLength: 1,
				maxLength: 8,
			},
		);
		await fc.assert(
			fc.asyncProperty(anyFile, changes, async (file, bytes) => {
				const mutate = (path: string): void => {
					const content = Buffer.from(originals.get(file) ?? "");
					for (const [place, value] of bytes) content[Math.floor(place * content.length)] = value;
					writeFileSync(path, content);
				};
				await withDamage(file, mutate, async () => {
					const outcome = await openAndRead().catch((cause: unknown) => cause);
					expect(outcome instanceof DatasetError || typeof outcome === "object").toBe(true);
					expect(outcome).not.toBeInstanceOf(TypeError);
					expect(outcome).not.toBeInstanceOf(RangeError);
				});
			}),
			{ numRuns: 80, seed: 7 },
		);
	});
});

describe("rows that disagree with the metadata", () => {
	/** Rewrites the data file from its own rows after `change`. */
	async function rewrite(change: (rows: Record<string, unknown[]>) => void): Promise<(path: string) => void> {
		const rows = await (await openDataset(pristine)).readRows();
		const list = (values: Float32Array, dim: number): number[][] =>
			Array.from({ length: rows.length }, (_, row) =>
				Array.from(values.subarray(row * dim, (row + 1) * dim)),
			);
		const bigints = (values: Int32Array): bigint[] => Array.from(values, BigInt);
		const values: Record<string, unknown[]> = {
			action: list(rows.action, 3),
			"observation.state": list(rows.state, 2),
			timestamp: [...rows.timestamp],
			frame_index: bigints(rows.frameIndex),
			episode_index: bigints(rows.episodeIndex),
			index: Array.from({ length: rows.length }, (_, row) => BigInt(row)),
			task_index: bigints(rows.taskIndex),
		};
		change(values);
		const features = Object.entries(datasetFeatures({ ...OPTIONS, cameras: [] }));
		const columns = features.map(([name, feature]) => featureColumn(name, feature));
		return (path) => {
			rmSync(path);
			const table: TableValues = values;
			writeParquetFile(path, columns, table);
		};
	}

	const cases: [string, string, (rows: Record<string, unknown[]>) => void][] = [
		[
			"all rows doubled",
			"count-mismatch",
			(rows) => Object.values(rows).forEach((column) => column.push(...column)),
		],
		["a row missing", "count-mismatch", (rows) => Object.values(rows).forEach((column) => column.pop())],
		[
			"two rows swapped",
			"bad-index",
			(rows) => Object.values(rows).forEach((column) => column.splice(1, 2, column[2], column[1])),
		],
		["an index repeated", "bad-index", (rows) => rows["index"]?.splice(3, 1, 2n)],
		["a row in another episode", "episode-boundary", (rows) => rows["episode_index"]?.splice(3, 1, 0n)],
		["a timestamp off", "bad-timestamp", (rows) => rows["timestamp"]?.splice(2, 1, 0.21)],
		["an unknown task", "bad-metadata", (rows) => rows["task_index"]?.splice(0, 1, 2n)],
		["a short action", "bad-parquet", (rows) => rows["action"]?.splice(0, 1, [1, 2])],
		["a missing number", "bad-parquet", (rows) => rows["action"]?.splice(0, 1, [1, 2, null])],
		["a missing index", "bad-parquet", (rows) => rows["index"]?.splice(0, 1, null)],
	];
	test.each(cases)("%s", async (_, code, change) => {
		await withDamage(files.data, await rewrite(change), async () => {
			const dataset = await openDataset(pristine);
			await expect(dataset.readRows()).rejects.toMatchObject({
				code,
				file: expect.stringContaining(pristine),
			});
		});
	});

	test("none: the rewritten file reads as the original", async () => {
		const before = await (await openDataset(pristine)).readRows();
		await withDamage(files.data, await rewrite(() => undefined), async () => {
			expect(await (await openDataset(pristine)).readRows()).toEqual(before);
		});
	});
});

test("reading can be aborted", async () => {
	const dataset = await openDataset(pristine);
	const signal = AbortSignal.abort(new RangeError("enough"));
	await expect(dataset.readRows({ signal })).rejects.toThrow("enough");
	await expect(openDataset(pristine, { signal })).rejects.toThrow("enough");
});
