// Sums and means over axes.
import { type Shape, sameShape } from "@zk0/arrays";
import type { Value } from "../graph.ts";
import { normalizeAxes } from "../shape.ts";
import { reshape } from "./movement.ts";

/** Which axes to reduce (default all) and whether they stay with size 1 (default false). */
export interface ReduceOptions {
	readonly axes?: readonly number[];
	readonly keepDims?: boolean;
}

/** Sum over axes. */
export function reduceSum(x: Value, options: ReduceOptions = {}): Value {
	return reduce("reduceSum", x, options);
}

/** Mean over axes. */
export function reduceMean(x: Value, options: ReduceOptions = {}): Value {
	return reduce("reduceMean", x, options);
}

/** Sums `x` down to `shape`, the inverse of broadcasting `shape` to the shape of `x`. */
export function sumTo(x: Value, shape: Shape): Value {
	if (sameShape(x.shape, shape)) return x;
	const missing = x.shape.length - shape.length;
	const axes = x.shape.flatMap((dim, axis) =>
		dim !== (shape[axis - missing] ?? 1) || axis < missing ? [axis] : [],
	);
	return reshape(axes.length === 0 ? x : reduceSum(x, { axes, keepDims: true }), shape);
}

function reduce(op: string, x: Value, { axes, keepDims = false }: ReduceOptions): Value {
	const all = normalizeAxes(axes ?? x.shape.map((_, axis) => axis), x.shape.length);
	if (all.length === 0) return x;
	return x.graph.apply(op, [x], { axes: all, keepDims });
}
