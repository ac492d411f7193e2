// A safetensors file on disk, read tensor by tensor.
import { closeSync, fstatSync, openSync, readSync } from "node:fs";
import { toFloat32 } from "../convert.ts";
import { ArraysError } from "../errors.ts";
import type { NamedArrays, NdArray } from "../nd-array.ts";
import {
	checkFileSize,
	parseSafetensorsHeader,
	type SafetensorsEntry,
	safetensorsHeaderSize,
	safetensorsParts,
} from "../safetensors.ts";
import { arrayFromBytes } from "../typed-array.ts";
import { writePartsAtomic } from "./atomic-file.ts";

/** An open file; the header is checked against the file's size. Close it with `using`. */
export interface SafetensorsFile extends Disposable {
	readonly path: string;
	readonly metadata: Readonly<Record<string, string>>;
	readonly entries: ReadonlyMap<string, SafetensorsEntry>;
	/** One tensor, in its stored dtype. @throws ArraysError missing-tensor | truncated */
	read(name: string): NdArray;
	/** One tensor converted to float32. @throws ArraysError missing-tensor | truncated */
	readFloat32(name: string): NdArray<"float32">;
	/** A tensor's raw bytes into `target`, which must have exactly its size. */
	readInto(name: string, target: Uint8Array): void;
}

/**
 * Opens a file and checks its whole header.
 * @throws ArraysError truncated | too-large | bad-header | bad-shape | unsupported-dtype
 */
export function openSafetensors(path: string): SafetensorsFile {
	const fd = openSync(path, "r");
	try {
		const sizeBytes = fstatSync(fd).size;
		const prefix = new Uint8Array(Math.min(8, sizeBytes));
		readFully(fd, prefix, 0, path);
		const head = new Uint8Array(Math.min(safetensorsHeaderSize(prefix, path), sizeBytes));
		readFully(fd, head, 0, path);
		const header = parseSafetensorsHeader(head, path);
		checkFileSize(header, sizeBytes, path);
		return new OpenSafetensors(path, fd, header.metadata, header.entries);
	} catch (error) {
		closeSync(fd);
		throw error;
	}
}

function readFully(fd: number, target: Uint8Array, position: number, path: string): void {
	let done = 0;
	while (done < target.length) {
		const count = readSync(fd, target, done, target.length - done, position + done);
		if (count === 0) throw new ArraysError("truncated", `${path}: the file ends at byte ${position + done}`);
		done += count;
	}
}

class OpenSafetensors implements SafetensorsFile {
	readonly path: string;
	readonly metadata: Readonly<Record<string, string>>;
	readonly entries: ReadonlyMap<string, SafetensorsEntry>;
	#fd: number | undefined;

	constructor(
		path: string,
		fd: number,
		metadata: Readonly<Record<string, string>>,
		entries: ReadonlyMap<string, SafetensorsEntry>,
	) {
		this.path = path;
		this.#fd = fd;
		this.metadata = metadata;
		this.entries = entries;
	}

	read(name: string): NdArray {
		const { dtype, shape, sizeBytes } = this.#entry(name);
		const bytes = new Uint8Array(sizeBytes);
		this.readInto(name, bytes);
		return arrayFromBytes(dtype, shape, bytes);
	}

	readFloat32(name: string): NdArray<"float32"> {
		const array = this.read(name);
		return { dtype: "float32", shape: array.shape, data: toFloat32(array) };
	}

	readInto(name: string, target: Uint8Array): void {
		const { offsetBytes, sizeBytes } = this.#entry(name);
		if (target.length !== sizeBytes) {
			throw new RangeError(`readInto: ${name} has ${sizeBytes} bytes, the target ${target.length}`);
		}
		if (this.#fd === undefined) throw new TypeError(`${this.path}: read after dispose`);
		readFully(this.#fd, target, offsetBytes, this.path);
	}

	#entry(name: string): SafetensorsEntry {
		const entry = this.entries.get(name);
		if (entry === undefined)
			throw new ArraysError("missing-tensor", `${this.path}: there is no tensor ${name}`);
		return entry;
	}

	[Symbol.dispose](): void {
		if (this.#fd === undefined) return;
		closeSync(this.#fd);
		this.#fd = undefined;
	}
}

/** Writes a file atomically, tensors sorted by name. */
export async function writeSafetensorsFile(
	path: string,
	arrays: NamedArrays,
	options: { metadata?: Readonly<Record<string, string>> } = {},
): Promise<void> {
	await writePartsAtomic(path, safetensorsParts(arrays, options.metadata));
}
