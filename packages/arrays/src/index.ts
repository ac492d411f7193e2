// Public names of @zk0/arrays (browser-safe; files and hashes are in @zk0/arrays/node).
export { float32ToBfloat16, toFloat32 } from "./convert.ts";
export { DTYPE_BYTES, type DType, type DTypeArrays, type TypedArray } from "./dtype.ts";
export { codeOf } from "./error-code.ts";
export { ArraysError, type ArraysErrorCode } from "./errors.ts";
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
export { didYouMean, nearest } from "./nearest.ts";
export { decodeNpy, encodeNpy, encodeNpyHeader, type NpyHeader, parseNpyHeader } from "./npy.ts";
export { type Rng, rng } from "./rng.ts";
export {
	decodeSafetensors,
	encodeSafetensors,
	encodeSafetensorsHeader,
	parseSafetensorsHeader,
	type SafetensorsEntry,
	type SafetensorsHeader,
	safetensorsParts,
	type TensorInfo,
} from "./safetensors.ts";
export { arrayFromBytes } from "./typed-array.ts";
