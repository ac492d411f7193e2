// The file-system calls behind the prefix store, as a parameter so that tests can fill the disk.

import { type FileHandle, mkdir, open, readdir, rm, stat, statfs, utimes } from "node:fs/promises";
import { codeOf } from "@zk0/arrays";

/** What an open file must do. */
export type OpenFile = Pick<FileHandle, "read" | "readv" | "write" | "truncate" | "close">;

/** The calls of node:fs/promises that the store makes. */
export interface FileSystem {
	open(path: string, flags: string | number): Promise<OpenFile>;
	rm(path: string, options: { readonly force: boolean }): Promise<void>;
	mkdir(path: string, options: { readonly recursive: true }): Promise<unknown>;
	readdir(path: string): Promise<string[]>;
	stat(path: string): Promise<{ readonly size: number; readonly mtimeMs: number }>;
	utimes(path: string, atime: Date, mtime: Date): Promise<void>;
}

/** The real one. */
export const nodeFileSystem: FileSystem = { open, rm, mkdir, readdir, stat, utimes };

/** Bytes that may still be written where `path` (which exists) lies. */
export async function freeDiskBytes(path: string): Promise<number> {
	const { bavail, bsize } = await statfs(path);
	return bavail * bsize;
}

/** Writes all of `bytes` at `position`, or at the end of a file opened for appending when it is null. */
export async function writeFully(file: OpenFile, bytes: Uint8Array, position: number | null): Promise<void> {
	for (let done = 0; done < bytes.length; ) {
		const at = position === null ? null : position + done;
		done += (await file.write(bytes, done, bytes.length - done, at)).bytesWritten;
	}
}

/** Fills `targets` in order from `position`; false when the file ends before. */
export async function readFully(
	file: OpenFile,
	targets: readonly Uint8Array[],
	position: number,
): Promise<boolean> {
	let rest = [...targets];
	let at = position;
	while (rest.length > 0) {
		let { bytesRead } = await file.readv(rest, at);
		if (bytesRead === 0) return rest.every(({ length }) => length === 0);
		at += bytesRead;
		// One call fills a limited number of buffers.
		let numFull = 0;
		for (const { length } of rest) {
			if (bytesRead < length) break;
			bytesRead -= length;
			numFull++;
		}
		rest = rest.slice(numFull);
		const [partial] = rest;
		if (partial !== undefined && bytesRead > 0) rest[0] = partial.subarray(bytesRead);
	}
	return true;
}

/** The `E…` code of a file-system error; null for anything else. */
export function errnoOf(error: unknown): string | null {
	const code = codeOf(error);
	return code !== undefined && /^E[A-Z0-9]+$/.test(code) ? code : null;
}
