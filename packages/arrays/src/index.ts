// Public names of @zk0/arrays.
export { DTYPE_BYTES, type DType, type DTypeArrays, type TypedArray } from "./dtype.ts";
export {
	bytesOf,
	float32Array,
	type NamedArrays,
	type NdArray,
	ndArray,
	numElements,
	type Shape,
	sameShape,
	sizeBytes,
} from "./nd-array.ts";
export { type Rng, rng } from "./rng.ts";
