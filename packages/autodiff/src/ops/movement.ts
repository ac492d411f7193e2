// Rows of the ops that move elements. Their gradients move them back.
import { numElements, type Shape, sameShape } from "@zk0/arrays";
import { gather, pad, reshape, scatterAdd, slice, transpose } from "../expr/movement.ts";
import { sumTo } from "../expr/reduction.ts";
import type { TensorType } from "../graph.ts";
import type { Op } from "../op.ts";
import { broadcastShapes, dimAt, normalizeAxis, operand, showShape, withDim } from "../shape.ts";

function only(inputs: readonly TensorType[]): TensorType {
	if (inputs.length !== 1) throw new TypeError(`takes 1 operand, got ${inputs.length}`);
	return operand(inputs, 0);
}

const reshapeOp: Op<{ readonly shape: Shape }> = {
	backward: "with operand",
	infer: (inputs, { shape }) => {
		const { dtype, shape: from } = only(inputs);
		if (numElements(from) !== numElements(shape)) {
			throw new RangeError(`${numElements(from)} elements do not fill ${showShape(shape)}`);
		}
		return { dtype, shape };
	},
	gradient: (grad, _output, inputs) => [reshape(grad, operand(inputs, 0).shape)],
	emit: (onnx, site, { shape }) =>
		onnx.node("Reshape", [operand(site.inputs, 0), onnx.ints(shape)], [site.output]),
};

const transposeOp: Op<{ readonly perm: readonly number[] }> = {
	backward: "with operand",
	infer: (inputs, { perm }) => {
		const { dtype, shape } = only(inputs);
		const sorted = perm.toSorted((a, b) => a - b);
		if (perm.length !== shape.length || sorted.some((axis, index) => axis !== index)) {
			throw new RangeError(`perm ${showShape(perm)} is no permutation of ${shape.length} axes`);
		}
		return { dtype, shape: perm.map((axis) => dimAt(shape, axis)) };
	},
	gradient: (grad, _output, _inputs, { perm }) => [
		transpose(
			grad,
			perm.map((_, axis) => perm.indexOf(axis)),
		),
	],
	emit: (onnx, site, { perm }) =>
		onnx.node("Transpose", site.inputs, [site.output], { attrs: { perm: { ints: perm } } }),
};

const concatOp: Op<{ readonly axis: number }> = {
	backward: "again",
	infer: (inputs, { axis }) => {
		const { dtype, shape } = operand(inputs, 0);
		normalizeAxis(axis, shape.length);
		let size = 0;
		for (const input of inputs) {
			if (input.dtype !== dtype) throw new TypeError("expects operands of one dtype");
			size += dimAt(input.shape, axis);
			if (!sameShape(withDim(input.shape, axis, 0), withDim(shape, axis, 0))) {
				throw new RangeError(`operands differ outside axis ${axis}`);
			}
		}
		return { dtype, shape: withDim(shape, axis, size) };
	},
	gradient: (grad, _output, inputs, { axis }) => {
		let start = 0;
		return inputs.map((input) => {
			const size = dimAt(input.shape, axis);
			start += size;
			return slice(grad, { axis, start: start - size, end: start });
		});
	},
	emit: (onnx, site, { axis }) =>
		onnx.node("Concat", site.inputs, [site.output], { attrs: { axis: { int: axis } } }),
};

const sliceOp: Op<{ readonly axis: number; readonly start: number; readonly end: number }> = {
	infer: (inputs, { axis, start, end }) => {
		const { dtype, shape } = only(inputs);
		const size = dimAt(shape, normalizeAxis(axis, shape.length));
		if (!Number.isInteger(start) || !Number.isInteger(end) || start < 0 || end > size || start >= end) {
			throw new RangeError(`range ${start}..${end} is empty or outside axis ${axis} of length ${size}`);
		}
		return { dtype, shape: withDim(shape, axis, end - start) };
	},
	gradient: (grad, _output, inputs, { axis, start, end }) => {
		const size = dimAt(operand(inputs, 0).shape, axis);
		return [pad(grad, { axis, before: start, after: size - end })];
	},
	emit: (onnx, site, { axis, start, end }) =>
		onnx.node(
			"Slice",
			[operand(site.inputs, 0), onnx.ints([start]), onnx.ints([end]), onnx.ints([axis])],
			[site.output],
		),
};

const padOp: Op<{ readonly axis: number; readonly before: number; readonly after: number }> = {
	infer: (inputs, { axis, before, after }) => {
		const { dtype, shape } = only(inputs);
		const size = dimAt(shape, normalizeAxis(axis, shape.length));
		if (!Number.isInteger(before) || !Number.isInteger(after) || before < 0 || after < 0) {
			throw new RangeError(`amounts ${before} and ${after} are not counts`);
		}
		if (dtype !== "float32") throw new TypeError("expects float32");
		return { dtype, shape: withDim(shape, axis, before + size + after) };
	},
	gradient: (grad, _output, _inputs, { axis, before, after }) => [
		slice(grad, { axis, start: before, end: dimAt(grad.shape, axis) - after }),
	],
	emit: (onnx, site, { axis, before, after }) => {
		const amounts = [onnx.ints([before, after]), onnx.scalar(0), onnx.ints([axis])];
		onnx.node("Pad", [operand(site.inputs, 0), ...amounts], [site.output]);
	},
};

