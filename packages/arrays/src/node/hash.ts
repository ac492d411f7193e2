// SHA-256 of bytes, files and tensor collections.
import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import type { NamedArrays } from "../nd-array.ts";
import { safetensorsParts } from "../safetensors.ts";

/** SHA-256 as 64 lower-case hex digits. */
export function sha256Hex(data: Uint8Array | string): string {
	return createHash("sha256").update(data).digest("hex");
}

/** SHA-256 of a file, streamed. */
export async function sha256File(path: string, options: { signal?: AbortSignal } = {}): Promise<string> {
	const hash = createHash("sha256");
	for await (const chunk of createReadStream(path, { highWaterMark: 1 << 20, ...options }))
		hash.update(chunk);
	return hash.digest("hex");
}

/** SHA-256 of the safetensors encoding (sorted by name, no metadata): equal for equal tensors. */
export function hashTensors(arrays: NamedArrays): string {
	const hash = createHash("sha256");
	for (const part of safetensorsParts(arrays)) hash.update(part);
	return hash.digest("hex");
}
