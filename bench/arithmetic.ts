// What benchmarks of graphs share: how much arithmetic a graph is, feeds of the right shapes, and the matrix product that
// the machine is measured by.
import { float32Array, type NamedArrays, type NdArray, ndArray, numElements, rng } from "@zk0/arrays";
import { createGraph, feedsOf, type Graph, linear, type Value } from "@zk0/autodiff";

const GEMM = { rows: 1024, inner: 768, columns: 3072, repeats: 4 };

/** Arithmetic of the matrix products of a graph, in GFLOP; a multiply-add counts as 2. */
export function gflopOf(graph: Graph): number {
	let flop = 0;
	for (const node of graph.nodes) {
		if (node.kind !== "op") continue;
		const [first] = node.inputs.map((id) => graph.nodes[id]);
		if (first === undefined) continue;
		if (node.op !== "matmul" && node.op !== "gemm") continue;
		const inner = first.shape.at(node.attrs["transA"] === true ? -2 : -1) ?? 0;
		flop += 2 * inner * numElements(node.shape);
	}
	return flop / 1e9;
}

/** Feeds of the right shapes; float32 normal deviates, integers small, the attention bias zero. */
export function randomFeeds(graph: Graph, skip: ReadonlySet<string> = new Set()): Map<string, NdArray> {
	const feeds = new Map<string, NdArray>();
	for (const [name, { dtype, shape }] of feedsOf(graph)) {
		if (skip.has(name)) continue;
		const stream = rng("bench", name);
		const length = numElements(shape);
		if (dtype === "int64") {
			const values = BigInt64Array.from({ length }, (_, index) => BigInt(index % 8));
			feeds.set(name, ndArray("int64", shape, values));
		} else {
			const scale = name.includes("bias") || name.includes("mask") ? 0 : 1;
			const values = Float32Array.from({ length }, () => scale * stream.normal());
			feeds.set(name, ndArray("float32", shape, values));
		}
	}
	return feeds;
}

/**
 * The matrix products whose rate stands for the machine: [1024, 768] by [3072, 768] transposed and back, four times in
 * one run, so that handing arrays to the runtime does not count. To be compiled with packed weights, its fastest form.
 */
export function gemmGraph(): { readonly graph: Graph; readonly feeds: NamedArrays } {
	const builder = createGraph();
	const stream = rng("bench", "gemm");
	const weight = (name: string, rows: number, columns: number): Value =>
		builder.initializer(
			name,
			float32Array(
				[rows, columns],
				Float32Array.from({ length: rows * columns }, () => stream.normal() / Math.sqrt(columns)),
			),
		);
	const [wide, narrow] = [
		weight("wide", GEMM.columns, GEMM.inner),
		weight("narrow", GEMM.inner, GEMM.columns),
	];
	let x = builder.input("x", "float32", [GEMM.rows, GEMM.inner]);
	for (let repeat = 0; repeat < GEMM.repeats; repeat++) x = linear(linear(x, wide), narrow);
	builder.output("y", x);
	const graph = builder.build();
	return { graph, feeds: randomFeeds(graph) };
}

/** The upper median. */
export function median(values: readonly number[]): number {
	return [...values].sort((a, b) => a - b)[values.length >> 1] ?? Number.NaN;
}

/** A number with so many digits behind the point. */
export function round(value: number, digits: number): number {
	return Number(value.toFixed(digits));
}
