// One column chunk of a parquet file (a row group's part of a column) decoded page by page into a typed array.
// Plain and dictionary coding of 32 and 64 bit numbers, in pages of version 1 and 2; what a page header claims is
// checked before memory is taken for it.
import type { ColumnMetaData, PageHeader } from "hyparquet";
import { parquetHeader } from "hyparquet/src/column.js";
import { decompressPage } from "hyparquet/src/datapage.js";
import { compressors } from "hyparquet-compressors";
import { badParquet } from "./file.ts";
import { readRuns } from "./runs.ts";

/** Most values of a page: more would be a file's limit of 100 MB many times over, so the header is broken. */
const MAX_PAGE_VALUES = 1 << 26;

/** Where the numbers of a column go: integers must be whole and fit, other numbers are rounded to float32. */
export type NumberTarget = Int32Array | Float32Array;

/** The place of a column's numbers in memory. */
export interface NumberPlace {
	readonly name: string;
	/** Numbers per row. */
	readonly dim: number;
	readonly target: NumberTarget;
	/** Element of `target` for the first number. */
	readonly offset: number;
}

/** A row group's part of a column. */
export interface ColumnChunk {
	readonly column: ColumnMetaData;
	readonly numRows: number;
	/** 1 for a column of lists, else 0. */
	readonly maxRepetition: number;
	/** Definition level of a value that is there. */
	readonly maxDefinition: number;
}

/** Bits of a level of at most `max`. */
function levelWidth(max: number): number {
	return 32 - Math.clz32(max);
}

/** Reads the pages of one chunk. */
export class ChunkReader {
	readonly #path: string;
	readonly #chunk: ColumnChunk;
	readonly #place: NumberPlace;
	readonly #firstRow: number;
	#dictionary: NumberTarget | Float64Array | null = null;
	#levels = new Uint8Array(0);
	#numDone = 0;

	constructor(path: string, chunk: ColumnChunk, place: NumberPlace, firstRow: number) {
		this.#path = path;
		this.#chunk = chunk;
		this.#place = place;
		this.#firstRow = firstRow;
	}

	/** Decodes the chunk's `bytes`, dictionary page first. @throws DatasetError "bad-parquet", RangeError for damaged pages. */
	read(bytes: Uint8Array): void {
		const { column, numRows } = this.#chunk;
		const { name, dim } = this.#place;
		const numValues = numRows * dim;
		if (this.#chunk.maxRepetition === 0 && dim > 1) {
			throw badParquet(this.#path, `${name} has one number per row, not the ${dim} of info.json`);
		}
		const reader = { view: new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength), offset: 0 };
		while (this.#numDone < numValues) {
			const header = parquetHeader(reader);
			const end = reader.offset + header.compressed_page_size;
			if (!(header.compressed_page_size >= 0) || end > bytes.length) {
				throw new RangeError(`a page of ${this.#place.name} ends outside its column`);
			}
			const compressed = bytes.subarray(reader.offset, end);
			reader.offset = end;
			if (header.type === "DICTIONARY_PAGE") {
				const count = this.#checked(header.dictionary_page_header?.num_values, column.num_values);
				this.#dictionary = this.#plain(this.#decompress(compressed, header, count), 0, count);
			} else this.#readPage(compressed, header, numValues);
		}
	}

