// Compares gradients of a graph with central differences, both in float64 through the reference interpreter.
import { type Rng, rng } from "@zk0/arrays";
import { expect } from "vitest";
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

/** Expects every "grad:<name>" output to match central differences of "loss", relative to the largest gradient. */
export function expectGradients(graph: Graph, feeds: ReadonlyMap<string, Tensor>, tolerance = 1e-6): void {
	const outputs = evaluate(graph, feeds);
	for (const [output, gradient] of outputs) {
		if (!output.startsWith("grad:")) continue;
		const name = output.slice("grad:".length);
		const point = feeds.get(name);
		if (point === undefined) throw new RangeError(`no feed for ${output}`);
		const numeric = point.data.map((_, index) => slope(graph, feeds, name, index));
		const scale = Math.max(1, ...numeric.map(Math.abs));
		gradient.data.forEach((value, index) => {
			const error = Math.abs(value - (numeric[index] ?? Number.NaN)) / scale;
			expect(error, `${output}[${index}] is ${value}, central difference ${numeric[index]}`).toBeLessThan(
				tolerance,
			);
		});
	}
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
