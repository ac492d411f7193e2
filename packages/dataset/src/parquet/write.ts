// Parquet files written row group by row group to disk (hyparquet-writer, snappy), so that memory holds one
// row group at a time. Bytes depend only on the values.
import { closeSync, fsyncSync, openSync, writeSync } from "node:fs";
import type { KeyValue } from "hyparquet";
import { ByteWriter, ParquetWriter } from "hyparquet-writer";
import { causeText, DatasetError } from "../errors.ts";
import { type ColumnType, tableSchema } from "./schema.ts";

/** A column's values: numbers for floats, bigints for int64, arrays for lists. */
export type ColumnValues = readonly unknown[] | Float32Array | Float64Array | BigInt64Array;

/** Values by column name. */
export type TableValues = Readonly<Record<string, ColumnValues>>;

/** A parquet file being written. */
export interface ParquetSink {
	readonly path: string;
	/** Bytes on disk so far, without the footer. */
	readonly sizeBytes: number;
	/** Appends one row group; columns must have equal lengths. */
	writeRowGroup(values: TableValues): void;
	/** Writes the footer, syncs and closes. */
	finish(): void;
	/** Closes without a footer; harmless after `finish`. */
	[Symbol.dispose](): void;
}

class FileSink extends ByteWriter {
	#fd: number | null;

	constructor(fd: number) {
		super(1 << 16);
		this.#fd = fd;
	}

	flush(): void {
		if (this.#fd === null) throw new TypeError("parquet file: it was closed");
		const bytes = this.getBytes();
		for (let done = 0; done < bytes.length; ) done += writeSync(this.#fd, bytes, done);
		this.index = 0;
	}

	override finish(): void {
		this.flush();
		if (this.#fd !== null) fsyncSync(this.#fd);
		this.close();
	}

	close(): void {
		if (this.#fd !== null) closeSync(this.#fd);
		this.#fd = null;
	}
}

/**
 * Creates `path` (its folder exists) and returns the open file; the caller disposes it.
 * @throws DatasetError "write-failed" when the file cannot be created or written.
 */
export function createParquetFile(
	path: string,
	columns: readonly ColumnType[],
	metadata: readonly KeyValue[] = [],
): ParquetSink {
	const guarded = <T>(action: () => T): T => {
		try {
			return action();
		} catch (cause) {
			throw new DatasetError(
				"write-failed",
				`cannot write ${path}: ${causeText(cause)}; free space or choose another folder`,
				{
					file: path,
					cause,
				},
			);
		}
	};
	const sink = new FileSink(guarded(() => openSync(path, "wx")));
	const writer = new ParquetWriter({
		writer: sink,
		schema: tableSchema(columns),
		codec: "SNAPPY",
		kvMetadata: [...metadata],
		createdBy: "zk0 version 0.1.0",
	});
	return {
		path,
		get sizeBytes() {
			return sink.offset;
		},
		writeRowGroup(values) {
			const columnData = columns.map(({ name }) => {
				const data = values[name];
				if (data === undefined) throw new RangeError(`writeRowGroup: column ${name} is missing`);
				return { name, data: Array.isArray(data) ? data : Array.from<unknown>(data) };
			});
			const rowGroupSize = Math.max(1, columnData[0]?.data.length ?? 0);
			guarded(() => void writer.write({ columnData, rowGroupSize }));
		},
		finish() {
			guarded(() => void writer.finish());
		},
		[Symbol.dispose]() {
			sink.close();
		},
	};
}

/** Writes a whole table of one row group. */
export function writeParquetFile(
	path: string,
	columns: readonly ColumnType[],
	values: TableValues,
	metadata: readonly KeyValue[] = [],
): void {
	using sink = createParquetFile(path, columns, metadata);
	sink.writeRowGroup(values);
	sink.finish();
}
