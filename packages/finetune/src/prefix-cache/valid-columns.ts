// Keys and values are kept without the columns of padding, which nobody reads: a stretch of every head's rows per run
// of valid columns. Padding columns of a batch are zero, whether its entries were computed or read.
import { type NamedArrays, type NdArray, ndArray, numElements } from "@zk0/arrays";
import type { TensorType } from "@zk0/autodiff";

/** Runs of valid columns, `[start, end)`, in order. */
export type ColumnRuns = readonly (readonly [start: number, end: number])[];

/** The columns whose bias is 0. `bias` holds the columns of one sample. */
export function validColumns(bias: Float32Array): ColumnRuns {
	const runs: [number, number][] = [];
	bias.forEach((value, column) => {
		if (value !== 0) return;
		const last = runs.at(-1);
		if (last?.[1] === column) last[1] = column + 1;
		else runs.push([column, column + 1]);
	});
	return runs;
}

/** Arrays of zeros `[batchSize, ...]` for outputs `[1, ...]` of float32. */
export function zeroBatch(
	types: ReadonlyMap<string, TensorType>,
	batchSize: number,
): Map<string, NdArray<"float32">> {
	return new Map(
		[...types].map(([name, { shape }]) => {
			const whole = [batchSize, ...shape.slice(1)];
			return [name, ndArray("float32", whole, new Float32Array(numElements(whole)))];
		}),
	);
}

/**
 * The valid columns of sample `slot` in arrays `[B, heads, P, headDim]`, as views in the order they are kept in:
 * array by array, head by head.
 */
export function columnViews(arrays: NamedArrays, slot: number, columns: ColumnRuns): Float32Array[] {
	const views: Float32Array[] = [];
	for (const [name, { data, shape }] of arrays) {
		const [, heads = 0, length = 0, headDim = 0] = shape;
		if (!(data instanceof Float32Array)) throw new TypeError(`prefix: ${name} is not float32`);
		for (let head = 0; head < heads; head++) {
			const row = (slot * heads + head) * length;
			for (const [start, end] of columns)
				views.push(data.subarray((row + start) * headDim, (row + end) * headDim));
		}
	}
	return views;
}
