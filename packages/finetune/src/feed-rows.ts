// One sample's feeds as arrays with a leading dimension of 1, and batches as rows put on top of each other.
import {
	type DType,
	type NamedArrays,
	type NdArray,
	ndArray,
	type Shape,
	type TypedArray,
} from "@zk0/arrays";

/** Feeds of one sample; every array is `[1, ...]`. */
export type FeedRow = ReadonlyMap<string, NdArray>;

function allocate(dtype: DType, shape: Shape, length: number): NdArray {
	if (dtype === "float32") return ndArray(dtype, shape, new Float32Array(length));
	if (dtype === "int64") return ndArray(dtype, shape, new BigInt64Array(length));
	throw new TypeError(`stackRows: a feed of ${dtype}, expected float32 or int64`);
}

/**
 * Puts rows on top of each other: arrays `[1, ...]` become `[rows, ...]`.
 * @throws RangeError when there is no row or rows differ in names or shapes.
 */
export function stackRows(rows: readonly FeedRow[]): Map<string, NdArray> {
	const [first] = rows;
	if (first === undefined) throw new RangeError("stackRows: no rows");
	const stacked = new Map<string, NdArray>();
	for (const [name, { dtype, shape, data }] of first) {
		const target = allocate(dtype, [rows.length, ...shape.slice(1)], rows.length * data.length);
		for (const [index, row] of rows.entries()) {
			const part = row.get(name);
			if (part === undefined || part.dtype !== dtype || part.data.length !== data.length) {
				throw new RangeError(`stackRows: row ${index} has no ${name} of ${dtype}[${shape.join(",")}]`);
			}
			copyInto(target.data, part.data, index * data.length);
		}
		stacked.set(name, target);
	}
	return stacked;
}

function copyInto(target: TypedArray, part: TypedArray, offset: number): void {
	if (target instanceof Float32Array && part instanceof Float32Array) target.set(part, offset);
	else if (target instanceof BigInt64Array && part instanceof BigInt64Array) target.set(part, offset);
	else throw new TypeError("stackRows: rows of different types");
}

/** Rows of a batch by their numbers, in the order given; a number may come several times. */
export function gatherRows(arrays: NamedArrays, numbers: readonly number[]): Map<string, NdArray> {
	const gathered = new Map<string, NdArray>();
	for (const [name, { dtype, shape, data }] of arrays) {
		const stride = data.length / (shape[0] ?? 1);
		const target = allocate(dtype, [numbers.length, ...shape.slice(1)], numbers.length * stride);
		for (const [index, number] of numbers.entries()) {
			copyInto(target.data, data.subarray(number * stride, (number + 1) * stride), index * stride);
		}
		gathered.set(name, target);
	}
	return gathered;
}

/** The arrays named in `names`; missing ones are left out. */
export function pickArrays(arrays: NamedArrays, names: ReadonlySet<string>): Map<string, NdArray> {
	return new Map([...arrays].filter(([name]) => names.has(name)));
}
