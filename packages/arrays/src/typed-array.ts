// Making the typed array of a dtype over bytes.
import { DTYPE_BYTES, type DType, type DTypeArrays, type TypedArray } from "./dtype.ts";
import type { NdArray, Shape } from "./nd-array.ts";

type Constructors = {
	readonly [D in DType]: new (
		buffer: ArrayBufferLike,
		offset: number,
		length: number,
	) => DTypeArrays[D];
};

const CONSTRUCTORS: Constructors = {
	float32: Float32Array,
	float64: Float64Array,
	float16: Uint16Array,
	bfloat16: Uint16Array,
	int8: Int8Array,
	uint8: Uint8Array,
	int16: Int16Array,
	uint16: Uint16Array,
	int32: Int32Array,
	uint32: Uint32Array,
	int64: BigInt64Array,
	uint64: BigUint64Array,
	bool: Uint8Array,
};

/** The bytes as an array of `dtype`: a view when their offset is aligned, else a copy. */
export function arrayFromBytes(dtype: DType, shape: Shape, bytes: Uint8Array): NdArray {
	const aligned = bytes.byteOffset % DTYPE_BYTES[dtype] === 0 ? bytes : new Uint8Array(bytes); // not slice(): a Node Buffer would share memory
	const data: TypedArray = new CONSTRUCTORS[dtype](
		aligned.buffer,
		aligned.byteOffset,
		aligned.byteLength / DTYPE_BYTES[dtype],
	);
	return { dtype, shape, data };
}
