// An open parquet file: its bytes and its footer. Everything wrong with a file becomes a DatasetError "bad-parquet"
// that names it.
import { open } from "node:fs/promises";
import { type AsyncBuffer, type FileMetaData, parquetMetadataAsync } from "hyparquet";
import { causeText, DatasetError } from "../errors.ts";
import { refusePointer } from "../lfs-pointer.ts";

/** Most rows a file may claim: more would not fit the typed arrays here, so the footer is broken. */
const MAX_ROWS = 1 << 28;
/** Values for each byte of a file, at most; even a constant column has others beside it that are not. */
const MAX_VALUES_PER_BYTE = 64;
const ALWAYS_ALLOWED_VALUES = 1 << 20;

/** Most rows, and most values of a column, that a file of this size may claim: more would only cost memory. */
export function maxValues(sizeBytes: number): number {
	return Math.min(MAX_ROWS, sizeBytes * MAX_VALUES_PER_BYTE + ALWAYS_ALLOWED_VALUES);
}

/** A parquet file; the caller disposes it. */
export interface ParquetFile extends AsyncDisposable {
	readonly path: string;
	readonly bytes: AsyncBuffer;
	readonly metadata: FileMetaData;
	readonly numRows: number;
	/** Names of the top-level columns. */
	readonly columnNames: readonly string[];
}

/**
 * Opens a file and reads its footer.
 * @throws DatasetError "missing-file" or "bad-parquet".
 */
export async function openParquetFile(
	path: string,
	{ signal }: { signal?: AbortSignal | undefined } = {},
): Promise<ParquetFile> {
	signal?.throwIfAborted();
	const handle = await open(path, "r").catch((cause: NodeJS.ErrnoException) => {
		const code = cause.code === "ENOENT" ? "missing-file" : "bad-parquet";
		throw new DatasetError(
			code,
			`cannot open ${path}: ${cause.message}; download or copy the dataset again`,
			{ file: path, cause },
		);
	});
	try {
		const { size } = await handle.stat();
		const bytes: AsyncBuffer = {
			byteLength: size,
			async slice(start, end = size) {
				signal?.throwIfAborted();
				const from = start < 0 ? size + start : start;
				if (from < 0 || end > size || from > end) {
					throw new RangeError(`bytes ${from}..${end} are outside the file of ${size} bytes`);
				}
				const part = new Uint8Array(end - from);
				const { bytesRead } = await handle.read(part, 0, part.length, from);
				if (bytesRead !== part.length)
					throw new RangeError(`only ${bytesRead} of ${part.length} bytes are there`);
				return part.buffer;
			},
		};
		const metadata = await parquetMetadataAsync(bytes);
		const numRows = Number(metadata.num_rows);
		if (!Number.isSafeInteger(numRows) || numRows < 0 || numRows > maxValues(size)) {
			throw badParquet(path, `its footer claims ${metadata.num_rows} rows`);
		}
		return {
			path,
			bytes,
			metadata,
			numRows,
			columnNames: topLevelNames(metadata),
			[Symbol.asyncDispose]: () => handle.close(),
		};
	} catch (cause) {
		await handle.close();
		signal?.throwIfAborted();
		await refusePointer(path);
		throw toBadParquet(path, cause);
	}
}

/** The error for a file that cannot be read. */
export function badParquet(path: string, problem: string, cause?: unknown): DatasetError {
	return new DatasetError("bad-parquet", `${path} is not readable: ${problem}; download or copy it again`, {
		file: path,
		cause,
	});
}

/** Anything caught while reading `path`: a DatasetError stays as it is. */
export function toBadParquet(path: string, cause: unknown): DatasetError {
	return cause instanceof DatasetError ? cause : badParquet(path, causeText(cause), cause);
}

/** The error for a column that the file does not have. */
export function noColumn({ path, columnNames }: ParquetFile, name: string): DatasetError {
	return badParquet(path, `it has no column "${name}" (columns: ${columnNames.join(", ")})`);
}

function topLevelNames({ schema }: FileMetaData): string[] {
	const names: string[] = [];
	let at = 1;
	const skip = (): void => {
		const element = schema[at++];
		for (let child = 0; child < (element?.num_children ?? 0) && at < schema.length; child++) skip();
	};
	while (at < schema.length) {
		names.push(schema[at]?.name ?? "");
		skip();
	}
	return names;
}
