// The numeric rows of a dataset as typed columns, checked against the metadata: a parquet file that is read
// twice, rows out of order, or boundaries that disagree would silently train on wrong frames.
import { DatasetError } from "./errors.ts";
import type { Episode } from "./layout.ts";
import { type NumberTable, openNumberTable } from "./parquet/numbers.ts";

/** Largest accepted difference between a row's timestamp and frame_index / fps, seconds (LeRobot's tolerance_s). */
export const TIMESTAMP_TOLERANCE_S = 1e-4;

/** All rows, in order of their global index. */
export interface Rows {
	readonly length: number;
	readonly stateDim: number;
	readonly actionDim: number;
	/** [length, stateDim]; empty when the dataset has no `observation.state`. */
	readonly state: Float32Array;
	/** [length, actionDim]; empty when the dataset has no `action`. */
	readonly action: Float32Array;
	readonly episodeIndex: Int32Array;
	readonly frameIndex: Int32Array;
	/** Seconds since the start of the episode. */
	readonly timestamp: Float32Array;
	readonly taskIndex: Int32Array;
}

/** What the rows are checked against. */
export interface RowsExpectation {
	readonly root: string;
	readonly fps: number;
	readonly episodes: readonly Episode[];
	readonly numTasks: number;
	readonly stateDim: number;
	readonly actionDim: number;
	/** Largest accepted difference between a timestamp and frame_index / fps, seconds. */
	readonly toleranceS: number;
	/** True when column `index` must count the rows through all files. */
	readonly hasGlobalIndex: boolean;
}

/**
 * Reads every data file once and checks the rows.
 * @throws DatasetError "missing-file", "bad-parquet", "count-mismatch", "bad-index", "episode-boundary", "bad-timestamp".
 */
export async function readRows(
	expected: RowsExpectation,
	{ signal }: { signal?: AbortSignal } = {},
): Promise<Rows> {
	const { episodes, stateDim, actionDim } = expected;
	const length = episodes.reduce((sum, episode) => sum + episode.length, 0);
	const rows = {
		length,
		stateDim,
		actionDim,
		state: new Float32Array(length * stateDim),
		action: new Float32Array(length * actionDim),
		episodeIndex: new Int32Array(length),
		frameIndex: new Int32Array(length),
		timestamp: new Float32Array(length),
		taskIndex: new Int32Array(length),
	};
	let at = 0;
	for (const path of new Set(episodes.map(({ dataPath }) => dataPath))) {
		await using table = await openNumberTable(path, { signal });
		if (at + table.numRows > length) throw wrongCount(expected.root, path, at + table.numRows, length);
		await copyRows(table, rows, at, expected);
		at += table.numRows;
	}
	if (at !== length) throw wrongCount(expected.root, null, at, length);
	checkEpisodes(rows, expected);
	return rows;
}

function wrongCount(root: string, path: string | null, found: number, wanted: number): DatasetError {
	return new DatasetError(
		"count-mismatch",
		`${path ?? root}: the data files have ${path === null ? "" : "at least "}${found} rows but the episodes sum to ${wanted}; rows are missing or doubled, download or convert the dataset again`,
		{ file: path ?? root },
	);
}

async function copyRows(
	table: NumberTable,
	rows: Rows,
	at: number,
	{ fps, stateDim, actionDim, numTasks, toleranceS, hasGlobalIndex }: RowsExpectation,
): Promise<void> {
	const { path } = table;
	if (hasGlobalIndex) await checkGlobalIndex(table, at);
	await table.read("episode_index", 1, rows.episodeIndex, at);
	await table.read("frame_index", 1, rows.frameIndex, at);
	await table.read("task_index", 1, rows.taskIndex, at);
	await table.read("timestamp", 1, rows.timestamp, at);
	if (stateDim > 0) await table.read("observation.state", stateDim, rows.state, at * stateDim);
	if (actionDim > 0) await table.read("action", actionDim, rows.action, at * actionDim);
	for (let row = at; row < at + table.numRows; row++) {
		const frameIndex = rows.frameIndex[row] ?? 0;
		const timestamp = rows.timestamp[row] ?? 0;
		// float32 keeps about 7 digits: allow its rounding on top for long episodes.
		const tolerance = toleranceS + timestamp * 2 ** -23;
		const episodeIndex = rows.episodeIndex[row] ?? 0;
		if (!(Math.abs(timestamp - frameIndex / fps) <= tolerance)) {
			throw new DatasetError(
				"bad-timestamp",
				`${path}: episode ${episodeIndex} frame ${frameIndex} has timestamp ${timestamp} s but ${frameIndex}/${fps} fps is ${frameIndex / fps} s; the recording dropped frames or fps is wrong: leave the episode out, or open it with a larger tolerance than ${toleranceS} s`,
				{ file: path, episodeIndex, frameIndex },
			);
		}
		const taskIndex = rows.taskIndex[row] ?? 0;
		if (taskIndex < 0 || taskIndex >= numTasks) {
			throw new DatasetError(
				"bad-metadata",
				`${path}: row ${row} has task_index ${taskIndex} but there are ${numTasks} tasks`,
				{
					file: path,
					episodeIndex,
					frameIndex,
				},
			);
		}
	}
}

async function checkGlobalIndex(table: NumberTable, at: number): Promise<void> {
	const { path, numRows } = table;
	const indices = new Int32Array(numRows);
	await table.read("index", 1, indices, 0);
	for (let row = 0; row < numRows; row++) {
		if (indices[row] === at + row) continue;
		throw new DatasetError(
			"bad-index",
			`${path}: row ${row} has index ${indices[row]} where ${at + row} belongs; rows are doubled, missing or out of order, convert the dataset again`,
			{ file: path },
		);
	}
}

function checkEpisodes(rows: Rows, { episodes }: RowsExpectation): void {
	for (const { index, fromIndex, toIndex, dataPath } of episodes) {
		for (let row = fromIndex; row < toIndex; row++) {
			if (rows.episodeIndex[row] !== index || rows.frameIndex[row] !== row - fromIndex) {
				throw new DatasetError(
					"episode-boundary",
					`${dataPath}: row ${row} is episode ${rows.episodeIndex[row]} frame ${rows.frameIndex[row]} but the metadata puts episode ${index} frame ${row - fromIndex} there; convert the dataset again`,
					{ file: dataPath, episodeIndex: index, frameIndex: row - fromIndex },
				);
			}
		}
	}
}
