// Checks what a parquet file's row groups and page headers claim before hyparquet's general reader follows them: it
// trusts its input, and a damaged header makes it loop for ever or take gigabytes.
import type { AsyncBuffer, ColumnMetaData, PageHeader } from "hyparquet";
import { parquetHeader } from "hyparquet/src/column.js";
import { maxValues, type ParquetFile } from "./file.ts";

/** Page headers are some hundred bytes, more only with long minima and maxima. */
const HEADER_WINDOW_BYTES = 1 << 16;
/** Largest page unpacked: one picture per row, a few rows per page, fit many times over. */
const MAX_PAGE_BYTES = 1 << 28;
/** @throws RangeError for row groups that do not add up, and for page headers of these columns that cannot be true */
export async function checkPages(file: ParquetFile, columns: readonly string[]): Promise<void> {
	const { metadata, bytes, numRows } = file;
	let numFound = 0;
	for (const { columns: chunks, num_rows: groupRows } of metadata.row_groups) {
		numFound += count(groupRows, numRows - numFound, "rows of a row group");
		for (const { meta_data: column } of chunks) {
			if (column === undefined || !columns.includes(column.path_in_schema[0] ?? "")) continue;
			await checkChunk(bytes, column);
		}
	}
	if (numFound !== numRows) throw new RangeError(`its row groups have ${numFound} of ${numRows} rows`);
}

async function checkChunk(bytes: AsyncBuffer, column: ColumnMetaData): Promise<void> {
	const name = column.path_in_schema.join(".");
	const dataOffset = count(column.data_page_offset, bytes.byteLength, `${name}: offset`);
	const dictionaryOffset = count(column.dictionary_page_offset ?? 0n, bytes.byteLength, `${name}: offset`);
	const start = dictionaryOffset === 0 ? dataOffset : Math.min(dictionaryOffset, dataOffset);
	const end = start + count(column.total_compressed_size, bytes.byteLength - start, `${name}: size`);
	let left = count(column.num_values, maxValues(bytes.byteLength), `${name}: values`);
	// A byte at the end belongs to no page: hyparquet stops there, too.
	for (let at = start; at < end - 1; ) {
		const { header, sizeBytes } = await readHeader(bytes, at, end);
		left -= checkHeader(header, left, name);
		at += sizeBytes + count(header.compressed_page_size, end - at - sizeBytes, `${name}: size of a page`);
	}
}

async function readHeader(
	bytes: AsyncBuffer,
	at: number,
	end: number,
): Promise<{ header: PageHeader; sizeBytes: number }> {
	const window = Math.min(end - at, HEADER_WINDOW_BYTES);
	const parse = async (sizeBytes: number): Promise<{ header: PageHeader; sizeBytes: number }> => {
		const reader = { view: new DataView(await bytes.slice(at, at + sizeBytes)), offset: 0 };
		return { header: parquetHeader(reader), sizeBytes: reader.offset };
	};
	try {
		return await parse(window);
	} catch (cause) {
		if (window === end - at) throw cause;
		return await parse(end - at); // longer than headers are
	}
}

/** @returns how many of the column's values the page has */
function checkHeader(header: PageHeader, left: number, name: string): number {
	count(header.uncompressed_page_size, MAX_PAGE_BYTES, `${name}: unpacked size of a page`);
	const { data_page_header: v1, data_page_header_v2: v2, dictionary_page_header: dictionary } = header;
	if (header.type === "DICTIONARY_PAGE") {
		count(dictionary?.num_values, left, `${name}: values of a dictionary`);
		return 0;
	}
	if (header.type === "DATA_PAGE") return count(v1?.num_values, left, `${name}: values of a page`);
	if (header.type !== "DATA_PAGE_V2") throw new RangeError(`${name} has a page of type ${header.type}`);
	const numValues = count(v2?.num_values, left, `${name}: values of a page`);
	count(v2?.num_rows, numValues, `${name}: rows of a page`);
	count(v2?.num_nulls, numValues, `${name}: empty values of a page`);
	const levels = count(v2?.repetition_levels_byte_length, header.compressed_page_size, `${name}: levels`);
	count(v2?.definition_levels_byte_length, header.compressed_page_size - levels, `${name}: levels`);
	return numValues;
}

/** A number that a file claims. @throws RangeError unless it is a whole number from 0 to `most` */
function count(claimed: number | bigint | undefined, most: number, what: string): number {
	const number = typeof claimed === "bigint" ? Number(claimed) : claimed;
	if (typeof number === "number" && Number.isSafeInteger(number) && number >= 0 && number <= most)
		return number;
	throw new RangeError(`${what}: the file claims ${String(claimed)}, at most ${most} are possible`);
}
