// Reads the tensors of a safetensors file as float32, one piece at a time.
import { type FileHandle, open } from "node:fs/promises";
import type { SafetensorsEntry } from "@zk0/arrays";
import { openSafetensors } from "@zk0/arrays/node";
import { FederationError } from "./errors.ts";

/** An open file; disposing it closes it. */
export interface TensorReader extends AsyncDisposable {
	/** Tensors by name, in the order of names. */
	readonly entries: ReadonlyMap<string, SafetensorsEntry>;
	/** `count` elements of a tensor from `start`, bfloat16 widened. @throws FederationError missing-tensor | storage */
	read(name: string, start: number, count: number): Promise<Float32Array>;
}

/** Opens a file of float32 or bfloat16 tensors. @throws ArraysError when it is no safetensors file */
export async function openTensorReader(path: string): Promise<TensorReader> {
	const entries = sortedEntries(path);
	const file = await open(path, "r");
	return {
		entries,
		async read(name, start, count) {
			const entry = entries.get(name);
			if (entry === undefined) throw new FederationError("missing-tensor", `${path} has no tensor ${name}`);
			const width = entry.dtype === "bfloat16" ? 2 : 4;
			const bytes = new Uint8Array(count * width);
			await readFully(file, bytes, entry.offsetBytes + start * width, path);
			return width === 4 ? new Float32Array(bytes.buffer) : widened(new Uint16Array(bytes.buffer));
		},
		[Symbol.asyncDispose]: () => file.close(),
	};
}

function sortedEntries(path: string): ReadonlyMap<string, SafetensorsEntry> {
	using file = openSafetensors(path);
	return new Map([...file.entries].sort(([a], [b]) => (a < b ? -1 : 1)));
}

function widened(words: Uint16Array): Float32Array {
	return new Float32Array(Uint32Array.from(words, (word) => word << 16).buffer);
}

async function readFully(file: FileHandle, bytes: Uint8Array, position: number, path: string): Promise<void> {
	for (let done = 0; done < bytes.length; ) {
		const { bytesRead } = await file.read(bytes, done, bytes.length - done, position + done);
		if (bytesRead === 0) throw new FederationError("storage", `${path} ended early`);
		done += bytesRead;
	}
}
