// The seam between format versions: where a dataset keeps its tasks, episodes and statistics. Everything above
// works on what this returns, whichever version is on disk.

import { readFile } from "node:fs/promises";
import { codeOf } from "@zk0/arrays";
import { causeText, DatasetError } from "./errors.ts";
import type { DatasetInfo } from "./info.ts";
import { refusePointer } from "./lfs-pointer.ts";
import type { Stats } from "./stats.ts";

/** The stretch of a video file that holds one episode of one camera; seconds in the file. */
export interface VideoSegment {
	/** Absolute path. */
	readonly path: string;
	readonly fromTimestamp: number;
	readonly toTimestamp: number;
}

/** One episode as the metadata describes it. */
export interface RecordedEpisode {
	readonly index: number;
	/** Frames. */
	readonly length: number;
	readonly tasks: readonly string[];
	/** First row of the episode in the whole dataset. */
	readonly fromIndex: number;
	/** One past its last row. */
	readonly toIndex: number;
	/** Absolute path of the parquet file with its rows; several episodes may share one. */
	readonly dataPath: string;
	/** By camera key. */
	readonly videos: ReadonlyMap<string, VideoSegment>;
}

/** One episode of an open dataset; in a selection `index`, `fromIndex` and `toIndex` count what was selected. */
export interface Episode extends RecordedEpisode {
	/** Its number on disk. */
	readonly recordedIndex: number;
	/** Its first row in the whole dataset on disk. */
	readonly recordedFrom: number;
	/** Its first row in `dataPath`. */
	readonly fileRow: number;
}

/** How one format version stores metadata. Every method throws DatasetError naming the file. */
export interface DatasetLayout {
	/** Values of `codebase_version` that this layout reads. */
	readonly versions: readonly string[];
	/** Template of the data files' paths when info.json has none. */
	readonly dataPath: string;
	/** The same for videos. */
	readonly videoPath: string;
	/** True when the rows' `index` must count through the dataset: files are shared, so doubled rows are possible. */
	readonly hasGlobalIndex: boolean;
	/** Task sentences by task index. */
	readTasks(root: string, signal?: AbortSignal): Promise<string[]>;
	/** All episodes in order of index. */
	readEpisodes(root: string, info: DatasetInfo, signal?: AbortSignal): Promise<RecordedEpisode[]>;
	/** Statistics of each episode by its index; empty when the dataset stores none. */
	readEpisodeStats(root: string, signal?: AbortSignal): Promise<ReadonlyMap<number, Stats>>;
	/** Statistics of the whole dataset; null when it stores none. */
	readStats(root: string, info: DatasetInfo, signal?: AbortSignal): Promise<Stats | null>;
}

/**
 * Reads a JSON file.
 * @throws DatasetError "missing-file" or "bad-json".
 */
export async function readJson(path: string, signal?: AbortSignal): Promise<unknown> {
	try {
		return JSON.parse(await readFile(path, { encoding: "utf8", ...(signal && { signal }) }));
	} catch (cause) {
		signal?.throwIfAborted();
		if (isMissing(cause)) {
			throw new DatasetError(
				"missing-file",
				`${path} does not exist; is this the folder of a LeRobot dataset?`,
				{
					file: path,
					cause,
				},
			);
		}
		await refusePointer(path);
		throw new DatasetError(
			"bad-json",
			`${path} cannot be read: ${causeText(cause)}; download or copy it again`,
			{
				file: path,
				cause,
			},
		);
	}
}

/** Reads a JSON file; null when it is not there. @throws DatasetError "bad-json". */
export async function readOptionalJson(path: string, signal?: AbortSignal): Promise<unknown> {
	try {
		return await readJson(path, signal);
	} catch (cause) {
		if (cause instanceof DatasetError && cause.code === "missing-file") return null;
		throw cause;
	}
}

/** True for "no such file" from the file system. */
export function isMissing(cause: unknown): boolean {
	return codeOf(cause) === "ENOENT";
}
