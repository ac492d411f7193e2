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
	/** True when some episodes are left out, so that a file may have rows that are not wanted. */
	readonly isPart: boolean;
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
	const rows = emptyRows(length, stateDim, actionDim);
	for (const path of new Set(episodes.map(({ dataPath }) => dataPath))) {
		const own = episodes.filter(({ dataPath }) => dataPath === path);
		await using table = await openNumberTable(path, { signal });
		if (coversFile(own, table.numRows))
			await copyRows(table, rows, own[0]?.fromIndex ?? 0, { expected, own });
		else await copySelected(table, rows, { expected, own });
	}
	checkEpisodes(rows, expected);
	return rows;
}

/** True when the episodes, in their order, are all of a file's rows. */
function coversFile(episodes: readonly Episode[], numRows: number): boolean {
	let at = 0;
	for (const { fileRow, length } of episodes) {
		if (fileRow !== at) return false;
		at += length;
	}
	return at === numRows;
}

/** Reads a file of which not all rows are wanted, or that has not the rows that it should have. */
async function copySelected(
	table: NumberTable,
	rows: Rows,
	{ expected, own }: FileExpectation,
): Promise<void> {
	const { numRows, path } = table;
	const { stateDim, actionDim } = expected;
	const end = Math.max(...own.map(({ fileRow, length }) => fileRow + length));
	if (end > numRows || !expected.isPart) {
		const wanted = own.reduce((sum, { length }) => sum + length, 0);
		throw wrongCount(path, numRows, expected.isPart ? end : wanted);
	}
	const all = emptyRows(numRows, stateDim, actionDim);
	await copyRows(table, all, 0, { expected, own });
	for (const { fileRow, fromIndex, length } of own) {
		const to = fileRow + length;
		rows.episodeIndex.set(all.episodeIndex.subarray(fileRow, to), fromIndex);
		rows.frameIndex.set(all.frameIndex.subarray(fileRow, to), fromIndex);
		rows.taskIndex.set(all.taskIndex.subarray(fileRow, to), fromIndex);
		rows.timestamp.set(all.timestamp.subarray(fileRow, to), fromIndex);
		rows.state.set(all.state.subarray(fileRow * stateDim, to * stateDim), fromIndex * stateDim);
		rows.action.set(all.action.subarray(fileRow * actionDim, to * actionDim), fromIndex * actionDim);
	}
}

function emptyRows(length: number, stateDim: number, actionDim: number): Rows {
	return {
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
}

/** What one file is checked against. */
interface FileExpectation {
	readonly expected: RowsExpectation;
	/** The episodes that it holds. */
	readonly own: readonly Episode[];
}

function wrongCount(path: string, found: number, wanted: number): DatasetError {
	return new DatasetError(
		"count-mismatch",
		`${path}: it has ${found} rows but its episodes sum to ${wanted}; rows are missing or doubled, download or convert the dataset again`,
		{ file: path },
	);
}

async function copyRows(
	table: NumberTable,
	rows: Rows,
	at: number,
	{ expected, own: [first] }: FileExpectation,
): Promise<void> {
	const { fps, stateDim, actionDim, numTasks, toleranceS, hasGlobalIndex } = expected;
	const { path } = table;
	const firstIndex = (first?.recordedFrom ?? 0) - (first?.fileRow ?? 0);
	if (hasGlobalIndex) await checkGlobalIndex(table, firstIndex);
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

async function checkGlobalIndex(table: NumberTable, first: number): Promise<void> {
	const { path, numRows } = table;
	const indices = new Int32Array(numRows);
	await table.read("index", 1, indices, 0);
	for (let row = 0; row < numRows; row++) {
		if (indices[row] === first + row) continue;
		throw new DatasetError(
			"bad-index",
			`${path}: row ${row} has index ${indices[row]} where ${first + row} belongs; rows are doubled, missing or out of order, convert the dataset again`,
			{ file: path },
		);
	}
}

/** Checks that every row is where the metadata puts it, then numbers the rows as the selection does. */
function checkEpisodes(rows: Rows, { episodes }: RowsExpectation): void {
	for (const { index, recordedIndex, fromIndex, toIndex, dataPath } of episodes) {
		for (let row = fromIndex; row < toIndex; row++) {
			if (rows.episodeIndex[row] !== recordedIndex || rows.frameIndex[row] !== row - fromIndex) {
				throw new DatasetError(
					"episode-boundary",
					`${dataPath}: row ${row} is episode ${rows.episodeIndex[row]} frame ${rows.frameIndex[row]} but the metadata puts episode ${recordedIndex} frame ${row - fromIndex} there; convert the dataset again`,
					{ file: dataPath, episodeIndex: recordedIndex, frameIndex: row - fromIndex },
				);
			}
		}
		if (index !== recordedIndex) rows.episodeIndex.fill(index, fromIndex, toIndex);
	}
}
