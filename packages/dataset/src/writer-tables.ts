// The parquet tables of a LeRobotDataset v3.0 as rows and columns: tasks, episodes with their statistics, and
// the files of data rows (several episodes per file, one row group per episode).
import { mkdirSync } from "node:fs";
import { dirname, join } from "node:path";
import { DATA_PATH, EPISODES_PATH, type Feature, fillPath } from "./info.ts";
import { type ColumnType, featureColumn, huggingfaceMetadata, pandasMetadata } from "./parquet/schema.ts";
import { createParquetFile, type ParquetSink, type TableValues, writeParquetFile } from "./parquet/write.ts";
import { type FeatureStats, type Stats, VALUE_KEYS } from "./stats.ts";
import { nestStat } from "./stats-json.ts";
import type { EpisodeVideo } from "./video/encode-protocol.ts";

const MB = 1024 * 1024;

/** A file by its place in the chunk folders. */
export interface FilePlace {
	readonly chunkIndex: number;
	readonly fileIndex: number;
}

/** File number to chunk and file, `filesPerChunk` files per folder. */
export function filePlace(fileNumber: number, filesPerChunk: number): FilePlace {
	return { chunkIndex: Math.floor(fileNumber / filesPerChunk), fileIndex: fileNumber % filesPerChunk };
}

/** What meta/episodes records about one episode. */
export interface EpisodeRecord {
	readonly episodeIndex: number;
	readonly tasks: readonly string[];
	readonly length: number;
	readonly fromIndex: number;
	readonly data: FilePlace;
	readonly videos: readonly EpisodeVideo[];
	readonly stats: Stats;
}

/** Appends episodes to the data files. */
export interface DataFiles extends Disposable {
	/** Writes one row group; begins a new file when the current one would reach the size limit. */
	append(rows: TableValues, numRows: number): FilePlace;
	finish(): void;
}

/** Opens the data table below `root`; the caller disposes it. */
export function createDataFiles(
	root: string,
	features: Readonly<Record<string, Feature>>,
	limits: { readonly dataFileSizeMb: number; readonly filesPerChunk: number },
): DataFiles {
	const tabular = Object.fromEntries(Object.entries(features).filter(([, { dtype }]) => dtype !== "video"));
	const columns = Object.entries(tabular).map(([name, feature]) => featureColumn(name, feature));
	let sink: ParquetSink | null = null;
	let fileNumber = -1;
	let rowsInFile = 0;
	const nextFile = (): ParquetSink => {
		sink?.finish();
		fileNumber++;
		rowsInFile = 0;
		const place = filePlace(fileNumber, limits.filesPerChunk);
		const path = join(
			root,
			fillPath(DATA_PATH, { chunk_index: place.chunkIndex, file_index: place.fileIndex }),
		);
		mkdirSync(dirname(path), { recursive: true });
		sink = createParquetFile(path, columns, [huggingfaceMetadata(tabular)]);
		return sink;
	};
	return {
		append(rows, numRows) {
			const expectedBytes = sink === null ? 0 : (sink.sizeBytes / rowsInFile) * (rowsInFile + numRows);
			const file = sink === null || expectedBytes >= limits.dataFileSizeMb * MB ? nextFile() : sink;
			file.writeRowGroup(rows);
			rowsInFile += numRows;
			return filePlace(fileNumber, limits.filesPerChunk);
		},
		finish() {
			sink?.finish();
			sink = null;
		},
		[Symbol.dispose]() {
			sink?.[Symbol.dispose]();
		},
	};
}

/** Writes meta/tasks.parquet: pandas index `task` (the sentence) and column `task_index`. */
export function writeTasks(root: string, tasks: readonly string[]): void {
	const columns: ColumnType[] = [
		{ name: "task_index", type: "int64", depth: 0 },
		{ name: "task", type: "string", depth: 0 },
	];
	const values = { task_index: tasks.map((_, index) => BigInt(index)), task: tasks };
	writeParquetFile(join(root, "meta/tasks.parquet"), columns, values, [pandasMetadata("task", columns)]);
}

/** Writes meta/episodes/chunk-000/file-000.parquet, one row per episode. */
export function writeEpisodes(root: string, episodes: readonly EpisodeRecord[]): void {
	const path = join(root, fillPath(EPISODES_PATH, { chunk_index: 0, file_index: 0 }));
	mkdirSync(dirname(path), { recursive: true });
	const columns: ColumnType[] = [];
	const values: Record<string, unknown[]> = {};
	const add = (
		name: string,
		type: ColumnType["type"],
		depth: number,
		value: (episode: EpisodeRecord) => unknown,
	): void => {
		columns.push({ name, type, depth });
		values[name] = episodes.map(value);
	};
	const addInt = (name: string, value: (episode: EpisodeRecord) => number): void =>
		add(name, "int64", 0, (episode) => BigInt(value(episode)));
	addInt("episode_index", ({ episodeIndex }) => episodeIndex);
	add("tasks", "string", 1, ({ tasks }) => tasks);
	addInt("length", ({ length }) => length);
	addInt("data/chunk_index", ({ data }) => data.chunkIndex);
	addInt("data/file_index", ({ data }) => data.fileIndex);
	addInt("dataset_from_index", ({ fromIndex }) => fromIndex);
	addInt("dataset_to_index", ({ fromIndex, length }) => fromIndex + length);
	for (const [camera, { camera: key }] of (episodes[0]?.videos ?? []).entries()) {
		addInt(`videos/${key}/chunk_index`, ({ videos }) => videos[camera]?.chunkIndex ?? 0);
		addInt(`videos/${key}/file_index`, ({ videos }) => videos[camera]?.fileIndex ?? 0);
		add(`videos/${key}/from_timestamp`, "float64", 0, ({ videos }) => videos[camera]?.fromTimestamp);
		add(`videos/${key}/to_timestamp`, "float64", 0, ({ videos }) => videos[camera]?.toTimestamp);
	}
	for (const [feature, { shape }] of Object.entries(episodes[0]?.stats ?? {})) {
		for (const key of VALUE_KEYS) {
			add(`stats/${feature}/${key}`, "float64", shape.length, ({ stats }) => nested(stats[feature], key));
		}
		add(`stats/${feature}/count`, "int64", 1, ({ stats }) => [BigInt(stats[feature]?.count ?? 0)]);
	}
	addInt("meta/episodes/chunk_index", () => 0);
	addInt("meta/episodes/file_index", () => 0);
	writeParquetFile(path, columns, values);
}

function nested(stats: FeatureStats | undefined, key: (typeof VALUE_KEYS)[number]): unknown {
	return stats?.[key] === undefined ? null : nestStat(stats[key], stats.shape);
}
