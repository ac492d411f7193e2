// Reads parquet columns into memory (hyparquet and its decompressors). Everything wrong with a file becomes a
// DatasetError "bad-parquet" that names it; values are checked where they become numbers.
import { type DecodedArray, parquetRead } from "hyparquet";
import { compressors } from "hyparquet-compressors";
import { checkPages } from "./check-pages.ts";
import { badParquet, noColumn, openParquetFile, type ParquetFile, toBadParquet } from "./file.ts";

/** Some columns of one file. */
export interface ParquetTable {
	readonly path: string;
	readonly numRows: number;
	/** Names of all columns in the file, also of those not read. */
	readonly columnNames: readonly string[];
	/** Key-value metadata of the file. */
	readonly metadata: ReadonlyMap<string, string>;
	/** Values of a column that was asked for. @throws DatasetError "bad-parquet" when the file does not have it. */
	column(name: string): readonly unknown[];
}

/**
 * Reads `columns` (a list, or a choice among the file's columns) of a parquet file. With `keepsBytes`, binary values
 * that are not declared as text stay bytes.
 * @throws DatasetError "missing-file" or "bad-parquet".
 */
export async function readParquet(
	path: string,
	columns: readonly string[] | ((names: readonly string[]) => readonly string[]),
	{ signal, keepsBytes = false }: { signal?: AbortSignal | undefined; keepsBytes?: boolean } = {},
): Promise<ParquetTable> {
	await using file = await openParquetFile(path, { signal });
	try {
		return await readColumns(file, columns, keepsBytes);
	} catch (cause) {
		signal?.throwIfAborted();
		throw toBadParquet(path, cause);
	}
}

async function readColumns(
	file: ParquetFile,
	wanted: readonly string[] | ((names: readonly string[]) => readonly string[]),
	keepsBytes: boolean,
): Promise<ParquetTable> {
	const { path, metadata, numRows, columnNames } = file;
	const columns = typeof wanted === "function" ? wanted(columnNames) : wanted;
	for (const name of columns) {
		if (!columnNames.includes(name)) throw noColumn(file, name);
	}
	const chunks = new Map<string, ColumnChunk[]>(columns.map((name) => [name, []]));
	if (numRows > 0 && columns.length > 0) {
		await checkPages(file, columns);
		await parquetRead({
			file: file.bytes,
			metadata,
			columns: [...columns],
			compressors,
			utf8: !keepsBytes,
			onChunk: ({ columnName, columnData, rowStart }) => {
				chunks.get(columnName)?.push({ rowStart, values: columnData });
			},
		});
	}
	const values = new Map([...chunks].map(([name, parts]) => [name, inRowOrder(parts)]));
	for (const [name, list] of values) {
		if (list.length !== numRows)
			throw badParquet(path, `column "${name}" has ${list.length} of ${numRows} rows`);
	}
	return {
		path,
		numRows,
		columnNames,
		metadata: new Map((metadata.key_value_metadata ?? []).map(({ key, value }) => [key, value ?? ""])),
		column(name) {
			const list = values.get(name);
			if (list === undefined) throw badParquet(path, `it has no column "${name}"`);
			return list;
		},
	};
}

/** Consecutive values of a column. */
interface ColumnChunk {
	readonly rowStart: number;
	readonly values: DecodedArray;
}

/** The values of a column; row groups arrive in whatever order their bytes were read. */
export function inRowOrder(chunks: readonly ColumnChunk[]): unknown[] {
	const list: unknown[] = [];
	for (const { values } of [...chunks].sort((a, b) => a.rowStart - b.rowStart)) {
		for (const value of values) list.push(value);
	}
	return list;
}

/** A column of safe integers. @throws DatasetError "bad-parquet" for anything else. */
export function integerColumn(table: ParquetTable, name: string): number[] {
	return table.column(name).map((value, row) => {
		const number = typeof value === "bigint" ? Number(value) : value;
		if (typeof number === "number" && Number.isSafeInteger(number)) return number;
		throw badParquet(table.path, `${name}[${row}] is ${describe(value)}, not an integer`);
	});
}

/** A column of finite numbers. @throws DatasetError "bad-parquet" for anything else. */
export function numberColumn(table: ParquetTable, name: string): number[] {
	return table.column(name).map((value, row) => {
		const number = typeof value === "bigint" ? Number(value) : value;
		if (typeof number === "number" && Number.isFinite(number)) return number;
		throw badParquet(table.path, `${name}[${row}] is ${describe(value)}, not a finite number`);
	});
}

/** A column of strings. @throws DatasetError "bad-parquet" for anything else. */
export function stringColumn(table: ParquetTable, name: string): string[] {
	return table.column(name).map((value, row) => {
		if (typeof value === "string") return value;
		throw badParquet(table.path, `${name}[${row}] is ${describe(value)}, not a string`);
	});
}

/** Writes a column of integers that fit 32 bits into `target`. @throws DatasetError "bad-parquet" for anything else. */
export function copyIntegers(table: ParquetTable, name: string, target: Int32Array, offset: number): void {
	for (const [row, value] of integerColumn(table, name).entries()) {
		if (value !== (value | 0)) {
			throw badParquet(table.path, `${name}[${row}] is ${value}, more than 32 bits hold`);
		}
		target[offset + row] = value;
	}
}

/**
 * Writes a column of lists of `dim` numbers (or, for `dim` 1, of numbers) into `target` from element `offset`.
 * @throws DatasetError "bad-parquet" for lists of another length or values that are not numbers.
 */
export function copyVectors(
	table: ParquetTable,
	name: string,
	dim: number,
	target: Float32Array,
	offset: number,
): void {
	let at = offset;
	for (const [row, value] of table.column(name).entries()) {
		const list: ArrayLike<unknown> = isList(value) ? value : [value];
		if (list.length !== dim) {
			throw badParquet(table.path, `${name}[${row}] has ${list.length} values but info.json says ${dim}`);
		}
		for (let index = 0; index < dim; index++) {
			const element = list[index];
			const number = typeof element === "bigint" ? Number(element) : element;
			if (typeof number !== "number")
				throw badParquet(table.path, `${name}[${row}][${index}] is ${describe(element)}, not a number`);
			target[at++] = number;
		}
	}
}

function isList(value: unknown): value is ArrayLike<unknown> {
	return Array.isArray(value) || (ArrayBuffer.isView(value) && !(value instanceof DataView));
}

function describe(value: unknown): string {
	return typeof value === "number" || typeof value === "bigint" ? String(value) : `a ${typeof value}`;
}
