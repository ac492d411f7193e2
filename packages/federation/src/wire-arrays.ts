// How tensors travel: a safetensors file as the entries of a Flower ArrayRecord, and back. This is the one place
// that knows the encoding of a tensor on the wire; both directions read one chunk at a time.
import {
	encodeSafetensorsHeader,
	parseSafetensorsHeader,
	type SafetensorsEntry,
	type TensorInfo,
} from "@zk0/arrays";
import { openSafetensors } from "@zk0/arrays/node";
import {
	type ArrayRecord,
	arrayRecord,
	type ByteSource,
	type FlowerArray,
	FlowerError,
	openArray,
	streamedArray,
} from "@zk0/flower";
import { openFileBytes } from "@zk0/flower/node";

/** The tensors of a float32 or bfloat16 safetensors file, sorted by name, read from the file whenever they are asked for. */
export function wireArrays(path: string): ArrayRecord {
	using file = openSafetensors(path);
	const entries = [...file.entries].sort(([a], [b]) => (a < b ? -1 : 1));
	return arrayRecord(
		entries.map(([name, { dtype, shape, offsetBytes, sizeBytes }]) => [
			name,
			streamedArray(dtype, shape, fileRange(path, offsetBytes, sizeBytes)),
		]),
	);
}

/** Names, element types and shapes of a record's tensors. @throws FlowerError for arrays that cannot be read */
export function wireTensors(record: ArrayRecord): ReadonlyMap<string, TensorInfo> {
	return new Map(Array.from(record.entries, ([name, array]) => [name, tensorInfo(name, array)] as const));
}

/** The length of the safetensors file that `fileBytes` gives. */
export function fileSizeBytes(tensors: ReadonlyMap<string, TensorInfo>): number {
	return parseSafetensorsHeader(encodeSafetensorsHeader(tensors), "record").fileSizeBytes;
}

/**
 * A record's tensors as the bytes of a safetensors file, sorted by name: equal tensors give equal bytes.
 * @throws FlowerError for arrays that cannot be read or are not what their record says.
 */
export async function* fileBytes(
	record: ArrayRecord,
	options: { readonly signal?: AbortSignal | undefined } = {},
): AsyncGenerator<Uint8Array> {
	const header = encodeSafetensorsHeader(wireTensors(record));
	yield header;
	for (const name of inFileOrder(parseSafetensorsHeader(header, "record").entries)) {
		const array = record.entries.get(name);
		if (array !== undefined) yield* (await openArray(array, options)).data;
	}
}

function inFileOrder(entries: ReadonlyMap<string, SafetensorsEntry>): string[] {
	return [...entries].sort(([, a], [, b]) => a.offsetBytes - b.offsetBytes).map(([name]) => name);
}

function tensorInfo(name: string, { dtype, shape }: FlowerArray): TensorInfo {
	if (dtype === "float32" || dtype === "bfloat16") return { dtype, shape };
	const found = dtype.slice(0, 40);
	throw new FlowerError("invalid-argument", `tensor ${name} is ${found}, expected float32 or bfloat16`);
}

/** A range of a file that is opened for each read: nothing to close, and gone files are noticed. */
export function fileRange(path: string, offsetBytes: number, sizeBytes: number): ByteSource {
	return {
		sizeBytes,
		read: async (offset, length, options) => {
			await using file = await openFileBytes(path);
			return await file.range(offsetBytes, sizeBytes).read(offset, length, options);
		},
	};
}
