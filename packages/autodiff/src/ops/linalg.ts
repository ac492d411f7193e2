// Rows of the matrix products. With A' and B' the operands as the flags leave them, C = alpha A' B':
// dA' = alpha dC B'^T and dB' = alpha A'^T dC, written with flags so that nothing is transposed in memory.
import type { Shape } from "@zk0/arrays";
import { type MatmulOptions, matmul } from "../expr/linalg.ts";
import { sumTo } from "../expr/reduction.ts";
import type { TensorType, Value } from "../graph.ts";
import type { EmitSite, Emitter, OnnxAttribute, Op } from "../op.ts";
import { broadcastShapes, demand, dimAt, operand } from "../shape.ts";

type MatmulAttrs = { readonly transA: boolean; readonly transB: boolean; readonly alpha: number };

function productShape(a: TensorType, b: TensorType, { transA, transB }: MatmulAttrs): Shape {
	if (a.shape.length < 2 || b.shape.length < 2) throw new RangeError("operands must have at least 2 axes");
	const [m, k] = transA ? [dimAt(a.shape, -1), dimAt(a.shape, -2)] : [dimAt(a.shape, -2), dimAt(a.shape, -1)];
	const [inner, n] = transB
		? [dimAt(b.shape, -1), dimAt(b.shape, -2)]
		: [dimAt(b.shape, -2), dimAt(b.shape, -1)];
	if (k !== inner) {
		throw new RangeError(`inner dimensions differ: ${k} and ${inner} (transA ${transA}, transB ${transB})`);
	}
	return [...broadcastShapes(a.shape.slice(0, -2), b.shape.slice(0, -2)), m, n];
}

function productGradients(
	grad: Value,
	a: Value,
	b: Value,
	{ transA, transB, alpha }: MatmulAttrs,
): readonly [Value, Value] {
	const times = (x: Value, y: Value, flags: MatmulOptions): Value => matmul(x, y, { ...flags, alpha });
	const gradA = transA
		? times(b, grad, { transA: transB, transB: true })
		: times(grad, b, { transA: false, transB: !transB });
	const gradB = transB
		? times(grad, a, { transA: true, transB: transA })
		: times(a, grad, { transA: !transA, transB: false });
	return [sumTo(gradA, a.shape), sumTo(gradB, b.shape)];
}

function flagAttrs({ transA, transB, alpha }: MatmulAttrs): Record<string, OnnxAttribute> {
	return {
		transA: { int: transA ? 1 : 0 },
		transB: { int: transB ? 1 : 0 },
		alpha: { float: alpha },
	};
}

/** Batched product; FusedMatMul of the com.microsoft domain takes the flags that MatMul lacks. */
const matmulOp: Op<MatmulAttrs> = {
	infer: (inputs, attrs) => ({
		dtype: demand(inputs, 2),
		shape: productShape(operand(inputs, 0), operand(inputs, 1), attrs),
	}),
	gradient: (grad, _output, inputs, attrs) =>
		productGradients(grad, operand(inputs, 0), operand(inputs, 1), attrs),
	emit: (onnx, site, attrs) => {
		if (!attrs.transA && !attrs.transB && attrs.alpha === 1) {
			onnx.node("MatMul", site.inputs, [site.output]);
			return;
		}
		if (onnx.target === "gpu") {
			emitUnfused(onnx, site, attrs);
			return;
		}
		onnx.node("FusedMatMul", site.inputs, [site.output], {
			attrs: flagAttrs(attrs),
			domain: "com.microsoft",
		});
	},
};

/** Product of two matrices plus an optional third operand that broadcasts to it. */
const gemmOp: Op<MatmulAttrs> = {
	infer: (inputs, attrs) => {
		const dtype = demand(inputs, [2, 3]);
		const [a, b] = [operand(inputs, 0), operand(inputs, 1)];
		const shape = productShape(a, b, attrs);
		if (shape.length !== 2) throw new RangeError("operands must be matrices");
		const addend = inputs[2];
		if (
			addend !== undefined &&
			broadcastShapes(shape, addend.shape).some((dim, axis) => dim !== shape[axis])
		) {
			throw new RangeError(`the addend does not broadcast to [${shape.join(",")}]`);
		}
		return { dtype, shape };
	},
	gradient: (grad, _output, inputs, attrs) => {
		const gradients = productGradients(grad, operand(inputs, 0), operand(inputs, 1), attrs);
		const addend = inputs[2];
		return addend === undefined ? gradients : [...gradients, sumTo(grad, addend.shape)];
	},
	emit: (onnx, site, attrs) => {
		const isTransposed = isSplitByColumns(site, attrs) || readsWideWeight(site, attrs);
		if (onnx.target === "cpu" && isTransposed) emitTransposed(onnx, site, attrs);
		else onnx.node("Gemm", site.inputs, [site.output], { attrs: flagAttrs(attrs) });
	},
};

