// Rows of the neural-network ops that are more than a composition of others.
import { sameShape } from "@zk0/arrays";
import { mul, neg, sub } from "../expr/elementwise.ts";
import { rope } from "../expr/nn.ts";
import { reduceSum } from "../expr/reduction.ts";
import type { TensorType } from "../graph.ts";
import type { Op } from "../op.ts";
import { broadcastShapes, demand, dimAt, operand, withDim } from "../shape.ts";

/** dx = y * (dy - sum(dy * y)). */
const softmaxOp: Op = {
	infer: (inputs) => {
		const { shape } = operand(inputs, 0);
		dimAt(shape, -1);
		return { dtype: demand(inputs, 1), shape };
	},
	gradient: (grad, output) => [
		mul(output, sub(grad, reduceSum(mul(grad, output), { axes: [-1], keepDims: true }))),
	],
	emit: (onnx, site) => onnx.node("Softmax", site.inputs, [site.output], { attrs: { axis: { int: -1 } } }),
};

/** A rotation of pairs: its gradient is the rotation back. Operands: x [..., T, D], cos and sin [..., T, D/2]. */
const ropeOp: Op = {
	infer: (inputs) => {
		const dtype = demand(inputs, 3);
		const [x, cos, sin] = [operand(inputs, 0), operand(inputs, 1), operand(inputs, 2)];
		const width = dimAt(x.shape, -1);
		if (width % 2 !== 0) throw new RangeError(`the last axis has odd length ${width}`);
		const half = withDim(x.shape, -1, width / 2);
		if (!sameShape(cos.shape, sin.shape) || !sameShape(broadcastShapes(half, cos.shape), half)) {
			throw new RangeError(`the tables do not broadcast to [${half.join(",")}]`);
		}
		return { dtype, shape: x.shape };
	},
	gradient: (grad, _output, inputs) => [rope(grad, operand(inputs, 1), neg(operand(inputs, 2))), null, null],
	emit: (onnx, site) => {
		const [x, cos, sin] = [operand(site.inputs, 0), operand(site.inputs, 1), operand(site.inputs, 2)];
		const fresh = (): string => onnx.fresh();
		const product = (a: string, b: string): string => {
			const name = fresh();
			onnx.node("Mul", [a, b], [name]);
			return name;
		};
		const [x1, x2, y1, y2] = [fresh(), fresh(), fresh(), fresh()];
		onnx.node("Split", [x], [x1, x2], { attrs: { axis: { int: -1 }, num_outputs: { int: 2 } } });
		onnx.node("Sub", [product(x1, cos), product(x2, sin)], [y1]);
		onnx.node("Add", [product(x2, cos), product(x1, sin)], [y2]);
		onnx.node("Concat", [y1, y2], [site.output], { attrs: { axis: { int: -1 } } });
	},
};

function inferNorm(inputs: readonly TensorType[], count: number): TensorType {
	const dtype = demand(inputs, count);
	const { shape } = operand(inputs, 0);
	for (const vector of inputs.slice(1)) {
		if (!sameShape(vector.shape, [dimAt(shape, -1)])) {
			throw new RangeError(`weight and bias must be [${dimAt(shape, -1)}]`);
		}
	}
	return { dtype, shape };
}

const FORWARD_ONLY = "the fused kernel is for frozen branches; use the primitive form where a gradient flows";

/** Only the first output of the fused kernel is used: its statistics are wrong on WebGPU (ONNX Runtime 1.30). */
const frozenLayerNormOp: Op<{ readonly eps: number }> = {
	infer: (inputs) => inferNorm(inputs, 3),
	gradient: FORWARD_ONLY,
	emit: (onnx, site, { eps }) =>
		onnx.node("LayerNormalization", site.inputs, [site.output], {
			attrs: { axis: { int: -1 }, epsilon: { float: eps } },
		}),
};

const frozenRmsNormOp: Op<{ readonly eps: number }> = {
	infer: (inputs) => inferNorm(inputs, 2),
	gradient: FORWARD_ONLY,
	emit: (onnx, site, { eps }) =>
		onnx.node("SimplifiedLayerNormalization", site.inputs, [site.output], {
			attrs: { axis: { int: -1 }, epsilon: { float: eps }, stash_type: { int: 1 } },
		}),
};

/** Neural-network rows by op name. */
export const NN = {
	softmax: softmaxOp,
	rope: ropeOp,
	frozenLayerNorm: frozenLayerNormOp,
	frozenRmsNorm: frozenRmsNormOp,
} as const;
