// Compares gradients of a graph with central differences, both in float64 through the reference interpreter.
import { type Rng, rng } from "@zk0/arrays";
import type { Graph, GraphBuilder, Value } from "../graph.ts";
import { evaluate, type Tensor } from "./reference.ts";

const STEP = 1e-5;

/** Uniform values in [low, high). */
export function uniform(random: Rng, shape: readonly number[], low = -1, high = 1): Tensor {
	const length = shape.reduce((product, dim) => product * dim, 1);
	return {
		shape,
		data: Float64Array.from({ length }, () => Math.fround(low + (high - low) * random.uniform())),
	};
}

/** Declares "loss" and "grad:<name>" for each of `wrt` and builds. */
export function withGradients(graph: GraphBuilder, loss: Value, wrt: ReadonlyMap<string, Value>): Graph {
	graph.output("loss", loss);
	const gradients = graph.gradients(loss, [...wrt.values()]);
	[...wrt.keys()].forEach((name, index) => {
		const gradient = gradients[index];
		if (gradient !== undefined) graph.output(`grad:${name}`, gradient);
	});
	return graph.build();
}

/**
 * Worst difference between any "grad:<name>" output and the central difference of "loss", relative to the largest
 * gradient of that tensor (at least 1).
 */
export function gradientError(graph: Graph, feeds: ReadonlyMap<string, Tensor>): number {
	let worst = 0;
	for (const [output, gradient] of evaluate(graph, feeds)) {
		if (!output.startsWith("grad:")) continue;
		const name = output.slice("grad:".length);
		const numeric = gradient.data.map((_, index) => slope(graph, feeds, name, index));
		const scale = Math.max(1, ...numeric.map(Math.abs));
		gradient.data.forEach((value, index) => {
			worst = Math.max(worst, Math.abs(value - (numeric[index] ?? Number.NaN)) / scale);
		});
	}
	return worst;
}

function slope(graph: Graph, feeds: ReadonlyMap<string, Tensor>, name: string, index: number): number {
	const lossAt = (delta: number): number => {
		const point = feeds.get(name);
		if (point === undefined) return Number.NaN;
		const data = point.data.with(index, (point.data[index] ?? 0) + delta);
		const moved = new Map([...feeds, [name, { ...point, data }]]);
		return evaluate(graph, moved).get("loss")?.data[0] ?? Number.NaN;
	};
	return (lossAt(STEP) - lossAt(-STEP)) / (2 * STEP);
}

/** A stream per test. */
export function testRng(...path: readonly (string | number)[]): Rng {
	return rng("autodiff-test", ...path);
}
