// The lines that a growing file gains: read from where the last look ended, never the whole file again.
import { type FileHandle, open } from "node:fs/promises";
import { codeOf } from "@zk0/arrays";

const CHUNK_BYTES = 1 << 18;
const NEWLINE = 0x0a;

/** Reads a file as it grows. */
export interface LineTail {
	/** Whole lines since the last call; from the beginning again when the file was replaced by a shorter one. */
	read(): Promise<string[]>;
}

/** The lines of `path`, which need not be there yet, from byte `offset` on. */
export function openLineTail(path: string, offset = 0): LineTail {
	let at = offset;
	return {
		async read() {
			const file = await openIfThere(path);
			if (file === undefined) return [];
			try {
				const { size } = await file.stat();
				if (size < at) at = 0;
				const added = await readFrom(file, at, size - at);
				const end = added.lastIndexOf(NEWLINE) + 1;
				at += end;
				return end === 0 ? [] : added.toString("utf8", 0, end - 1).split("\n");
			} finally {
				await file.close();
			}
		},
	};
}

async function readFrom(file: FileHandle, position: number, length: number): Promise<Buffer> {
	const parts: Buffer[] = [];
	for (let done = 0; done < length; ) {
		const part = Buffer.alloc(Math.min(CHUNK_BYTES, length - done));
		const { bytesRead } = await file.read(part, 0, part.length, position + done);
		if (bytesRead === 0) break;
		parts.push(part.subarray(0, bytesRead));
		done += bytesRead;
	}
	return Buffer.concat(parts);
}

async function openIfThere(path: string): Promise<FileHandle | undefined> {
	try {
		return await open(path, "r");
	} catch (error) {
		if (codeOf(error) === "ENOENT") return undefined;
		throw error;
	}
}