const expandOp: Op<{ readonly shape: Shape }> = {
	infer: (inputs, { shape }) => {
		const { dtype, shape: from } = only(inputs);
		if (!sameShape(broadcastShapes(from, shape), shape)) {
			throw new RangeError(`does not broadcast to ${showShape(shape)}`);
		}
		return { dtype, shape };
	},
	gradient: (grad, _output, inputs) => [sumTo(grad, operand(inputs, 0).shape)],
	emit: (onnx, site, { shape }) =>
		onnx.node("Expand", [operand(site.inputs, 0), onnx.ints(shape)], [site.output]),
};

function checkIndices(indices: TensorType): void {
	if (indices.dtype !== "int64" && indices.dtype !== "int32")
		throw new TypeError("expects int32 or int64 indices");
}

const gatherOp: Op<{ readonly axis: number }> = {
	infer: (inputs, { axis }) => {
		const [table, indices] = [operand(inputs, 0), operand(inputs, 1)];
		checkIndices(indices);
		normalizeAxis(axis, table.shape.length);
		return { dtype: table.dtype, shape: table.shape.toSpliced(axis, 1, ...indices.shape) };
	},
	gradient: (grad, _output, inputs, { axis }) => {
		const [table, indices] = [operand(inputs, 0), operand(inputs, 1)];
		const rank = grad.shape.length;
		const picked = Array.from({ length: indices.shape.length }, (_, index) => axis + index);
		const rest = Array.from({ length: rank }, (_, index) => index).filter((index) => !picked.includes(index));
		const summed = scatterAdd(indices, transpose(grad, [...picked, ...rest]), dimAt(table.shape, axis));
		const order = Array.from({ length: table.shape.length }, (_, index) => index);
		return [
			transpose(
				summed,
				order.map((index) => (index === axis ? 0 : index < axis ? index + 1 : index)),
			),
			null,
		];
	},
	emit: (onnx, site, { axis }) =>
		onnx.node("Gather", site.inputs, [site.output], { attrs: { axis: { int: axis } } }),
};

/**
 * Operands: indices [I...], updates [I..., R...]; output [rows, R...].
 * ScatterElements and not ScatterND: the CPU kernel of the latter adds in an order that depends on thread timing
 * (measured with ONNX Runtime 1.30 and 2 threads).
 */
const scatterAddOp: Op<{ readonly rows: number }> = {
	infer: (inputs, { rows }) => {
		const [indices, updates] = [operand(inputs, 0), operand(inputs, 1)];
		checkIndices(indices);
		if (updates.dtype !== "float32") throw new TypeError("expects float32 updates");
		if (!sameShape(updates.shape.slice(0, indices.shape.length), indices.shape)) {
			throw new RangeError("the leading axes of the updates differ from the indices");
		}
		return { dtype: "float32", shape: [rows, ...updates.shape.slice(indices.shape.length)] };
	},
	gradient: (grad, _output, inputs) => [null, gather(grad, operand(inputs, 0))],
	emit: (onnx, site, { rows }) => {
		const [indices, updates] = [operand(site.inputs, 0), operand(site.inputs, 1)];
		const [flat, column, wide, zeros, sum] = [
			onnx.fresh(),
			onnx.fresh(),
			onnx.fresh(),
			onnx.fresh(),
			onnx.fresh(),
		];
		const rest = numElements(site.outputType.shape.slice(1));
		onnx.node("Reshape", [updates, onnx.ints([-1, rest])], [flat]); // [I, R]
		onnx.node("Reshape", [indices, onnx.ints([-1, 1])], [column]);
		onnx.node("Expand", [column, onnx.ints([1, rest])], [wide]); // [I, R]
		onnx.node("Expand", [onnx.scalar(0), onnx.ints([rows, rest])], [zeros]);
		onnx.node("ScatterElements", [zeros, wide, flat], [sum], {
			attrs: { axis: { int: 0 }, reduction: { string: "add" } },
		});
		onnx.node("Reshape", [sum, onnx.ints(site.outputType.shape)], [site.output]);
	},
};

/** Movement rows by op name. */
export const MOVEMENT = {
	reshape: reshapeOp,
	transpose: transposeOp,
	concat: concatOp,
	slice: sliceOp,
	pad: padOp,
	expand: expandOp,
	gather: gatherOp,
	scatterAdd: scatterAddOp,
} as const;
