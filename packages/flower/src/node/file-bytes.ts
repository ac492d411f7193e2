// A part of a file as a byte source, e.g. one tensor of a safetensors file.
import { type FileHandle, open } from "node:fs/promises";
import { allocateBytes, type ByteSource, type ReadOptions } from "../chunk-source.ts";
import { FlowerError, throwIfCancelled } from "../errors.ts";

/** A file that is open for reading. */
export interface FileBytes extends AsyncDisposable {
	readonly sizeBytes: number;
	/** The bytes from `offsetBytes` on; valid until the file is disposed. @throws RangeError beyond the file's end */
	range(offsetBytes: number, sizeBytes: number): ByteSource;
}

/** Opens a file; the caller disposes it. */
export async function openFileBytes(path: string): Promise<FileBytes> {
	const file = await open(path, "r");
	const { size } = await file.stat();
	return {
		sizeBytes: size,
		range: (offsetBytes, sizeBytes) => {
			if (!(offsetBytes >= 0 && sizeBytes >= 0 && offsetBytes + sizeBytes <= size))
				throw new RangeError(`${path}: bytes ${offsetBytes}..${offsetBytes + sizeBytes} of ${size}`);
			return {
				sizeBytes,
				read: (offset, length, options) => readExactly(file, path, offsetBytes + offset, length, options),
			};
		},
		[Symbol.asyncDispose]: () => file.close(),
	};
}

async function readExactly(
	file: FileHandle,
	path: string,
	position: number,
	length: number,
	options: ReadOptions = {},
): Promise<Uint8Array> {
	const bytes = allocateBytes(length);
	let numRead = 0;
	while (numRead < length) {
		throwIfCancelled(options.signal);
		const { bytesRead } = await file.read(bytes, numRead, length - numRead, position + numRead);
		if (bytesRead === 0) throw new FlowerError("data-loss", `${path} became shorter while it was read.`);
		numRead += bytesRead;
	}
	return bytes;
}
