// Files that are either the old one or the whole new one, whatever happens in between: written to a temporary
// file in the same directory, fsynced, renamed, and the directory fsynced.
import { type FileHandle, mkdir, open, rename, rm } from "node:fs/promises";
import { dirname } from "node:path";

/**
 * Writes `parts` one after another to `path`, replacing it atomically. On any failure (full disk included)
 * the temporary file is removed and an existing file stays as it was.
 */
export async function writePartsAtomic(
	path: string,
	parts: Iterable<Uint8Array> | AsyncIterable<Uint8Array>,
): Promise<void> {
	const directory = dirname(path);
	await mkdir(directory, { recursive: true });
	const temporary = `${path}.tmp-${process.pid}-${process.hrtime.bigint()}`;
	const file = await open(temporary, "wx");
	try {
		await writeAll(file, parts);
		await file.sync();
		await file.close();
		await rename(temporary, path);
	} catch (error) {
		await file.close().catch(ignoreAlreadyClosed);
		await rm(temporary, { force: true });
		throw error;
	}
	await syncDirectory(directory);
}

/** Writes one buffer or text; see {@link writePartsAtomic}. */
export async function writeFileAtomic(path: string, data: Uint8Array | string): Promise<void> {
	await writePartsAtomic(path, [typeof data === "string" ? new TextEncoder().encode(data) : data]);
}

async function writeAll(
	file: FileHandle,
	parts: Iterable<Uint8Array> | AsyncIterable<Uint8Array>,
): Promise<void> {
	for await (const part of parts) {
		let offset = 0;
		while (offset < part.length) {
			const { bytesWritten } = await file.write(part, offset, part.length - offset);
			offset += bytesWritten;
		}
	}
}

/** The handle may be closed already when the failure came after close(); the first error is the one to report. */
function ignoreAlreadyClosed(): void {}

async function syncDirectory(directory: string): Promise<void> {
	if (process.platform === "win32") return; // Windows cannot open a directory for fsync
	const handle = await open(directory, "r");
	try {
		await handle.sync();
	} finally {
		await handle.close();
	}
}
