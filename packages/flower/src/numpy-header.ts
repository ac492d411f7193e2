// The .npy header as Flower's Python peers may send it: unlike @zk0/arrays this reads big-endian and Fortran-order
// arrays, since a transposed NumPy array travels in Fortran order.
// Format: https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html
import { DTYPE_BYTES, type DType, numElements } from "@zk0/arrays";
import { FlowerError } from "./errors.ts";
import { MAX_ARRAY_RANK } from "./limits.ts";

const MAGIC = "\x93NUMPY";
/** Magic, version, and the shorter of the two length fields. */
const MIN_PREFIX_BYTES = 10;
/** Real headers have 118 bytes; version 1 cannot say more than this. */
const MAX_HEADER_TEXT_BYTES = 65_535;

const DTYPE_OF_CODE: Readonly<Record<string, DType>> = {
	f2: "float16",
	f4: "float32",
	f8: "float64",
	i1: "int8",
	u1: "uint8",
	i2: "int16",
	u2: "uint16",
	i4: "int32",
	u4: "uint32",
	i8: "int64",
	u8: "uint64",
	b1: "bool",
};

/** What the header says about the data after it. */
export interface NumpyHeader {
	readonly dtype: DType;
	/** NumPy's own name of the element type, as Flower puts it in the Array object. */
	readonly name: string;
	readonly isBigEndian: boolean;
	readonly isFortranOrder: boolean;
	readonly shape: readonly number[];
	/** Where the data starts. */
	readonly offsetBytes: number;
	/** How many bytes of data must follow. */
	readonly sizeBytes: number;
}

/**
 * Reads the header at the start of `bytes`.
 * @returns undefined when `bytes` ends before the header does.
 * @throws FlowerError invalid-argument for anything but a .npy header, unimplemented for element types that are not
 * in DType (complex numbers, text, structures).
 */
export function parseNumpyHeader(bytes: Uint8Array): NumpyHeader | undefined {
	const prefix = latin1(bytes.subarray(0, MAGIC.length));
	if (!MAGIC.startsWith(prefix)) throw invalid("no NumPy magic");
	const isVersion1 = bytes[MAGIC.length] === 1;
	const start = MIN_PREFIX_BYTES + (isVersion1 ? 0 : 2);
	if (bytes.length < start) return undefined;
	const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
	const textBytes = isVersion1 ? view.getUint16(8, true) : view.getUint32(8, true);
	if (textBytes > MAX_HEADER_TEXT_BYTES) throw invalid(`a header of ${textBytes} bytes`);
	const offsetBytes = start + textBytes;
	if (bytes.length < offsetBytes) return undefined;
	return { ...parseHeaderText(latin1(bytes.subarray(start, offsetBytes))), offsetBytes };
}

function parseHeaderText(text: string): Omit<NumpyHeader, "offsetBytes"> {
	const descr = /'descr':\s*'([^']*)'/.exec(text)?.[1];
	const order = /'fortran_order':\s*(True|False)/.exec(text)?.[1];
	const dims = /'shape':\s*\(([0-9,\s]*)\)/.exec(text)?.[1];
	if (order === undefined || dims === undefined) throw invalid("a malformed header");
	const code = descr?.slice(1) ?? "";
	const dtype = DTYPE_OF_CODE[code];
	const byteOrder = descr?.[0] ?? "";
	if (dtype === undefined || !"<>|".includes(byteOrder))
		throw new FlowerError("unimplemented", `NumPy arrays of type ${descr ?? "structure"} are not supported.`);
	const shape = dims.split(",").flatMap((dim) => (dim.trim() === "" ? [] : [Number(dim)]));
	const sizeBytes = numElements(shape) * DTYPE_BYTES[dtype];
	if (shape.length > MAX_ARRAY_RANK || !Number.isSafeInteger(sizeBytes)) throw invalid("an impossible shape");
	const isBigEndian = byteOrder === ">";
	return {
		dtype,
		name: isBigEndian ? `>${code}` : dtype,
		isBigEndian,
		isFortranOrder: order === "True" && shape.length > 1,
		shape,
		sizeBytes,
	};
}

function latin1(bytes: Uint8Array): string {
	return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("latin1");
}

function invalid(reason: string): FlowerError {
	return new FlowerError("invalid-argument", `Bad .npy array: ${reason}.`);
}
