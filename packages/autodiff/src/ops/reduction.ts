// Rows of the reductions.
import { mul } from "../expr/elementwise.ts";
import { expand, reshape } from "../expr/movement.ts";
import type { Op } from "../op.ts";
import { demand, dimAt, normalizeAxes, operand } from "../shape.ts";

type ReduceAttrs = { readonly axes: readonly number[]; readonly keepDims: boolean };

/** A reduction whose gradient is the output's gradient spread over the reduced axes, times `factor(count)`. */
function reduction(type: string, factor: (count: number) => number): Op<ReduceAttrs> {
	return {
		infer: (inputs, { axes, keepDims }) => {
			const dtype = demand(inputs, 1);
			const { shape } = operand(inputs, 0);
			const reduced = normalizeAxes(axes, shape.length);
			const kept = shape.map((dim, axis) => (reduced.includes(axis) ? 1 : dim));
			return { dtype, shape: keepDims ? kept : kept.filter((_, axis) => !reduced.includes(axis)) };
		},
		gradient: (grad, _output, inputs, { axes }) => {
			const { shape } = operand(inputs, 0);
			const kept = shape.map((dim, axis) => (axes.includes(axis) ? 1 : dim));
			const count = axes.reduce((product, axis) => product * dimAt(shape, axis), 1);
			return [expand(reshape(mul(grad, factor(count)), kept), shape)];
		},
		emit: (onnx, site, { axes, keepDims }) =>
			onnx.node(type, [operand(site.inputs, 0), onnx.ints(axes)], [site.output], {
				attrs: { keepdims: { int: keepDims ? 1 : 0 } },
			}),
	};
}

/** Reduction rows by op name. */
export const REDUCTION = {
	reduceSum: reduction("ReduceSum", () => 1),
	reduceMean: reduction("ReduceMean", (count) => 1 / count),
} as const;
