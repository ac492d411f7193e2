// Dense row-major arrays with a dtype and a shape, and ordered collections of them by name.
// Not a math library: arithmetic lives in the graphs of @zk0/autodiff and in the kernels of this package.
import { DTYPE_BYTES, type DType, type DTypeArrays, type TypedArray } from "./dtype.ts";

/** Dimension sizes, outermost first; `[]` is a scalar. */
export type Shape = readonly number[];

/** A dense row-major array; `data.length` equals the product of `shape`. */
export interface NdArray<D extends DType = DType> {
	readonly dtype: D;
	readonly shape: Shape;
	readonly data: DTypeArrays[D];
}

/** Arrays by name, in insertion order. */
export type NamedArrays = ReadonlyMap<string, NdArray>;

/** Number of elements of a shape (1 for a scalar). */
export function numElements(shape: Shape): number {
	return shape.reduce((product, dim) => product * dim, 1);
}

/** Size in bytes of an array of this dtype and shape. */
export function sizeBytes(dtype: DType, shape: Shape): number {
	return numElements(shape) * DTYPE_BYTES[dtype];
}

/** True when both shapes have the same dimensions. */
export function sameShape(a: Shape, b: Shape): boolean {
	return a.length === b.length && a.every((dim, axis) => dim === b[axis]);
}

/**
 * Wraps `data` (not copied).
 * @throws RangeError when the length does not match the shape, or a dimension is not a non-negative integer.
 */
export function ndArray<D extends DType>(dtype: D, shape: Shape, data: DTypeArrays[D]): NdArray<D> {
	if (shape.some((dim) => !Number.isSafeInteger(dim) || dim < 0)) {
		throw new RangeError(`ndArray: bad shape [${shape.join(",")}]`);
	}
	if (data.length !== numElements(shape)) {
		throw new RangeError(`ndArray: ${data.length} elements do not fill ${dtype}[${shape.join(",")}]`);
	}
	return { dtype, shape, data };
}

/** A float32 array from numbers. */
export function float32Array(shape: Shape, values: ArrayLike<number>): NdArray<"float32"> {
	return ndArray("float32", shape, values instanceof Float32Array ? values : Float32Array.from(values));
}

/** The bytes behind an array, not copied. */
export function bytesOf(data: TypedArray): Uint8Array {
	return new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
}
