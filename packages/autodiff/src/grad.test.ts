// The reverse sweep: random graphs against central differences, pruning, sharing, and what it refuses.
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { createGraph } from "./create-graph.ts";
import {
	add,
	cos,
	geluTanh,
	maximum,
	mul,
	neg,
	sigmoid,
	silu,
	sin,
	square,
	sub,
	tanh,
} from "./expr/elementwise.ts";
import { linear, matmul } from "./expr/linalg.ts";
import { concat, expand, pad, reshape, slice, transpose } from "./expr/movement.ts";
import { frozenLayerNorm, layerNorm, rmsNorm, softmax } from "./expr/nn.ts";
import { reduceMean, reduceSum } from "./expr/reduction.ts";
import type { Graph, Value } from "./graph.ts";
import { gradientError, testRng, uniform, withGradients } from "./testing/gradient-check.ts";
import { evaluate, type Tensor } from "./testing/reference.ts";

/** Ops on matrices [2..3, 2..3] that keep values small; each takes two values of the pool. */
const MOVES: readonly ((a: Value, b: Value) => Value)[] = [
	(a, b) => add(a, b),
	(a, b) => sub(a, mul(b, 0.5)),
	(a, b) => tanh(mul(a, b)),
	(a) => sin(a),
	(a) => cos(a),
	(a) => neg(a),
	(a) => sigmoid(a),
	(a) => silu(a),
	(a) => geluTanh(a),
	(a) => tanh(square(a)),
	(a) => softmax(a),
	(a) => layerNorm(a, rowOf(a), rowOf(a), 0.1),
	(a) => rmsNorm(a, rowOf(a), 0.1),
	(a) => expand(reduceMean(a, { axes: [0], keepDims: true }), a.shape),
	(a) => mul(a, reduceSum(a, { axes: [1], keepDims: true })),
	(a) => tanh(add(a, reduceMean(a))),
	(a) => tanh(matmul(a, a, { transB: true, alpha: 0.5 })),
	(a) => tanh(matmul(a, a, { transA: true })),
	(a) => transpose(tanh(transpose(a, [1, 0])), [1, 0]),
	(a) => slice(concat([a, tanh(a)], 0), { axis: 0, start: 1, end: 1 + (a.shape[0] ?? 0) }),
	(a) => slice(pad(a, { axis: 1, before: 1, after: 0 }), { axis: 1, start: 0, end: a.shape[1] ?? 0 }),
	(a) => reshape(sin(reshape(a, [-1])), a.shape),
];

function rowOf(a: Value): Value {
	return reduceMean(a, { axes: [0] });
}

const programs = fc.array(fc.tuple(fc.nat(MOVES.length - 1), fc.nat(9), fc.nat(9)), {
	minLength: 1,
	maxLength: 9,
});

describe("random graphs", () => {
	test("gradients match central differences", () => {
		fc.assert(
			fc.property(programs, fc.nat(1000), (program, seed) => {
				const { graph, feeds } = interpretProgram(program, seed);
				expect(gradientError(graph, feeds)).toBeLessThan(1e-5);
			}),
			{ numRuns: 120, seed: 20 },
		);
	});
});

/** Runs each step on a pool of square matrices; the loss is the mean over the pool. */
function interpretProgram(
	program: readonly (readonly [number, number, number])[],
	seed: number,
): { graph: Graph; feeds: Map<string, Tensor> } {
	const random = testRng("random graph", seed);
	const graph = createGraph();
	const parameters = new Map(["p", "q", "r"].map((name) => [name, graph.parameter(name, [3, 3])]));
	const feeds = new Map([...parameters.keys()].map((name) => [name, uniform(random, [3, 3])]));
	const pool = [...parameters.values()];
	for (const [move, first, second] of program) {
		const [a, b] = [pool[first % pool.length], pool[second % pool.length]];
		const make = MOVES[move];
		if (a !== undefined && b !== undefined && make !== undefined) pool.push(make(a, b));
	}
	const loss = pool.slice(3).reduce((sum, value) => add(sum, reduceMean(square(value))), graph.constant(0));
	return { graph: withGradients(graph, loss, parameters), feeds };
}

function opsOf(graph: Graph): string[] {
	return graph.nodes.flatMap((node) => (node.kind === "op" ? [node.op] : []));
}

