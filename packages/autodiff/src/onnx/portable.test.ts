// Which ONNX operators the rows emit. tools/compare-devices.ts compared forward and backward of every op test row between
// the CPU and the WebGPU provider (ONNX Runtime 1.30, SwiftShader): equal to 2e-6, sine and cosine to 2e-4. A new operator
// must be compared too before it joins the list.
import { describe, expect, test } from "vitest";
import { createGraph } from "../create-graph.ts";
import { cast } from "../expr/elementwise.ts";
import { reduceSum } from "../expr/reduction.ts";
import type { Node, Value } from "../graph.ts";
import type { EmitTarget, Emitter } from "../op.ts";
import { OPS } from "../ops/table.ts";
import { operand } from "../shape.ts";
import { opRow } from "../spec.ts";
import { OP_CASES } from "../testing/op-cases.ts";

const COMPARED = new Set(
	`Abs Add Cast Concat Cos Div Equal Exp Expand FusedMatMul Gather Gelu Gemm LayerNormalization Less LessOrEqual Log
	MatMul Max Min Mul Neg Pad Reciprocal ReduceMean ReduceSum Reshape ScatterElements Sigmoid SimplifiedLayerNormalization
	Sin Slice Softmax Split Sqrt Sub Tanh Transpose Where`.split(/\s+/),
);
/** Of these only the first output is right on WebGPU. */
const FIRST_OUTPUT_ONLY = new Set(["LayerNormalization", "SimplifiedLayerNormalization", "Softmax"]);

interface Emitted {
	readonly type: string;
	readonly numOutputs: number;
}

function emittedBy(node: Node, nodes: readonly Node[], target: EmitTarget): Emitted[] {
	const emitted: Emitted[] = [];
	if (node.kind !== "op") return emitted;
	const onnx: Emitter = {
		target,
		node: (type, _inputs, outputs) => {
			emitted.push({ type, numOutputs: outputs.length });
		},
		fresh: () => "fresh",
		ints: () => "ints",
		scalar: () => "scalar",
	};
	const inputs = node.inputs.map(String);
	const inputTypes = node.inputs.map((id) => operand(nodes, id));
	opRow(OPS, node.op).emit(onnx, { inputs, inputTypes, output: "y", outputType: node }, node.attrs);
	return emitted;
}

/** Operators in forward and backward of every test row. */
function allEmitted(target: EmitTarget): Emitted[] {
	return OP_CASES.flatMap((row) => {
		const graph = createGraph();
		const wrt: Value[] = [];
		const values = row.operands.map(({ dtype, shape }, index) => {
			const value =
				dtype === "float32" ? graph.parameter(`x${index}`, shape) : graph.input(`x${index}`, dtype, shape);
			if (row.differentiable?.includes(index) ?? dtype === "float32") wrt.push(value);
			return value;
		});
		const loss = reduceSum(cast(row.build(...values), "float32"));
		graph.gradients(loss, wrt).forEach((gradient, index) => graph.output(`grad ${index}`, gradient));
		graph.output("loss", loss);
		const { nodes } = graph.build();
		return nodes.flatMap((node) => emittedBy(node, nodes, target));
	});
}

describe.each(["cpu", "gpu"] as const)("operators emitted for %s", (target) => {
	const emitted = allEmitted(target);

	test("were compared between providers", () => {
		const expected = new Set(COMPARED);
		// The WebGPU provider has none; the processor would compute it.
		if (target === "gpu") expected.delete("FusedMatMul");
		expect(new Set(emitted.map(({ type }) => type))).toEqual(expected);
	});

	test("use no statistics output of a fused kernel", () => {
		const wide = emitted.filter(({ type, numOutputs }) => FIRST_OUTPUT_ONLY.has(type) && numOutputs > 1);
		expect(wide).toEqual([]);
	});
});
