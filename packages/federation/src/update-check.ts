// What an update must look like: the same float32 tensors as the global weights, and only finite values.
// Checked on the bytes as they arrive, so a bad update costs no second read.

import { createReadStream } from "node:fs";
import { ArraysError, parseSafetensorsHeader, type Shape, sameShape, type TensorInfo } from "@zk0/arrays";
import { openSafetensors } from "@zk0/arrays/node";
import { createAggregateKernel } from "./aggregate-kernel.ts";
import { FederationError, type UpdateRejection } from "./errors.ts";
import type { UpdateDtype } from "./update-dtype.ts";

/** Names, element types (one for all) and shapes of the tensors that travel. */
export type TensorSpecs = ReadonlyMap<string, { readonly dtype: UpdateDtype; readonly shape: Shape }>;

/** Why an update is not what was asked for. */
export interface UpdateDefect {
	readonly code: UpdateRejection;
	readonly message: string;
}

/** The defect of an update without samples, which could have no weight. */
export const NO_SAMPLES: UpdateDefect = {
	code: "zero-samples",
	message: "the update was trained on 0 samples",
};

/** Looks at an update while its bytes pass by. */
export interface UpdateInspector {
	/** The next bytes, in order. Returns the first defect found so far, or null. */
	push(bytes: Uint8Array): UpdateDefect | null;
	/** After the last byte: the defect of the whole, or null when the update is good. */
	finish(): UpdateDefect | null;
}

const PREFIX_BYTES = 8;
/** A header lists names, shapes and offsets only; this bounds what a stranger can make us buffer. */
export const MAX_UPDATE_HEADER_BYTES: number = 16 << 20;
const SCAN_BYTES = 256 << 10;

/**
 * The tensors of a weights file, as specs for updates.
 * @throws FederationError bad-weights when a tensor is not float32; ArraysError when it is no safetensors file.
 */
export function readTensorSpecs(path: string): TensorSpecs {
	using file = openSafetensors(path);
	for (const [name, { dtype }] of file.entries) {
		if (dtype !== "float32") {
			throw new FederationError("bad-weights", `${path}: ${name} is ${dtype}; only float32 weights travel`);
		}
	}
	return new Map([...file.entries].map(([name, { shape }]) => [name, { dtype: "float32", shape }]));
}

/** The same tensors in another element type. */
export function specsIn(specs: TensorSpecs, dtype: UpdateDtype): TensorSpecs {
	return new Map([...specs].map(([name, { shape }]) => [name, { dtype, shape }]));
}

/** The first difference between a file's tensors and the specs, or null. */
export function compareTensors(
	entries: ReadonlyMap<string, TensorInfo>,
	specs: TensorSpecs,
): UpdateDefect | null {
	for (const [name, { dtype, shape }] of specs) {
		const entry = entries.get(name);
		if (entry === undefined) return { code: "missing-tensor", message: `tensor ${name} is missing` };
		if (entry.dtype !== dtype) {
			return { code: "wrong-dtype", message: `tensor ${name} is ${entry.dtype}, expected ${dtype}` };
		}
		if (!sameShape(entry.shape, shape)) {
			return {
				code: "wrong-shape",
				message: `tensor ${name} is [${entry.shape.join(",")}], expected [${shape.join(",")}]`,
			};
		}
	}
	for (const name of entries.keys()) {
		if (!specs.has(name)) return { code: "extra-tensor", message: `tensor ${name} is not part of the model` };
	}
	return null;
}

