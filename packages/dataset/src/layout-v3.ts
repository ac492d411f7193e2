// Metadata of LeRobotDataset v3.0: meta/tasks.parquet, meta/episodes/chunk-*/file-*.parquet (with one group of
// `stats/<feature>/<statistic>` columns per feature), meta/stats.json.
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { DatasetError } from "./errors.ts";
import { DATA_PATH, type DatasetInfo, fillPath, VIDEO_PATH } from "./info.ts";
import { type DatasetLayout, type RecordedEpisode, readOptionalJson, type VideoSegment } from "./layout.ts";
import { integerColumn, numberColumn, type ParquetTable, readParquet, stringColumn } from "./parquet/read.ts";
import type { Stats } from "./stats.ts";
import { episodeStats, parseStats } from "./stats-json.ts";

/** Reads v3.0 datasets. */
export const layoutV3: DatasetLayout = {
	versions: ["v3.0"],
	dataPath: DATA_PATH,
	videoPath: VIDEO_PATH,
	hasGlobalIndex: true,
	readTasks,
	readEpisodes,
	readEpisodeStats,
	readStats,
};

async function readTasks(root: string, signal?: AbortSignal): Promise<string[]> {
	const path = join(root, "meta/tasks.parquet");
	const table = await readParquet(path, (names) => names, { signal });
	// pandas keeps the sentence in its index: a named column in new files, `__index_level_0__` in older ones.
	const textColumn = table.columnNames.find((name) => name !== "task_index");
	if (textColumn === undefined) {
		throw new DatasetError(
			"bad-metadata",
			`${path} has no column with the task sentences; record or convert it again`,
			{
				file: path,
			},
		);
	}
	const texts = stringColumn(table, textColumn);
	const tasks: string[] = [];
	for (const [row, taskIndex] of integerColumn(table, "task_index").entries()) {
		if (taskIndex < 0 || taskIndex >= texts.length || tasks[taskIndex] !== undefined) {
			throw new DatasetError(
				"bad-metadata",
				`${path}: task_index ${taskIndex} in row ${row} is out of range or repeated`,
				{
					file: path,
				},
			);
		}
		tasks[taskIndex] = texts[row] ?? "";
	}
	return tasks;
}

async function episodeFiles(root: string): Promise<string[]> {
	const folder = join(root, "meta/episodes");
	const names = await readdir(folder, { recursive: true }).catch((cause: unknown) => {
		throw new DatasetError("missing-file", `${folder} cannot be listed; download or copy the dataset again`, {
			file: folder,
			cause,
		});
	});
	const files = names.filter((name) => name.endsWith(".parquet")).sort();
	if (files.length === 0) {
		throw new DatasetError(
			"missing-file",
			`${folder} has no parquet file; download or copy the dataset again`,
			{
				file: folder,
			},
		);
	}
	return files.map((name) => join(folder, name));
}

async function readEpisodes(
	root: string,
	info: DatasetInfo,
	signal?: AbortSignal,
): Promise<RecordedEpisode[]> {
	const episodes: RecordedEpisode[] = [];
	for (const path of await episodeFiles(root)) {
		const table = await readParquet(path, (names) => names.filter((name) => !name.startsWith("stats/")), {
			signal,
		});
		episodes.push(...episodesOf(table, root, info));
	}
	return episodes.sort((a, b) => a.index - b.index);
}

function episodesOf(table: ParquetTable, root: string, info: DatasetInfo): RecordedEpisode[] {
	const cameras = Object.keys(info.features).filter((key) => info.features[key]?.dtype === "video");
	const segments = new Map(cameras.map((camera) => [camera, videoSegments(table, camera, root, info)]));
	const lengths = integerColumn(table, "length");
	const from = integerColumn(table, "dataset_from_index");
	const to = integerColumn(table, "dataset_to_index");
	const chunks = integerColumn(table, "data/chunk_index");
	const files = integerColumn(table, "data/file_index");
	const tasks = table.columnNames.includes("tasks") ? table.column("tasks") : [];
	return integerColumn(table, "episode_index").map((index, row) => ({
		index,
		length: lengths[row] ?? 0,
		tasks: taskList(tasks[row]),
		fromIndex: from[row] ?? 0,
		toIndex: to[row] ?? 0,
		dataPath: join(
			root,
			fillPath(info.data_path, { chunk_index: chunks[row] ?? 0, file_index: files[row] ?? 0 }),
		),
		videos: new Map(
			cameras.flatMap((camera) => {
				const segment = segments.get(camera)?.[row];
				return segment === undefined ? [] : [[camera, segment]];
			}),
		),
	}));
}

function taskList(value: unknown): string[] {
	return Array.isArray(value) ? value.filter((task) => typeof task === "string") : [];
}

function videoSegments(table: ParquetTable, camera: string, root: string, info: DatasetInfo): VideoSegment[] {
	const from = numberColumn(table, `videos/${camera}/from_timestamp`);
	const to = numberColumn(table, `videos/${camera}/to_timestamp`);
	const files = integerColumn(table, `videos/${camera}/file_index`);
	return integerColumn(table, `videos/${camera}/chunk_index`).map((chunk, row) => ({
		path: join(
			root,
			fillPath(info.video_path ?? VIDEO_PATH, {
				video_key: camera,
				chunk_index: chunk,
				file_index: files[row] ?? 0,
			}),
		),
		fromTimestamp: from[row] ?? 0,
		toTimestamp: to[row] ?? 0,
	}));
}

async function readEpisodeStats(root: string, signal?: AbortSignal): Promise<ReadonlyMap<number, Stats>> {
	const stats = new Map<number, Stats>();
	for (const path of await episodeFiles(root)) {
		const isWanted = (name: string): boolean => name.startsWith("stats/") || name === "episode_index";
		const table = await readParquet(path, (names) => names.filter(isWanted), { signal });
		const names = table.columnNames.filter((name) => name.startsWith("stats/"));
		if (names.length === 0) continue;
		for (const [row, index] of integerColumn(table, "episode_index").entries()) {
			stats.set(
				index,
				episodeStats(names, (name) => table.column(name)[row], path),
			);
		}
	}
	return stats;
}

async function readStats(root: string, _info: DatasetInfo, signal?: AbortSignal): Promise<Stats | null> {
	const path = join(root, "meta/stats.json");
	const document = await readOptionalJson(path, signal);
	return document === null ? null : parseStats(document, path);
}
