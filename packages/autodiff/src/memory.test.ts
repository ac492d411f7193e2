import { float32Array } from "@zk0/arrays";
import { expect, test } from "vitest";
import { createGraph } from "./create-graph.ts";
import { exp, neg } from "./expr/elementwise.ts";
import { linear } from "./expr/linalg.ts";
import { reshape } from "./expr/movement.ts";
import { reduceSum } from "./expr/reduction.ts";
import { graphMemory } from "./memory.ts";

test("values live from their making to their last use; views, feeds and outputs cost nothing", () => {
	const graph = createGraph();
	const x = graph.input("x", "float32", [100]);
	const first = exp(x); // 400 bytes, used by the last op
	const chain = neg(reshape(neg(first), [10, 10])); // 400, freed at once, and 400
	graph.output("y", reduceSum(exp(reshape(chain, [100])), { axes: [0] })); // 400
	graph.output("sum", reduceSum(first, { axes: [0] }));
	expect(graphMemory(graph.build()).peakValueBytes).toBe(1200);
});

test("a file's regions are told apart, and embedded arrays counted", () => {
	const graph = createGraph();
	const region = (name: string, offsetBytes: number) =>
		graph.externalInitializer(name, {
			dtype: "float32",
			shape: [4, 4],
			path: "/weights",
			offsetBytes,
			sizeBytes: 64,
		});
	const x = graph.input("x", "float32", [1, 4]);
	const y = linear(linear(x, region("a", 0)), region("b", 64));
	graph.output("y", linear(y, graph.initializer("c", float32Array([1, 4], [1, 2, 3, 4]))));
	const { regions, embeddedBytes } = graphMemory(graph.build());
	expect([...regions]).toEqual([
		["/weights:0", 64],
		["/weights:64", 64],
	]);
	expect(embeddedBytes).toBe(16);
});

test("training needs more than twice the values for twice the batch's rows, and is an upper bound of what it holds", () => {
	const peakOf = (rows: number): number => {
		const graph = createGraph();
		const weight = graph.parameter("w", [64, 64]);
		let value = graph.input("x", "float32", [rows, 64]);
		for (let layer = 0; layer < 5; layer++) value = exp(linear(value, weight));
		const loss = reduceSum(value, { axes: [0, 1] });
		graph.output("loss", loss);
		for (const gradient of graph.gradients(loss, [weight])) graph.output("grad:w", gradient);
		return graphMemory(graph.build()).peakValueBytes;
	};
	// Five layers' activations must be held for the way back.
	expect(peakOf(32)).toBeGreaterThanOrEqual(5 * 32 * 64 * 4);
	expect(peakOf(64)).toBeGreaterThan(1.5 * peakOf(32));
});
