// NumPy's .npy container, version 1.0 to 3.0, C order, little-endian.
// Format: https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html
import { DTYPE_BYTES, type DType } from "./dtype.ts";
import { ArraysError } from "./errors.ts";
import { bytesOf, type NdArray, numElements, type Shape } from "./nd-array.ts";
import { arrayFromBytes } from "./typed-array.ts";

/** Bound on the header text: real headers are under 200 bytes, structured dtypes are refused anyway. */
const MAX_NPY_HEADER_BYTES = 65_535;
const MAGIC = [0x93, 0x4e, 0x55, 0x4d, 0x50, 0x59];
const HEADER_ALIGN_BYTES = 64;

const DTYPE_OF_DESCR: Readonly<Record<string, DType>> = {
	"<f4": "float32",
	"<f8": "float64",
	"<f2": "float16",
	"|i1": "int8",
	"|u1": "uint8",
	"<i2": "int16",
	"<u2": "uint16",
	"<i4": "int32",
	"<u4": "uint32",
	"<i8": "int64",
	"<u8": "uint64",
	"|b1": "bool",
};
const DESCR_OF_DTYPE: ReadonlyMap<DType, string> = new Map(
	Object.entries(DTYPE_OF_DESCR).map(([descr, dtype]) => [dtype, descr]),
);

/** The header bytes, exactly as `numpy.save` writes them (version 1.0). */
export function encodeNpyHeader(dtype: DType, shape: Shape): Uint8Array {
	const descr = DESCR_OF_DTYPE.get(dtype);
	if (descr === undefined) throw new RangeError(`npy: no NumPy dtype for ${dtype}`);
	const dims = shape.length === 1 ? `${shape[0]},` : shape.join(", ");
	const text = `{'descr': '${descr}', 'fortran_order': False, 'shape': (${dims}), }`;
	const prefixBytes = MAGIC.length + 4;
	const total = Math.ceil((prefixBytes + text.length + 1) / HEADER_ALIGN_BYTES) * HEADER_ALIGN_BYTES;
	const out = new Uint8Array(total).fill(0x20);
	out.set(MAGIC);
	out.set([1, 0, (total - prefixBytes) & 255, (total - prefixBytes) >> 8], MAGIC.length);
	out.set(new TextEncoder().encode(text), prefixBytes);
	out[total - 1] = 0x0a;
	return out;
}

/** The .npy bytes of an array. */
export function encodeNpy(array: NdArray): Uint8Array {
	const header = encodeNpyHeader(array.dtype, array.shape);
	const out = new Uint8Array(header.length + array.data.byteLength);
	out.set(header);
	out.set(bytesOf(array.data), header.length);
	return out;
}

/** What an .npy header says. */
export interface NpyHeader {
	readonly dtype: DType;
	readonly shape: Shape;
	readonly dataOffsetBytes: number;
}

/**
 * Parses the header at the start of `bytes` (the data may still be missing).
 * @throws ArraysError truncated | bad-header | unsupported-dtype
 */
export function parseNpyHeader(bytes: Uint8Array): NpyHeader {
	if (bytes.length < MAGIC.length + 4) throw new ArraysError("truncated", "npy: shorter than a header");
	if (MAGIC.some((byte, index) => bytes[index] !== byte))
		throw new ArraysError("bad-header", "npy: no NumPy magic");
	const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
	const isShort = bytes[6] === 1;
	if (!isShort && bytes.length < MAGIC.length + 6)
		throw new ArraysError("truncated", "npy: shorter than a header");
	const start = MAGIC.length + (isShort ? 4 : 6);
	const length = isShort ? view.getUint16(8, true) : view.getUint32(8, true);
	if (length > MAX_NPY_HEADER_BYTES) throw new ArraysError("too-large", `npy: header of ${length} bytes`);
	if (bytes.length < start + length) throw new ArraysError("truncated", "npy: the header is cut off");
	const text = new TextDecoder().decode(bytes.subarray(start, start + length));
	return { ...parseDict(text), dataOffsetBytes: start + length };
}

function parseDict(text: string): { dtype: DType; shape: Shape } {
	const descr = /'descr':\s*'([^']*)'/.exec(text)?.[1];
	const order = /'fortran_order':\s*(True|False)/.exec(text)?.[1];
	const dims = /'shape':\s*\(([0-9,\s]*)\)/.exec(text)?.[1];
	if (order === undefined || dims === undefined) throw new ArraysError("bad-header", "npy: malformed header");
	const dtype = descr === undefined ? undefined : DTYPE_OF_DESCR[descr];
	if (dtype === undefined)
		throw new ArraysError("unsupported-dtype", `npy: dtype ${descr ?? "of a structure"} is not supported`);
	const shape = dims.split(",").flatMap((dim) => (dim.trim() === "" ? [] : [Number(dim)]));
	if (order === "True" && shape.length > 1)
		throw new ArraysError("bad-header", "npy: Fortran order; save a C-order copy");
	if (!shape.every((dim) => Number.isSafeInteger(dim)))
		throw new ArraysError("bad-shape", "npy: a dimension is too large");
	return { dtype, shape };
}

/**
 * The array in .npy bytes (a view where aligned).
 * @throws ArraysError on anything that is not exactly one array.
 */
export function decodeNpy(bytes: Uint8Array): NdArray {
	const { dtype, shape, dataOffsetBytes } = parseNpyHeader(bytes);
	const expected = numElements(shape) * DTYPE_BYTES[dtype];
	const actual = bytes.length - dataOffsetBytes;
	if (actual !== expected) {
		throw new ArraysError(
			actual < expected ? "truncated" : "bad-shape",
			`npy: ${actual} data bytes, ${expected} expected`,
		);
	}
	return arrayFromBytes(dtype, shape, bytes.subarray(dataOffsetBytes));
}
