// Between Flower's arrays and this project's: .npy bytes, whole or streamed.
import {
	arrayFromBytes,
	bytesOf,
	DTYPE_BYTES,
	type DType,
	encodeNpyHeader,
	type NdArray,
	type Shape,
	sameShape,
	sizeBytes,
} from "@zk0/arrays";
import {
	allocateBytes,
	type ByteSource,
	chunked,
	concatBytes,
	memoryBytes,
	type ReadOptions,
} from "./chunk-source.ts";
import { FlowerError } from "./errors.ts";
import { ARRAY_CHUNK_BYTES, MAX_ARRAY_BYTES } from "./limits.ts";
import { type NumpyHeader, parseNumpyHeader } from "./numpy-header.ts";
import { BFLOAT16_STYPE, type FlowerArray, NUMPY_STYPE } from "./record.ts";

/** An array in memory as Flower sends it (the data is not copied). */
export function flowerArray(array: NdArray, chunkBytes: number = ARRAY_CHUNK_BYTES): FlowerArray {
	return streamedArray(array.dtype, array.shape, memoryBytes(bytesOf(array.data)), chunkBytes);
}

/**
 * An array whose little-endian, C-order data is read from `data` when needed.
 * bfloat16, which NumPy does not have, is marked by a serialisation of its own.
 * @throws RangeError when the size does not fit dtype and shape.
 */
export function streamedArray(
	dtype: DType,
	shape: Shape,
	data: ByteSource,
	chunkBytes: number = ARRAY_CHUNK_BYTES,
): FlowerArray {
	if (data.sizeBytes !== sizeBytes(dtype, shape))
		throw new RangeError(`streamedArray: ${data.sizeBytes} bytes do not fill ${dtype}[${shape.join(",")}]`);
	const isBfloat16 = dtype === "bfloat16";
	const npy = concatBytes([memoryBytes(encodeNpyHeader(isBfloat16 ? "uint16" : dtype, shape)), data]);
	return { dtype, shape, stype: isBfloat16 ? BFLOAT16_STYPE : NUMPY_STYPE, data: chunked(npy, chunkBytes) };
}

/** An array that is being read: its header, and its data in pieces of the sender's chunk size. */
export interface ArrayStream {
	readonly dtype: DType;
	readonly shape: Shape;
	readonly sizeBytes: number;
	/** Little-endian, C-order data; iterate once. @throws FlowerError invalid-argument when the length is wrong. */
	readonly data: AsyncIterable<Uint8Array>;
}

/**
 * Starts to read an array, one chunk in memory at a time.
 * @throws FlowerError invalid-argument when it is not .npy bytes that agree with the record,
 * unimplemented for other serialisations, element types, byte order or Fortran order (see `toNdArray`).
 */
export async function openArray(array: FlowerArray, options: ReadOptions = {}): Promise<ArrayStream> {
	const { header, rest, nextChunk } = await readHeader(array, options);
	if (header.isBigEndian || header.isFortranOrder)
		throw new FlowerError(
			"unimplemented",
			`A ${header.name} array in ${header.isFortranOrder ? "Fortran" : "C"} order cannot be streamed; ` +
				"send it as np.ascontiguousarray(x, dtype=x.dtype.newbyteorder('<')).",
		);
	const { dtype, shape } = header;
	return {
		dtype,
		shape,
		sizeBytes: header.sizeBytes,
		data: dataPieces(array, header, rest, nextChunk, options),
	};
}

/**
 * Reads an array into memory; big-endian and Fortran-order data are converted.
 * @throws FlowerError as `openArray`, and resource-exhausted when it is larger than `maxBytes` (MAX_ARRAY_BYTES).
 */
export async function toNdArray(
	array: FlowerArray,
	options: ReadOptions & { readonly maxBytes?: number } = {},
): Promise<NdArray> {
	const { header, rest, nextChunk } = await readHeader(array, options);
	const maxBytes = options.maxBytes ?? MAX_ARRAY_BYTES;
	if (header.sizeBytes > maxBytes)
		throw new FlowerError(
			"resource-exhausted",
			`An array of ${header.sizeBytes} bytes; at most ${maxBytes} are read into memory.`,
		);
	const bytes = allocateBytes(header.sizeBytes);
	let offset = 0;
	for await (const piece of dataPieces(array, header, rest, nextChunk, options)) {
		bytes.set(piece, offset);
		offset += piece.length;
	}
	const itemBytes = DTYPE_BYTES[header.dtype];
	if (header.isBigEndian) swapBytes(bytes, itemBytes);
	const ordered = header.isFortranOrder ? toCOrder(bytes, header.shape, itemBytes) : bytes;
	return arrayFromBytes(header.dtype, header.shape, ordered);
}

