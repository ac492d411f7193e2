// Element types and the typed arrays that hold them. float16 and bfloat16 stay as raw 16-bit words
// (Node 20 has no Float16Array); bool is one byte per element.

/** Element type names as safetensors, NumPy and ONNX users know them. */
export type DType =
	| "float32"
	| "float64"
	| "float16"
	| "bfloat16"
	| "int8"
	| "uint8"
	| "int16"
	| "uint16"
	| "int32"
	| "uint32"
	| "int64"
	| "uint64"
	| "bool";

/** The typed array that holds each dtype in memory. */
export interface DTypeArrays {
	float32: Float32Array;
	float64: Float64Array;
	float16: Uint16Array;
	bfloat16: Uint16Array;
	int8: Int8Array;
	uint8: Uint8Array;
	int16: Int16Array;
	uint16: Uint16Array;
	int32: Int32Array;
	uint32: Uint32Array;
	int64: BigInt64Array;
	uint64: BigUint64Array;
	bool: Uint8Array;
}

/** Any of the typed arrays that hold a dtype. */
export type TypedArray = DTypeArrays[DType];

/** Bytes per element of each dtype. */
export const DTYPE_BYTES: Readonly<Record<DType, number>> = {
	float32: 4,
	float64: 8,
	float16: 2,
	bfloat16: 2,
	int8: 1,
	uint8: 1,
	int16: 2,
	uint16: 2,
	int32: 4,
	uint32: 4,
	int64: 8,
	uint64: 8,
	bool: 1,
};