/** Longest sum that the CPU kernel never cuts into blocks. */
const MAX_UNCUT_INNER = 128;
/** A product this narrow may give each of up to 8 threads 64 columns or fewer, where the cut begins to move. */
const MAX_NARROW_COLUMNS = 512;

/**
 * ONNX Runtime's CPU kernel gives threads ranges of columns when a product has more columns than rows, and cuts the
 * inner dimension into longer blocks for 64 columns or fewer: the rounding would depend on the number of threads
 * (measured: 64x144 by 144x72, one thread against two).
 */
function isSplitByColumns(
	{ inputTypes, outputType }: EmitSite,
	{ transA }: Pick<MatmulAttrs, "transA">,
): boolean {
	const [rows = 0, columns = 0] = outputType.shape;
	const inner = dimAt(operand(inputTypes, 0).shape, transA ? -2 : -1);
	return columns > rows && inner > MAX_UNCUT_INNER && columns <= MAX_NARROW_COLUMNS;
}

/** Fewest and most rows for which reading the weight once in place beats packing it. */
const FEW_ROWS = [2, 16] as const;

/**
 * A linear layer on few rows: the kernel would copy the whole weight into panels for a handful of multiplications per
 * number. Transposed it reads the weight where it lies. One row has a kernel of its own.
 */
function readsWideWeight(
	{ inputTypes, outputType }: EmitSite,
	{ transA, transB }: Pick<MatmulAttrs, "transA" | "transB">,
): boolean {
	const [rows = 0, columns = 0] = outputType.shape;
	const [fewest, most] = FEW_ROWS;
	const inner = dimAt(operand(inputTypes, 0).shape, -1);
	return (
		transB &&
		!transA &&
		rows >= fewest &&
		rows <= most &&
		columns > MAX_NARROW_COLUMNS &&
		inner > MAX_UNCUT_INNER
	);
}

/**
 * C = (B'^T A'^T)^T + addend: the threads then share rows, which never changes a sum. The transpose has a third axis
 * because ONNX Runtime would otherwise fuse it into the product and undo the swap.
 */
function emitTransposed(onnx: Emitter, { inputs, output, outputType }: EmitSite, attrs: MatmulAttrs): void {
	const [a = "", b = "", addend] = inputs;
	const [rows = 0, columns = 0] = outputType.shape;
	const flags = { transA: !attrs.transB, transB: !attrs.transA, alpha: attrs.alpha };
	const [product, lifted, turned] = [onnx.fresh(), onnx.fresh(), onnx.fresh()];
	onnx.node("Gemm", [b, a], [product], { attrs: flagAttrs(flags) });
	onnx.node("Reshape", [product, onnx.ints([columns, rows, 1])], [lifted]);
	onnx.node("Transpose", [lifted], [turned], { attrs: { perm: { ints: [1, 0, 2] } } });
	const flat = addend === undefined ? output : onnx.fresh();
	onnx.node("Reshape", [turned, onnx.ints([rows, columns])], [flat]);
	if (addend !== undefined) onnx.node("Add", [flat, addend], [output]);
}

/** The WebGPU provider has no FusedMatMul: it would fetch the operands and compute on the processor. */
function emitUnfused(onnx: Emitter, { inputs, inputTypes, output }: EmitSite, attrs: MatmulAttrs): void {
	const turned = [attrs.transA, attrs.transB].map((turn, index) => {
		const input = operand(inputs, index);
		if (!turn) return input;
		const numAxes = operand(inputTypes, index).shape.length;
		const axes = Array.from({ length: numAxes }, (_, axis) => axis);
		const perm = [...axes.slice(0, -2), numAxes - 1, numAxes - 2];
		const name = onnx.fresh();
		onnx.node("Transpose", [input], [name], { attrs: { perm: { ints: perm } } });
		return name;
	});
	const product = attrs.alpha === 1 ? output : onnx.fresh();
	onnx.node("MatMul", turned, [product]);
	if (attrs.alpha !== 1) onnx.node("Mul", [product, onnx.scalar(attrs.alpha)], [output]);
}

/** Linear-algebra rows by op name. */
export const LINALG = { matmul: matmulOp, gemm: gemmOp } as const;