describe("what the sweep builds", () => {
	test("nothing for frozen branches", () => {
		const graph = createGraph();
		const x = graph.input("x", "float32", [4, 3]);
		const frozen = graph.parameter("frozen", [3, 3]);
		const trained = graph.parameter("trained", [2, 3]);
		const features = tanh(linear(x, frozen));
		const built = withGradients(
			graph,
			reduceMean(square(linear(features, trained))),
			new Map([["trained", trained]]),
		);
		// Forward: two Gemm; backward: the weight gradient only.
		expect(opsOf(built).filter((op) => op === "gemm")).toHaveLength(3);
		expect(opsOf(built).filter((op) => op === "tanh")).toHaveLength(1);
	});

	test("projections that share an input add their gradients inside Gemm", () => {
		const graph = createGraph();
		const x = graph.parameter("x", [4, 3]);
		const weights = ["q", "k", "v"].map((name) => graph.parameter(name, [3, 3]));
		const sum = weights.map((weight) => square(linear(x, weight))).reduce((a, b) => mul(a, b));
		const built = withGradients(graph, reduceMean(sum), new Map([["x", x]]));
		const withAddend = built.nodes.filter(
			(node) => node.kind === "op" && node.op === "gemm" && node.inputs.length === 3,
		);
		expect(withAddend).toHaveLength(2);
		expect(opsOf(built)).not.toContain("add");
		const random = testRng("shared input");
		expect(
			gradientError(
				built,
				new Map([
					["x", uniform(random, [4, 3])],
					...["q", "k", "v"].map((name): [string, Tensor] => [name, uniform(random, [3, 3])]),
				]),
			),
		).toBeLessThan(1e-6);
	});

	test("a gradient that is shared is not computed twice", () => {
		const graph = createGraph();
		const [x, w] = [graph.parameter("x", [3, 3]), graph.parameter("w", [3, 3])];
		const hidden = add(x, tanh(x));
		const projected = reduceMean(square(linear(hidden, w)));
		const loss = add(projected, reduceMean(square(x)));
		const built = withGradients(graph, loss, new Map([["x", x]]));
		expect(opsOf(built).filter((op) => op === "gemm")).toHaveLength(2);
		expect(
			gradientError(
				built,
				new Map([
					["x", uniform(testRng("x"), [3, 3])],
					["w", uniform(testRng("w"), [3, 3])],
				]),
			),
		).toBeLessThan(1e-6);
	});

	test("the gradient of a mean is not expanded before it is used", () => {
		const graph = createGraph();
		const x = graph.parameter("x", [8, 8]);
		const built = withGradients(graph, reduceMean(square(sub(x, 1))), new Map([["x", x]]));
		expect(opsOf(built)).not.toContain("expand");
	});

	test("zeros for a value that the loss does not depend on", () => {
		const graph = createGraph();
		const [x, unused] = [graph.parameter("x", [2]), graph.parameter("unused", [2, 2])];
		const built = withGradients(
			graph,
			reduceSum(x),
			new Map([
				["x", x],
				["unused", unused],
			]),
		);
		const feeds = new Map([
			["x", uniform(testRng("x"), [2])],
			["unused", uniform(testRng("u"), [2, 2])],
		]);
		expect([...(evaluate(built, feeds).get("grad:unused")?.data ?? [])]).toEqual([0, 0, 0, 0]);
		expect([...(evaluate(built, feeds).get("grad:x")?.data ?? [])]).toEqual([1, 1]);
	});

	test("gradients of intermediate values and of the loss itself", () => {
		const graph = createGraph();
		const x = graph.parameter("x", [3]);
		const squared = square(x);
		const loss = reduceSum(mul(squared, 3));
		const [gradSquared, gradLoss] = graph.gradients(loss, [squared, loss]);
		if (gradSquared === undefined || gradLoss === undefined) throw new TypeError("missing gradients");
		graph.output("squared", gradSquared);
		graph.output("loss", gradLoss);
		const outputs = evaluate(graph.build(), new Map([["x", uniform(testRng("x"), [3])]]));
		expect([...(outputs.get("squared")?.data ?? [])]).toEqual([3, 3, 3]);
		expect([...(outputs.get("loss")?.data ?? [])]).toEqual([1]);
	});

	test("ties of maximum give the whole gradient to the first operand", () => {
		const graph = createGraph();
		const [a, b] = [graph.parameter("a", [1]), graph.parameter("b", [1])];
		const built = withGradients(
			graph,
			reduceSum(maximum(a, b)),
			new Map([
				["a", a],
				["b", b],
			]),
		);
		const tie: Tensor = { shape: [1], data: Float64Array.of(0.5) };
		const outputs = evaluate(
			built,
			new Map([
				["a", tie],
				["b", tie],
			]),
		);
		expect([outputs.get("grad:a")?.data[0], outputs.get("grad:b")?.data[0]]).toEqual([1, 0]);
	});
});

describe("what the sweep refuses", () => {
	test("a loss that is no float32 scalar", () => {
		const graph = createGraph();
		const x = graph.parameter("x", [2]);
		expect(() => graph.gradients(x, [x])).toThrow(/must be a float32 scalar, got float32\[2\]/);
	});

	test("a gradient through a forward-only kernel, unless the branch is frozen", () => {
		const graph = createGraph();
		const [x, w, b] = [graph.parameter("x", [2, 3]), graph.parameter("w", [3]), graph.parameter("b", [3])];
		const loss = reduceMean(square(frozenLayerNorm(x, w, b, 1e-5)));
		expect(() => graph.gradients(loss, [x])).toThrow(
			/frozenLayerNorm: no gradient: the fused kernel is for frozen/,
		);
		const free = graph.parameter("free", []);
		expect(graph.gradients(mul(loss, free), [free])).toHaveLength(1);
	});

	test("values of another graph", () => {
		const graph = createGraph();
		const loss = reduceMean(graph.parameter("x", [2]));
		const foreign = createGraph().parameter("y", [2]);
		expect(() => graph.gradients(loss, [foreign])).toThrow(/belongs to another graph/);
		expect(() => add(loss, foreign)).toThrow(/belongs to another graph/);
	});
});
