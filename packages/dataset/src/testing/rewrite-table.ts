// Changes the rows of a parquet file in place, so that tests of other packages can plant defects.
import { rmSync } from "node:fs";
import { readParquet } from "../parquet/read.ts";
import type { ColumnType } from "../parquet/schema.ts";
import { writeParquetFile } from "../parquet/write.ts";

/** A row by column name: numbers, bigints, strings, or lists of them. */
export type TableRow = Record<string, unknown>;

/** Reads all rows of `path`, and writes what `change` makes of them; floats become float64, integers int64. */
export async function rewriteTable(path: string, change: (rows: TableRow[]) => TableRow[]): Promise<void> {
	const table = await readParquet(path, (names) => names);
	const rows = Array.from({ length: table.numRows }, (_, row) =>
		Object.fromEntries(table.columnNames.map((name) => [name, table.column(name)[row]])),
	);
	const changed = change(rows);
	const [sample = {}] = changed;
	const columns = Object.keys(sample).map((name) => columnOf(name, sample[name]));
	rmSync(path);
	writeParquetFile(
		path,
		columns,
		Object.fromEntries(columns.map(({ name }) => [name, changed.map((row) => plain(row[name]))])),
	);
}

function columnOf(name: string, value: unknown, depth = 0): ColumnType {
	if (isList(value)) return columnOf(name, value[0], depth + 1);
	if (typeof value === "bigint") return { name, type: "int64", depth };
	return { name, type: typeof value === "string" ? "string" : "float64", depth };
}

function plain(value: unknown): unknown {
	return isList(value) ? Array.from(value, plain) : value;
}

function isList(value: unknown): value is ArrayLike<unknown> {
	return Array.isArray(value) || (ArrayBuffer.isView(value) && !(value instanceof DataView));
}
