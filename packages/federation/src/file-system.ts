// The few file-system calls behind object store and event log, as a parameter so that tests can fill the disk.
import { type FileHandle, mkdir, open, readdir, rename, rm, stat, truncate } from "node:fs/promises";

/** What an open file must do. */
export type OpenFile = Pick<FileHandle, "read" | "write" | "sync" | "close">;

/** The calls of node:fs/promises that this package makes on its own files. */
export interface FileSystem {
	open(path: string, flags: string): Promise<OpenFile>;
	rename(from: string, to: string): Promise<void>;
	rm(path: string, options: { readonly recursive?: boolean; readonly force?: boolean }): Promise<void>;
	mkdir(path: string, options: { readonly recursive: true }): Promise<unknown>;
	readdir(path: string): Promise<string[]>;
	stat(path: string): Promise<{ readonly size: number }>;
	truncate(path: string, sizeBytes: number): Promise<void>;
}

/** The real one. */
export const nodeFileSystem: FileSystem = { open, rename, rm, mkdir, readdir, stat, truncate };

/** Appends all of `bytes`. */
export async function writeFully(file: OpenFile, bytes: Uint8Array): Promise<void> {
	for (let done = 0; done < bytes.length; ) {
		const { bytesWritten } = await file.write(bytes, done, bytes.length - done);
		done += bytesWritten;
	}
}

/** Makes a rename in `path` durable; Windows cannot open a directory for that. */
export async function syncDirectory(fs: FileSystem, path: string): Promise<void> {
	if (process.platform === "win32") return;
	const directory = await fs.open(path, "r");
	try {
		await directory.sync();
	} finally {
		await directory.close();
	}
}
