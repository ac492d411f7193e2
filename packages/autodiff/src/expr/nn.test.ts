// Normalisations, attention and the simplifications of the expression functions.
import { describe, expect, test } from "vitest";
import { createGraph } from "../create-graph.ts";
import type { Graph, Value } from "../graph.ts";
import { gradientError, testRng, uniform, withGradients } from "../testing/gradient-check.ts";
import { evaluate, type Tensor } from "../testing/reference.ts";
import { add, geluTanh, mul, silu, square } from "./elementwise.ts";
import { matmul } from "./linalg.ts";
import { concat, expand, reshape, slice, split, transpose } from "./movement.ts";
import { attention, frozenLayerNorm, frozenRmsNorm, layerNorm, repeatHeads, rmsNorm, softmax } from "./nn.ts";
import { reduceSum } from "./reduction.ts";

function declare(shapes: Readonly<Record<string, readonly number[]>>): {
	graph: ReturnType<typeof createGraph>;
	values: Map<string, Value>;
	at: (name: string) => Value;
	feeds: Map<string, Tensor>;
} {
	const graph = createGraph();
	const values = new Map<string, Value>();
	const feeds = new Map<string, Tensor>();
	for (const [name, shape] of Object.entries(shapes)) {
		values.set(name, graph.parameter(name, shape));
		feeds.set(name, uniform(testRng(name), shape));
	}
	const at = (name: string): Value => {
		const value = values.get(name);
		if (value === undefined) throw new RangeError(name);
		return value;
	};
	return { graph, values, at, feeds };
}

/** Largest difference between two outputs of the same shape. */
function distance(graph: Graph, feeds: ReadonlyMap<string, Tensor>, a: string, b: string): number {
	const outputs = evaluate(graph, feeds);
	const right = outputs.get(b)?.data ?? [];
	const differences = Array.from(
		outputs.get(a)?.data ?? [],
		(value, index) => value - (right[index] ?? Number.NaN),
	);
	return differences.length === 0 ? Number.NaN : Math.max(...differences.map(Math.abs));
}

describe("normalisations", () => {
	test("layerNorm equals the fused kernel and has right gradients", () => {
		const { graph, values, at, feeds } = declare({ x: [2, 3, 4], w: [4], b: [4] });
		const y = layerNorm(at("x"), at("w"), at("b"), 1e-3);
		graph.output("y", y);
		graph.output("fused", frozenLayerNorm(at("x"), at("w"), at("b"), 1e-3));
		const built = withGradients(graph, reduceSum(mul(square(y), y)), values);
		expect(distance(built, feeds, "y", "fused")).toBeLessThan(1e-6);
		expect(gradientError(built, feeds)).toBeLessThan(1e-5);
	});

	test("rmsNorm equals the fused kernel and has right gradients", () => {
		const { graph, values, at, feeds } = declare({ x: [2, 3, 4], w: [4] });
		const y = rmsNorm(at("x"), at("w"), 1e-3);
		graph.output("y", y);
		graph.output("fused", frozenRmsNorm(at("x"), at("w"), 1e-3));
		const built = withGradients(graph, reduceSum(mul(square(y), y)), values);
		expect(distance(built, feeds, "y", "fused")).toBeLessThan(1e-6);
		expect(gradientError(built, feeds)).toBeLessThan(1e-5);
	});
});

describe("attention", () => {
	const shapes = { q: [2, 4, 3, 4], k: [2, 2, 5, 4], v: [2, 2, 5, 3], mask: [2, 1, 3, 5] };

	test("grouped queries equal repeated keys and values, with right gradients", () => {
		const { graph, values, at, feeds } = declare(shapes);
		const y = attention(at("q"), at("k"), at("v"), { mask: at("mask") });
		const scores = matmul(at("q"), repeatHeads(at("k"), 2), { transB: true, alpha: 0.5 });
		graph.output("y", y);
		graph.output("plain", matmul(softmax(add(scores, at("mask"))), repeatHeads(at("v"), 2)));
		const built = withGradients(graph, reduceSum(square(y)), values);
		expect(y.shape).toEqual([2, 4, 3, 3]);
		expect(distance(built, feeds, "y", "plain")).toBeLessThan(1e-6);
		expect(gradientError(built, feeds)).toBeLessThan(1e-5);
	});

	test("repeatHeads has right gradients", () => {
		const { graph, values, at, feeds } = declare({ k: [1, 2, 2, 2] });
		const weights = uniform(testRng("w"), [1, 6, 2, 2]);
		const w = graph.constant({
			dtype: "float32",
			shape: [1, 6, 2, 2],
			data: Float32Array.from(weights.data),
		});
		expect(
			gradientError(withGradients(graph, reduceSum(mul(repeatHeads(at("k"), 3), w)), values), feeds),
		).toBeLessThan(1e-6);
	});
});

describe("known values", () => {
	test("of PyTorch's documentation formulas", () => {
		const graph = createGraph();
		const x = graph.input("x", "float32", [1]);
		graph.output("silu", silu(x));
		graph.output("gelu", geluTanh(x));
		const outputs = evaluate(graph.build(), new Map([["x", { shape: [1], data: Float64Array.of(1) }]]));
		expect(outputs.get("silu")?.data[0]).toBeCloseTo(0.7310585786, 9);
		expect(outputs.get("gelu")?.data[0]).toBeCloseTo(0.8411919906, 9);
	});
});

describe("simplifications", () => {
	const graph = createGraph();
	const x = graph.input("x", "float32", [2, 6]);

	test("no-ops return their operand", () => {
		expect(reshape(x, [2, -1])).toBe(x);
		expect(transpose(x, [0, 1])).toBe(x);
		expect(slice(x, { axis: 1, start: 0, end: 6 })).toBe(x);
		expect(concat([x], 0)).toBe(x);
		expect(expand(x, [2, 6])).toBe(x);
		expect(mul(x, 1)).toBe(x);
		expect(mul(1, x)).toBe(x);
	});

	test("chains collapse", () => {
		expect(reshape(reshape(x, [3, 4]), [2, 6])).toBe(x);
		expect(transpose(transpose(x, [1, 0]), [1, 0])).toBe(x);
		const chained = reshape(reshape(x, [3, 4]), [12]);
		expect(graph.inputsOf(chained)).toEqual([x]);
	});

	test("equal expressions and constants are one value", () => {
		expect(add(x, 2)).toBe(add(x, 2));
		expect(add(x, 2)).not.toBe(add(x, 3));
		expect(split(x, [2, 4], 1)[0]).toBe(slice(x, { axis: 1, start: 0, end: 2 }));
	});
});
