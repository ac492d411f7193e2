// A disk that can be full, for tests.
import { type FileSystem, nodeFileSystem, type OpenFile } from "../file-system.ts";

/** A file system whose disk is full after `quotaBytes` more written bytes. */
export function smallDisk(quotaBytes: number): FileSystem & { refill(bytes: number): void } {
	let left = quotaBytes;
	const limit = (file: OpenFile): OpenFile => ({
		read: file.read.bind(file),
		sync: file.sync.bind(file),
		close: file.close.bind(file),
		// Stands in for the overloads of FileHandle.write; only the buffer form is used.
		write: (async (buffer: Uint8Array, offset: number, length: number) => {
			if (left === 0) throw Object.assign(new Error("no space left on device"), { code: "ENOSPC" });
			const count = Math.min(length, left);
			left -= count;
			return await file.write(buffer, offset, count);
		}) as OpenFile["write"],
	});
	return {
		...nodeFileSystem,
		open: async (path, flags) => limit(await nodeFileSystem.open(path, flags)),
		refill: (bytes) => {
			left = bytes;
		},
	};
}
