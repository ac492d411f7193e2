// Columns of pictures in parquet files, read whole and kept while they fit the memory limit, so that frames of an
// episode cost one read. Runs in decoder processes only.
import { causeText } from "../errors.ts";
import { readParquet } from "../parquet/read.ts";
import { DecodeError } from "./decode-error.ts";

/** Bytes of encoded pictures that a process keeps; one column is kept whatever its size. */
const MAX_KEPT_BYTES = 256 * 1024 * 1024;

interface PictureColumn {
	readonly pictures: readonly unknown[];
	readonly sizeBytes: number;
}

/** Gives encoded pictures by file, column and row. */
export class PictureColumns {
	/** Least recently used first. */
	readonly #kept = new Map<string, PictureColumn>();

	/** @throws DecodeError "bad-image" when the file or the row has none. */
	async pictureAt(path: string, column: string, row: number): Promise<Uint8Array> {
		const { pictures } = await this.#column(path, column);
		const value = pictures[row];
		const bytes = bytesOf(value);
		if (bytes !== null) return bytes;
		const outside = typeof value === "object" && value !== null && "path" in value ? value.path : null;
		throw new DecodeError(
			"bad-image",
			typeof outside === "string"
				? `the picture is not in the file, which only names ${outside}; embed it (datasets: embed_table_storage)`
				: `row ${row} of ${pictures.length} has no picture`,
		);
	}

	async #column(path: string, column: string): Promise<PictureColumn> {
		const key = `${path}\0${column}`;
		const known = this.#kept.get(key) ?? (await readPictures(path, column));
		this.#kept.delete(key);
		this.#kept.set(key, known);
		let total = [...this.#kept.values()].reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
		for (const [oldest, { sizeBytes }] of this.#kept) {
			if (total <= MAX_KEPT_BYTES || oldest === key) break;
			this.#kept.delete(oldest);
			total -= sizeBytes;
		}
		return known;
	}
}

async function readPictures(path: string, column: string): Promise<PictureColumn> {
	try {
		const table = await readParquet(path, [column], { keepsBytes: true });
		const pictures = table.column(column);
		const sizeBytes = pictures.reduce<number>((sum, value) => sum + (bytesOf(value)?.length ?? 0), 0);
		return { pictures, sizeBytes };
	} catch (cause) {
		throw new DecodeError("bad-image", causeText(cause));
	}
}

/** The encoded bytes of a struct {bytes, path}, or of a plain binary value. */
function bytesOf(value: unknown): Uint8Array | null {
	if (value instanceof Uint8Array) return value;
	const isStruct = typeof value === "object" && value !== null && "bytes" in value;
	return isStruct && value.bytes instanceof Uint8Array ? value.bytes : null;
}
