// Functions that move elements: reshape, transpose, concat, slice, pad, expand, gather.
// No-ops return their operand, and chains of reshapes or transposes collapse into one.
import { numElements, type Shape, sameShape } from "@zk0/arrays";
import type { Value } from "../graph.ts";
import { dimAt, normalizeAxis, operand, showShape } from "../shape.ts";

/** The same elements in another shape; one dimension may be -1 and is computed. */
export function reshape(x: Value, shape: Shape): Value {
	const known = shape.filter((dim) => dim !== -1);
	const size = numElements(known) === 0 ? 0 : numElements(x.shape) / numElements(known);
	if (shape.length - known.length > 1)
		throw new RangeError(`reshape: ${showShape(shape)} has more than one -1`);
	const target = shape.map((dim) => (dim === -1 ? size : dim));
	if (sameShape(target, x.shape)) return x;
	const source = x.graph.nodeOf(x);
	const origin = source.kind === "op" && source.op === "reshape" ? operand(x.graph.inputsOf(x), 0) : x;
	if (sameShape(target, origin.shape)) return origin;
	return x.graph.apply("reshape", [origin], { shape: target });
}

/** Axes permuted: axis i of the result is axis `perm[i]` of x. */
export function transpose(x: Value, perm: readonly number[]): Value {
	if (perm.every((axis, index) => axis === index) && perm.length === x.shape.length) return x;
	const source = x.graph.nodeOf(x);
	if (source.kind === "op" && source.op === "transpose" && Array.isArray(source.attrs["perm"])) {
		const inner: readonly number[] = source.attrs["perm"];
		if (perm.every((axis) => inner[axis] !== undefined) && perm.length === inner.length) {
			return transpose(
				operand(x.graph.inputsOf(x), 0),
				perm.map((axis) => dimAt(inner, axis)),
			);
		}
	}
	return x.graph.apply("transpose", [x], { perm: [...perm] });
}

/** Values joined along one axis; all other dimensions are equal. */
export function concat(values: readonly Value[], axis: number): Value {
	const first = values[0];
	if (first === undefined) throw new TypeError("concat: needs at least one value");
	if (values.length === 1) return first;
	return first.graph.apply("concat", values, { axis: normalizeAxis(axis, first.shape.length) });
}

/** Elements `start` (included) to `end` (excluded) of one axis. */
export function slice(
	x: Value,
	range: { readonly axis: number; readonly start: number; readonly end: number },
): Value {
	const axis = normalizeAxis(range.axis, x.shape.length);
	if (range.start === 0 && range.end === dimAt(x.shape, axis)) return x;
	return x.graph.apply("slice", [x], { axis, start: range.start, end: range.end });
}

/** Consecutive slices of one axis with the given sizes, which must add up to its length. */
export function split(x: Value, sizes: readonly number[], axis: number): Value[] {
	const length = dimAt(x.shape, normalizeAxis(axis, x.shape.length));
	if (sizes.reduce((sum, size) => sum + size, 0) !== length) {
		throw new RangeError(
			`split: sizes [${sizes.join(",")}] do not add up to ${length} of ${showShape(x.shape)}`,
		);
	}
	let start = 0;
	return sizes.map((size) => {
		start += size;
		return slice(x, { axis, start: start - size, end: start });
	});
}

/** Zeros added before and after the elements of one axis. */
export function pad(
	x: Value,
	amount: { readonly axis: number; readonly before: number; readonly after: number },
): Value {
	const axis = normalizeAxis(amount.axis, x.shape.length);
	if (amount.before === 0 && amount.after === 0) return x;
	return x.graph.apply("pad", [x], { axis, before: amount.before, after: amount.after });
}

/** x repeated along missing axes and axes of size 1 until it has `shape`. */
export function expand(x: Value, shape: Shape): Value {
	if (sameShape(x.shape, shape)) return x;
	return x.graph.apply("expand", [beforeExpand(x)], { shape: [...shape] });
}

/** What `expand` was applied to, or x itself. */
export function beforeExpand(x: Value): Value {
	const node = x.graph.nodeOf(x);
	return node.kind === "op" && node.op === "expand" ? operand(x.graph.inputsOf(x), 0) : x;
}

/** Slices of `table` along `axis` picked by int32 or int64 `indices`; shape is table with that axis replaced by indices. */
export function gather(table: Value, indices: Value, axis = 0): Value {
	return table.graph.apply("gather", [table, indices], { axis: normalizeAxis(axis, table.shape.length) });
}

/** The first `indices.rank` axes of `updates` summed into `rows` rows of zeros: the adjoint of `gather` on axis 0. */
export function scatterAdd(indices: Value, updates: Value, rows: number): Value {
	return updates.graph.apply("scatterAdd", [indices, updates], { rows });
}
