// The rows of one episode in one data file, read so that nothing in them can stop the reading: what is not a number
// becomes NaN, a vector of the wrong length is counted.
import { type Feature, type ParquetTable, readParquet } from "@zk0/dataset";

/** State or action of an episode's rows. */
export interface VectorBlock {
	readonly dim: number;
	/** [numRows, dim]; NaN where the file has no number. */
	readonly values: Float32Array;
}

/** Rows of one episode, in the order of the file. */
export interface EpisodeBlock {
	/** Absolute path of the data file. */
	readonly file: string;
	readonly episodeIndex: number;
	readonly numRows: number;
	readonly frameIndex: Float64Array;
	readonly timestamp: Float64Array;
	/** Column `index`; null when the file has none. */
	readonly index: Float64Array | null;
	readonly taskIndex: Float64Array;
	readonly state: VectorBlock | null;
	readonly action: VectorBlock | null;
}

/** What reading a file met besides its rows. */
export interface FileRemarks {
	readonly missingColumns: readonly string[];
	/** Vectors whose length is not that of info.json, by feature, with the first length met. */
	readonly wrongLengths: ReadonlyMap<string, { readonly count: number; readonly length: number }>;
}

/** One file's rows, cut into episodes. */
export interface FileBlocks extends FileRemarks {
	readonly blocks: readonly EpisodeBlock[];
}

const REQUIRED = ["episode_index", "frame_index", "timestamp", "task_index"] as const;
const VECTORS = ["observation.state", "action"] as const;

/**
 * Reads a data file.
 * @throws DatasetError "missing-file", "bad-parquet"
 */
export async function readBlocks(
	file: string,
	features: Readonly<Record<string, Feature>>,
	{ signal }: { readonly signal?: AbortSignal | undefined } = {},
): Promise<FileBlocks> {
	const wanted = [...REQUIRED, "index", ...VECTORS.filter((name) => features[name] !== undefined)];
	const table = await readParquet(file, (names) => wanted.filter((name) => names.includes(name)), { signal });
	const missingColumns = wanted.filter((name) => name !== "index" && !table.columnNames.includes(name));
	const wrongLengths = new Map<string, { count: number; length: number }>();
	const numbers = (name: string): Float64Array =>
		table.columnNames.includes(name)
			? numbersOf(table, name)
			: new Float64Array(table.numRows).fill(Number.NaN);
	const vector = (name: (typeof VECTORS)[number]): VectorBlock | null => {
		const dim = features[name]?.shape[0] ?? 0;
		if (dim === 0 || !table.columnNames.includes(name)) return null;
		const { values, count, length } = vectorsOf(table, name, dim);
		if (count > 0) wrongLengths.set(name, { count, length });
		return count === table.numRows ? null : { dim, values };
	};
	const columns = {
		frameIndex: numbers("frame_index"),
		timestamp: numbers("timestamp"),
		index: table.columnNames.includes("index") ? numbers("index") : null,
		taskIndex: numbers("task_index"),
		state: vector("observation.state"),
		action: vector("action"),
	};
	const blocks: EpisodeBlock[] = [];
	for (const [episodeIndex, rows] of rowsByEpisode(numbers("episode_index"))) {
		blocks.push({
			file,
			episodeIndex,
			numRows: rows.length,
			frameIndex: pick(columns.frameIndex, rows),
			timestamp: pick(columns.timestamp, rows),
			index: columns.index === null ? null : pick(columns.index, rows),
			taskIndex: pick(columns.taskIndex, rows),
			state: pickVectors(columns.state, rows),
			action: pickVectors(columns.action, rows),
		});
	}
	return { blocks, missingColumns, wrongLengths };
}

function numberOf(value: unknown): number {
	if (typeof value === "number") return value;
	return typeof value === "bigint" ? Number(value) : Number.NaN;
}

function numbersOf(table: ParquetTable, name: string): Float64Array {
	const column = table.column(name);
	return Float64Array.from({ length: table.numRows }, (_, row) => numberOf(column[row]));
}

function vectorsOf(
	table: ParquetTable,
	name: string,
	dim: number,
): { readonly values: Float32Array; readonly count: number; readonly length: number } {
	const values = new Float32Array(table.numRows * dim).fill(Number.NaN);
	let count = 0;
	let length = dim;
	for (const [row, value] of table.column(name).entries()) {
		const list: ArrayLike<unknown> = isList(value) ? value : [value];
		if (list.length !== dim) {
			if (count === 0) length = list.length;
			count++;
			continue;
		}
		for (let at = 0; at < dim; at++) values[row * dim + at] = numberOf(list[at]);
	}
	return { values, count, length };
}

function isList(value: unknown): value is ArrayLike<unknown> {
	return Array.isArray(value) || (ArrayBuffer.isView(value) && !(value instanceof DataView));
}

/** Row numbers by episode, in order of first occurrence; rows without an episode are left out. */
function rowsByEpisode(episodeIndex: Float64Array): Map<number, number[]> {
	const found = new Map<number, number[]>();
	for (const [row, index] of episodeIndex.entries()) {
		if (!Number.isSafeInteger(index) || index < 0) continue;
		const rows = found.get(index);
		if (rows === undefined) found.set(index, [row]);
		else rows.push(row);
	}
	return found;
}

function pick(values: Float64Array, rows: readonly number[]): Float64Array {
	return Float64Array.from(rows, (row) => values[row] ?? Number.NaN);
}

function pickVectors(block: VectorBlock | null, rows: readonly number[]): VectorBlock | null {
	if (block === null) return null;
	const { dim, values } = block;
	const picked = new Float32Array(rows.length * dim);
	for (const [at, row] of rows.entries()) picked.set(values.subarray(row * dim, (row + 1) * dim), at * dim);
	return { dim, values: picked };
}
