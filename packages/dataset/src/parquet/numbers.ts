// Columns of numbers, and of lists of equally many numbers, straight into typed arrays: page by page, with no
// object per row (hyparquet's own assembly takes 4 s and 1.3 GB for a million rows of two vectors). hyparquet reads
// footer, page headers and compression; codings other than plain and dictionary take its general path.
import { getMaxDefinitionLevel, getMaxRepetitionLevel, getSchemaPath } from "hyparquet/src/schema.js";
import { ChunkReader, type ColumnChunk, type NumberPlace, type NumberTarget } from "./chunk-reader.ts";
import { badParquet, noColumn, openParquetFile, type ParquetFile, toBadParquet } from "./file.ts";
import { copyIntegers, copyVectors, readParquet } from "./read.ts";

/** A parquet file whose columns are read one after the other; the caller disposes it. */
export interface NumberTable extends AsyncDisposable {
	readonly path: string;
	readonly numRows: number;
	/**
	 * Writes a column with `dim` numbers per row into `target` from element `offset`.
	 * @throws DatasetError "bad-parquet" for a column that is not there, empty values, lists of another length,
	 *   or numbers that the target cannot hold.
	 */
	read(name: string, dim: number, target: NumberTarget, offset: number): Promise<void>;
}

/** Opens a file. @throws DatasetError "missing-file" or "bad-parquet". */
export async function openNumberTable(
	path: string,
	options: { signal?: AbortSignal | undefined } = {},
): Promise<NumberTable> {
	const file = await openParquetFile(path, options);
	return {
		path,
		numRows: file.numRows,
		async read(name, dim, target, offset) {
			if (!file.columnNames.includes(name)) throw noColumn(file, name);
			try {
				const chunks = columnChunks(file, name);
				if (chunks === null) await readGeneral(file, { name, dim, target, offset }, options);
				else await readChunks(file, chunks, { name, dim, target, offset });
			} catch (cause) {
				options.signal?.throwIfAborted();
				throw toBadParquet(path, cause);
			}
		},
		[Symbol.asyncDispose]: () => file[Symbol.asyncDispose](),
	};
}

const TYPES: readonly string[] = ["FLOAT", "DOUBLE", "INT32", "INT64"];
const ENCODINGS: readonly string[] = ["PLAIN", "PLAIN_DICTIONARY", "RLE_DICTIONARY", "RLE", "BIT_PACKED"];
/** Converted types whose numbers are not the stored ones. */
const SIGNED: readonly (string | undefined)[] = [undefined, "INT_8", "INT_16", "INT_32", "INT_64"];

/** The column's part of each row group, or null when it has to take the general path. */
function columnChunks({ metadata }: ParquetFile, name: string): ColumnChunk[] | null {
	const chunks: ColumnChunk[] = [];
	for (const { columns, num_rows: numRows } of metadata.row_groups) {
		const found = columns.flatMap(({ meta_data: column }) =>
			column?.path_in_schema[0] === name ? [column] : [],
		);
		const [column] = found;
		if (column === undefined || found.length > 1) return null;
		const path = getSchemaPath(metadata.schema, column.path_in_schema);
		const { converted_type: converted, logical_type: logical } = path.at(-1)?.element ?? {};
		const isPlain =
			TYPES.includes(column.type) &&
			column.encodings.every((encoding) => ENCODINGS.includes(encoding)) &&
			SIGNED.includes(converted) &&
			(logical === undefined || (logical.type === "INTEGER" && logical.isSigned));
		const maxRepetition = getMaxRepetitionLevel(path);
		if (!isPlain || maxRepetition > 1) return null;
		chunks.push({
			column,
			numRows: Number(numRows),
			maxRepetition,
			maxDefinition: getMaxDefinitionLevel(path),
		});
	}
	return chunks;
}

async function readGeneral(
	{ path }: ParquetFile,
	{ name, dim, target, offset }: NumberPlace,
	options: { signal?: AbortSignal | undefined },
): Promise<void> {
	const table = await readParquet(path, [name], options);
	if (target instanceof Int32Array) copyIntegers(table, name, target, offset);
	else copyVectors(table, name, dim, target, offset);
}

async function readChunks(
	file: ParquetFile,
	chunks: readonly ColumnChunk[],
	place: NumberPlace,
): Promise<void> {
	let numRows = 0;
	for (const chunk of chunks) {
		const { column } = chunk;
		const dataOffset = Number(column.data_page_offset);
		const start = Math.min(Number(column.dictionary_page_offset ?? 0) || dataOffset, dataOffset);
		const bytes = new Uint8Array(await file.bytes.slice(start, start + Number(column.total_compressed_size)));
		if (numRows + chunk.numRows > file.numRows) break;
		const offset = place.offset + numRows * place.dim;
		new ChunkReader(file.path, chunk, { ...place, offset }, numRows).read(bytes);
		numRows += chunk.numRows;
	}
	if (numRows !== file.numRows) {
		throw badParquet(file.path, `its row groups do not have the ${file.numRows} rows of its footer`);
	}
}
