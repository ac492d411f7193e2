// Every op: shape inference, forward values on ONNX Runtime against the float64 reference, gradients against central
// differences in float64, and the gradients as ONNX Runtime computes them.
import { type NdArray, ndArray } from "@zk0/arrays";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { createGraph } from "./create-graph.ts";
import { cast, mul } from "./expr/elementwise.ts";
import { reduceSum } from "./expr/reduction.ts";
import type { Graph, Value } from "./graph.ts";
import { createOrtRuntime, type OrtRuntime } from "./node.ts";
import { OPS } from "./ops/table.ts";
import { gradientError, testRng, uniform, withGradients } from "./testing/gradient-check.ts";
import { OP_CASES, type OpCase } from "./testing/op-cases.ts";
import { evaluate, type Tensor } from "./testing/reference.ts";

const titled = OP_CASES.map((row) => ({
	row,
	title: `${row.op}${row.variant === undefined ? "" : ` (${row.variant})`}`,
}));
let runtime: OrtRuntime;

beforeAll(async () => {
	runtime = await createOrtRuntime({ threads: 1 });
});
afterAll(async () => {
	await runtime[Symbol.asyncDispose]();
});

test("every op has a test row", () => {
	expect(new Set(OP_CASES.map((row) => row.op))).toEqual(new Set(Object.keys(OPS)));
});

describe.each(titled)("$title", ({ row, title }) => {
	const { graph, feeds } = prepare(row, title);

	test("infers the output's type and is in the graph", () => {
		const output = graph.nodes[graph.outputs.get("y") ?? -1];
		expect({ dtype: output?.dtype, shape: output?.shape }).toEqual(row.output);
		expect(graph.nodes.some((node) => node.kind === "op" && node.op === row.op)).toBe(true);
	});

	test("gradients match central differences", () => {
		expect(gradientError(graph, feeds)).toBeLessThan(1e-6);
	});

	test("ONNX Runtime agrees with the reference", async () => {
		await using session = await runtime.compile(graph);
		const expected = evaluate(graph, feeds);
		const outputs = await session.run(
			new Map([...feeds].map(([name, tensor]) => [name, toArray(graph, name, tensor)])),
		);
		expect([...outputs.keys()]).toEqual([...expected.keys()]);
		for (const [name, { data }] of expected) {
			const scale = Math.max(1, ...data.map(Math.abs));
			const got = Array.from(outputs.get(name)?.data ?? [], Number);
			got.forEach((value, index) => {
				expect(Math.abs(value - (data[index] ?? Number.NaN)) / scale, `${name}[${index}]`).toBeLessThan(3e-6);
			});
			expect(got).toHaveLength(data.length);
		}
	});
});

/** Output "y"; where a gradient is defined, also the loss sum(y * weights) and its gradients. */
function prepare(row: OpCase, title: string): { graph: Graph; feeds: Map<string, Tensor> } {
	const random = testRng(title);
	const graph = createGraph();
	const feeds = new Map<string, Tensor>();
	const wrt = new Map<string, Value>();
	const values = row.operands.map(({ dtype, shape, low, high }, index) => {
		const name = `x${index}`;
		const tensor = uniform(random, shape, low, high);
		feeds.set(name, dtype === "float32" ? tensor : { shape, data: tensor.data.map(Math.floor) });
		const isActive = row.differentiable?.includes(index) ?? dtype === "float32";
		const value = dtype === "float32" ? graph.parameter(name, shape) : graph.input(name, dtype, shape);
		if (isActive) wrt.set(name, value);
		return value;
	});
	const y = row.build(...values);
	graph.output("y", y);
	const weights = uniform(random, y.shape, 0.5, 1.5);
	const weighted = mul(
		cast(y, "float32"),
		graph.constant(ndArray("float32", y.shape, Float32Array.from(weights.data))),
	);
	return { graph: withGradients(graph, reduceSum(weighted), wrt), feeds };
}

function toArray(graph: Graph, name: string, { shape, data }: Tensor): NdArray {
	const node = graph.nodes.find((candidate) => "name" in candidate && candidate.name === name);
	if (node?.dtype === "int64") return ndArray("int64", shape, BigInt64Array.from(data, BigInt));
	if (node?.dtype === "bool") return ndArray("bool", shape, Uint8Array.from(data));
	return ndArray("float32", shape, Float32Array.from(data));
}