/** An inspector for an update of `sizeBytes` that must match `specs`. */
export function inspectUpdate(specs: TensorSpecs, sizeBytes: number): UpdateInspector {
	const kernel = createAggregateKernel(SCAN_BYTES);
	const words = new Uint16Array(kernel.input.buffer, kernel.input.byteOffset, SCAN_BYTES / 2);
	/** Exponent bits all ones are infinities and NaN. */
	const allFiniteBfloat16 = (sizeBytes: number): boolean =>
		words.subarray(0, sizeBytes / 2).every((word) => (word & 0x7f80) !== 0x7f80);
	let head: Uint8Array[] = [];
	let numHeadBytes = 0;
	let headerBytes: number | null = null;
	let numPending = 0;
	let numBytes = 0;
	let defect: UpdateDefect | null = null;

	const [first] = specs.values();
	const isBfloat16 = first?.dtype === "bfloat16";
	const scan = (): UpdateDefect | null => {
		const finite = isBfloat16 ? allFiniteBfloat16(numPending) : kernel.allFinite(numPending);
		numPending = 0;
		return finite ? null : { code: "not-finite", message: "the update holds NaN or infinite values" };
	};
	const pushData = (bytes: Uint8Array): UpdateDefect | null => {
		for (let offset = 0; offset < bytes.length; ) {
			const count = Math.min(bytes.length - offset, SCAN_BYTES - numPending);
			kernel.input.set(bytes.subarray(offset, offset + count), numPending);
			offset += count;
			numPending += count;
			if (numPending === SCAN_BYTES) {
				const found = scan();
				if (found !== null) return found;
			}
		}
		return null;
	};
	const pushHead = (bytes: Uint8Array): UpdateDefect | null => {
		head.push(bytes.slice());
		numHeadBytes += bytes.length;
		if (headerBytes === null && numHeadBytes >= PREFIX_BYTES) headerBytes = headerSize(Buffer.concat(head));
		if (headerBytes === null || numHeadBytes < headerBytes) {
			return headerBytes !== null && headerBytes > Math.min(sizeBytes, MAX_UPDATE_HEADER_BYTES)
				? { code: "bad-file", message: `a safetensors header of ${headerBytes} bytes is too long` }
				: null;
		}
		const all = Buffer.concat(head);
		head = [];
		const found = checkHeader(all.subarray(0, headerBytes), specs, sizeBytes);
		return found ?? pushData(all.subarray(headerBytes));
	};
	return {
		push(bytes) {
			numBytes += bytes.length;
			if (defect !== null) return defect;
			const inHead = headerBytes === null || numHeadBytes < headerBytes;
			defect = inHead ? pushHead(bytes) : pushData(bytes);
			return defect;
		},
		finish() {
			defect ??= numBytes === sizeBytes ? null : { code: "bad-file", message: "the update is cut off" };
			if (defect === null && (headerBytes === null || numHeadBytes < headerBytes)) {
				defect = { code: "bad-file", message: "the update has no whole safetensors header" };
			}
			defect ??= scan();
			return defect;
		},
	};
}

/** Inspects a stored file. */
export async function inspectUpdateFile(
	path: string,
	specs: TensorSpecs,
	sizeBytes: number,
	options: { readonly signal?: AbortSignal | undefined } = {},
): Promise<UpdateDefect | null> {
	const inspector = inspectUpdate(specs, sizeBytes);
	const stream = createReadStream(path, {
		highWaterMark: SCAN_BYTES,
		...(options.signal === undefined ? {} : { signal: options.signal }),
	});
	for await (const chunk of stream) {
		const bytes: Uint8Array = chunk;
		if (inspector.push(bytes) !== null) break;
	}
	return inspector.finish();
}

function headerSize(prefix: Uint8Array): number {
	const length = new DataView(prefix.buffer, prefix.byteOffset, PREFIX_BYTES).getBigUint64(0, true);
	return length > BigInt(Number.MAX_SAFE_INTEGER - PREFIX_BYTES)
		? Number.MAX_SAFE_INTEGER
		: PREFIX_BYTES + Number(length);
}

function checkHeader(header: Uint8Array, specs: TensorSpecs, sizeBytes: number): UpdateDefect | null {
	try {
		const parsed = parseSafetensorsHeader(header, "update");
		if (parsed.fileSizeBytes !== sizeBytes) {
			return {
				code: "bad-file",
				message: `the update has ${sizeBytes} bytes, its header says ${parsed.fileSizeBytes}`,
			};
		}
		return compareTensors(parsed.entries, specs);
	} catch (error) {
		if (error instanceof ArraysError) return { code: "bad-file", message: error.message };
		throw error;
	}
}
