// A disk that can be full, for tests of the prefix store.
import { type FileSystem, nodeFileSystem, type OpenFile } from "../prefix-cache/file-system.ts";

/** A file system that is full after `quotaBytes` more written bytes; the last write before that is cut short. */
export function smallDisk(quotaBytes: number): FileSystem {
	let left = quotaBytes;
	const limit = (file: OpenFile): OpenFile => ({
		read: file.read.bind(file),
		readv: file.readv.bind(file),
		truncate: file.truncate.bind(file),
		close: file.close.bind(file),
		// Stands in for the overloads of FileHandle.write; only the buffer form is used.
		write: (async (buffer: Uint8Array, offset: number, length: number, position: number | null) => {
			if (left === 0) throw Object.assign(new Error("no space left on device"), { code: "ENOSPC" });
			const count = Math.min(length, left);
			left -= count;
			return await file.write(buffer, offset, count, position);
		}) as OpenFile["write"],
	});
	return { ...nodeFileSystem, open: async (path, flags) => limit(await nodeFileSystem.open(path, flags)) };
}