	#readPage(compressed: Uint8Array, header: PageHeader, numValues: number): void {
		const { maxRepetition, maxDefinition } = this.#chunk;
		const v1 = header.data_page_header;
		const v2 = header.data_page_header_v2;
		const left = Number(this.#chunk.column.num_values) - this.#numDone;
		const count = this.#checked((v1 ?? v2)?.num_values, left);
		let page: Uint8Array;
		let at = 0;
		if (v1 !== undefined) {
			page = this.#decompress(compressed, header, count);
			at = this.#checkLevels(page, { at, max: maxRepetition, count, isRepetition: true });
			at = this.#checkLevels(page, { at, max: maxDefinition, count, isRepetition: false });
		} else if (v2 !== undefined) {
			const [first, second] = [v2.repetition_levels_byte_length, v2.definition_levels_byte_length];
			const levels = compressed.subarray(0, first + second);
			this.#checkLevels(levels, { at: 0, to: first, max: maxRepetition, count, isRepetition: true });
			this.#checkLevels(levels, {
				at: first,
				to: first + second,
				max: maxDefinition,
				count,
				isRepetition: false,
			});
			const rest = compressed.subarray(first + second);
			const sizeBytes = header.uncompressed_page_size - first - second;
			page =
				v2.is_compressed === false
					? rest
					: this.#decompress(rest, { ...header, uncompressed_page_size: sizeBytes }, count);
		} else throw new RangeError(`${this.#place.name} has a page of type ${header.type}`);
		if (count > numValues - this.#numDone) {
			throw new RangeError(`${this.#place.name} has more values than its ${this.#chunk.numRows} rows`);
		}
		const encoding = (v1 ?? v2)?.encoding;
		if (encoding === "PLAIN") this.#store(this.#plain(page, at, count));
		else if (encoding === "PLAIN_DICTIONARY" || encoding === "RLE_DICTIONARY")
			this.#storeIndexed(page, at, count);
		else throw new RangeError(`${this.#place.name} has a page coded as ${encoding}`);
		this.#numDone += count;
	}

	/** A count of values that a page header claims. */
	#checked(claimed: number | undefined, most: number | bigint): number {
		if (claimed === undefined || !(claimed >= 0) || claimed > most || claimed > MAX_PAGE_VALUES) {
			throw new RangeError(`a page of ${this.#place.name} claims ${claimed} values where ${most} are left`);
		}
		return claimed;
	}

	#decompress(compressed: Uint8Array, header: PageHeader, count: number): Uint8Array {
		const sizeBytes = header.uncompressed_page_size;
		// 8 bytes per value and at most as much again for levels, with room for headers.
		if (!(sizeBytes >= 0) || sizeBytes > count * 16 + (1 << 16)) {
			throw new RangeError(`a page of ${count} values of ${this.#place.name} claims ${sizeBytes} bytes`);
		}
		return decompressPage(compressed, sizeBytes, this.#chunk.column.codec, compressors);
	}

	/**
	 * Repetition levels must begin a list every `dim` values, definition levels must say that every value is there.
	 * `to` is the end of the levels where a header gives it; before them stands their size otherwise.
	 * @returns the end of the levels
	 */
	#checkLevels(
		page: Uint8Array,
		span: { at: number; to?: number; max: number; count: number; isRepetition: boolean },
	): number {
		const { at, max, count, isRepetition } = span;
		if (max === 0) return span.to ?? at;
		const from = span.to === undefined ? at + 4 : at;
		const to = span.to ?? from + new DataView(page.buffer, page.byteOffset + at, 4).getUint32(0, true);
		if (this.#levels.length < count) this.#levels = new Uint8Array(count);
		const levels = this.#levels;
		readRuns(page, { from, to, width: levelWidth(max), count }, levels);
		const { name, dim } = this.#place;
		const phase = this.#numDone % dim;
		for (let index = 0, inList = phase; index < count; index++) {
			const expected = !isRepetition ? max : inList === 0 ? 0 : 1;
			if (levels[index] !== expected) {
				const begun = Math.floor((this.#numDone + index) / dim);
				// Where a list goes on instead of the next one beginning, it is the one before that is too long.
				const row = this.#firstRow + begun - (isRepetition && expected === 0 ? 1 : 0);
				throw badParquet(
					this.#path,
					isRepetition
						? `${name}[${row}] has another number of values than the ${dim} of info.json`
						: `${name}[${row}] is empty`,
				);
			}
			inList = inList + 1 === dim ? 0 : inList + 1;
		}
		return to;
	}

	/** Plainly stored values from byte `at`, checked. */
	#plain(page: Uint8Array, at: number, count: number): NumberTarget | Float64Array {
		const { type } = this.#chunk.column;
		const size = type === "INT64" || type === "DOUBLE" ? 8 : 4;
		if (at + count * size > page.length) {
			throw new RangeError(`a page of ${count} values of ${this.#place.name} ends early`);
		}
		const start = page.byteOffset + at;
		const aligned = start % size === 0 ? page.buffer : page.slice(at, at + count * size).buffer;
		const from = start % size === 0 ? start : 0;
		if (type === "FLOAT") return this.#whole(new Float32Array(aligned, from, count));
		if (type === "DOUBLE") return this.#whole(new Float64Array(aligned, from, count));
		if (type === "INT32") return new Int32Array(aligned, from, count);
		return this.#narrow(new Int32Array(aligned, from, count * 2));
	}

	/** 64-bit integers, given as pairs of 32-bit words. */
	#narrow(words: Int32Array): Int32Array | Float64Array {
		const count = words.length / 2;
		const low = new Int32Array(count);
		for (let index = 0; index < count; index++) {
			const value = words[2 * index] ?? 0;
			if (words[2 * index + 1] !== value >> 31) return this.#wide(words);
			low[index] = value;
		}
		return low;
	}

	#wide(words: Int32Array): Float64Array {
		if (this.#place.target instanceof Int32Array) {
			throw badParquet(this.#path, `${this.#place.name} has an integer of more than 32 bits`);
		}
		return Float64Array.from(new BigInt64Array(words.buffer, words.byteOffset, words.length / 2), Number);
	}

	/** `values` when the target takes fractions, or when there are none. */
	#whole<T extends Float32Array | Float64Array>(values: T): T {
		const at =
			this.#place.target instanceof Int32Array ? values.findIndex((value) => value !== (value | 0)) : -1;
		if (at < 0) return values;
		const row = this.#firstRow + this.#numDone + at;
		throw badParquet(this.#path, `${this.#place.name}[${row}] is ${values[at]}, not an integer`);
	}

	#store(values: NumberTarget | Float64Array): void {
		this.#place.target.set(values, this.#place.offset + this.#numDone);
	}

	#storeIndexed(page: Uint8Array, at: number, count: number): void {
		const dictionary = this.#dictionary;
		const width = page[at];
		if (dictionary === null || width === undefined) {
			throw new RangeError(`a page of ${this.#place.name} has no dictionary`);
		}
		const indices = new Int32Array(count);
		if (count > 0) readRuns(page, { from: at + 1, to: page.length, width, count }, indices);
		const { target, offset } = this.#place;
		const to = offset + this.#numDone;
		for (let index = 0; index < count; index++) {
			const value = dictionary[indices[index] ?? 0];
			if (value === undefined) throw new RangeError(`${this.#place.name}: an index outside its dictionary`);
			target[to + index] = value;
		}
	}
}
