// Large bytes that stay where they are (file, socket, object store) and are read one piece at a time.
import { FlowerError, throwIfCancelled } from "./errors.ts";
import { ARRAY_CHUNK_BYTES } from "./limits.ts";

/** Options of every read. */
export interface ReadOptions {
	readonly signal?: AbortSignal | undefined;
}

/** Bytes of known length, readable at any place, as often as wanted. */
export interface ByteSource {
	readonly sizeBytes: number;
	/** `offset + length` is at most `sizeBytes`; the caller may keep the result but not write to it. */
	read(offset: number, length: number, options?: ReadOptions): Promise<Uint8Array>;
}

/** Bytes cut in pieces of any size, readable in any order, as often as wanted. */
export interface ChunkSource {
	readonly numChunks: number;
	/** `index` is in [0, numChunks); the caller may keep the result but not write to it. */
	readChunk(index: number, options?: ReadOptions): Promise<Uint8Array>;
}

/** Bytes that are in memory already (not copied). */
export function memoryBytes(bytes: Uint8Array): ByteSource {
	return {
		sizeBytes: bytes.length,
		read: async (offset, length, options) => {
			throwIfCancelled(options?.signal);
			checkRange(offset, length, bytes.length);
			return bytes.subarray(offset, offset + length);
		},
	};
}

/** Several sources one after another. */
export function concatBytes(parts: readonly ByteSource[]): ByteSource {
	const sizeBytes = parts.reduce((sum, part) => sum + part.sizeBytes, 0);
	return {
		sizeBytes,
		read: async (offset, length, options) => {
			checkRange(offset, length, sizeBytes);
			const out = allocateBytes(length);
			let start = 0;
			for (const part of parts) {
				const from = Math.max(offset, start);
				const to = Math.min(offset + length, start + part.sizeBytes);
				if (to - from === length) return part.read(from - start, length, options);
				if (from < to) out.set(await part.read(from - start, to - from, options), from - offset);
				start += part.sizeBytes;
			}
			return out;
		},
	};
}

/** Cuts a source in chunks of `chunkBytes` (the last may be shorter); no bytes give no chunks. */
export function chunked(source: ByteSource, chunkBytes: number = ARRAY_CHUNK_BYTES): ChunkSource {
	if (!Number.isSafeInteger(chunkBytes) || chunkBytes <= 0)
		throw new RangeError(`chunked: chunkBytes ${chunkBytes} is not a positive integer`);
	const numChunks = Math.ceil(source.sizeBytes / chunkBytes);
	return {
		numChunks,
		readChunk: (index, options) => {
			if (!Number.isSafeInteger(index) || index < 0 || index >= numChunks)
				throw new RangeError(`readChunk: index ${index} of ${numChunks} chunks`);
			const offset = index * chunkBytes;
			return source.read(offset, Math.min(chunkBytes, source.sizeBytes - offset), options);
		},
	};
}

/**
 * All bytes of a source in one piece.
 * @throws FlowerError resource-exhausted when there are more than `maxBytes`.
 */
export async function readAllChunks(
	source: ChunkSource,
	options: ReadOptions & { readonly maxBytes: number },
): Promise<Uint8Array> {
	const chunks: Uint8Array[] = [];
	let sizeBytes = 0;
	for (let index = 0; index < source.numChunks; index++) {
		const chunk = await source.readChunk(index, options);
		sizeBytes += chunk.length;
		if (sizeBytes > options.maxBytes)
			throw new FlowerError(
				"resource-exhausted",
				`An array has more than ${options.maxBytes} bytes; raise maxBytes or stream it.`,
			);
		chunks.push(chunk);
	}
	const [first] = chunks;
	if (chunks.length === 1 && first !== undefined) return first;
	const out = allocateBytes(sizeBytes);
	let offset = 0;
	for (const chunk of chunks) {
		out.set(chunk, offset);
		offset += chunk.length;
	}
	return out;
}

/** Bytes of any content, for a caller that fills them: not clearing 5 MiB first saves more time than hashing takes. */
export function allocateBytes(sizeBytes: number): Uint8Array<ArrayBuffer> {
	const { buffer, byteOffset } = Buffer.allocUnsafeSlow(sizeBytes);
	return new Uint8Array(buffer, byteOffset, sizeBytes);
}

function checkRange(offset: number, length: number, sizeBytes: number): void {
	if (!Number.isSafeInteger(offset) || offset < 0 || length < 0 || offset + length > sizeBytes)
		throw new RangeError(`read: bytes ${offset}..${offset + length} of ${sizeBytes}`);
}