async function readHeader(
	array: FlowerArray,
	options: ReadOptions,
): Promise<{ header: NumpyHeader; rest: Uint8Array; nextChunk: number }> {
	const isBfloat16 = array.stype === BFLOAT16_STYPE;
	if (array.stype !== NUMPY_STYPE && !isBfloat16)
		throw new FlowerError(
			"unimplemented",
			`Arrays serialised as "${array.stype.slice(0, 80)}" cannot be read.`,
		);
	let seen: Uint8Array = new Uint8Array(0);
	for (let index = 0; index < array.data.numChunks; index++) {
		const chunk = await array.data.readChunk(index, options);
		seen = seen.length === 0 ? chunk : Buffer.concat([seen, chunk]);
		const found = parseNumpyHeader(seen);
		if (found === undefined) continue;
		if (isBfloat16 && found.dtype !== "uint16")
			throw new FlowerError("invalid-argument", `A bfloat16 array holds ${found.name}, expected uint16.`);
		const header: NumpyHeader = isBfloat16 ? { ...found, dtype: "bfloat16", name: "bfloat16" } : found;
		// Records of the older Client API leave both fields of the record empty.
		if (array.dtype !== "" && (array.dtype !== header.name || !sameShape(array.shape, header.shape)))
			throw new FlowerError(
				"invalid-argument",
				`An array says ${array.dtype}[${array.shape.join(",")}] ` +
					`and holds ${header.name}[${header.shape.join(",")}].`,
			);
		return { header, rest: seen.subarray(header.offsetBytes), nextChunk: index + 1 };
	}
	throw new FlowerError("invalid-argument", "An array ends inside its .npy header.");
}

async function* dataPieces(
	array: FlowerArray,
	header: NumpyHeader,
	rest: Uint8Array,
	nextChunk: number,
	options: ReadOptions,
): AsyncGenerator<Uint8Array> {
	let missingBytes = header.sizeBytes;
	const take = (piece: Uint8Array): Uint8Array => {
		missingBytes -= piece.length;
		if (missingBytes < 0) throw wrongLength(header);
		return piece;
	};
	if (rest.length > 0) yield take(rest);
	for (let index = nextChunk; index < array.data.numChunks; index++)
		yield take(await array.data.readChunk(index, options));
	if (missingBytes !== 0) throw wrongLength(header);
}

function wrongLength(header: NumpyHeader): FlowerError {
	return new FlowerError(
		"invalid-argument",
		`The data of an array is not the ${header.sizeBytes} bytes of ${header.name}[${header.shape.join(",")}].`,
	);
}

function swapBytes(bytes: Uint8Array, itemBytes: number): void {
	const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
	if (itemBytes === 2) buffer.swap16();
	else if (itemBytes === 4) buffer.swap32();
	else if (itemBytes === 8) buffer.swap64();
}

/** Copies elements whose first axis varies fastest into the order where the last one does. */
function toCOrder(bytes: Uint8Array, shape: Shape, itemBytes: number): Uint8Array {
	const out = allocateBytes(bytes.length);
	const position = shape.map(() => 0);
	const strides = shape.map(
		(_, axis) => itemBytes * shape.slice(0, axis).reduce((size, dim) => size * dim, 1),
	);
	let source = 0;
	for (let target = 0; target < out.length; target += itemBytes) {
		for (let byte = 0; byte < itemBytes; byte++) out[target + byte] = bytes[source + byte] ?? 0;
		for (let axis = shape.length - 1; axis >= 0; axis--) {
			const next = (position[axis] ?? 0) + 1;
			const stride = strides[axis] ?? 0;
			if (next < (shape[axis] ?? 0)) {
				position[axis] = next;
				source += stride;
				break;
			}
			position[axis] = 0;
			source -= stride * (next - 1);
		}
	}
	return out;
}
