// Benchmark `step`: one training step of a preset by stage, on random weights and feeds, and its useful arithmetic
// against a GEMM measured in the same run. Medians of interleaved repeats; `noise` is (max - min) / median of the GEMM.
import { type NamedArrays, type NdArray, ndArray, numElements, rng } from "@zk0/arrays";
import { createGraph, feedsOf, type Graph, linear } from "@zk0/autodiff";
import { createOrtRuntime } from "@zk0/autodiff/node";
import {
	buildLossGraph,
	buildTrainGraph,
	initWeights,
	memoryTensors,
	type PolicyModel,
	smallPreset,
} from "@zk0/policy";

const NUM_REPEATS = 9;
const GEMM = { rows: 1024, inner: 768, columns: 3072 };

/** Milliseconds and arithmetic of one stage. */
interface StageFigure {
	readonly stage: string;
	readonly ms: number;
	/** Multiply-adds of matrix products count as 2. */
	readonly gflop: number;
	readonly gflops: number;
}

/** Arithmetic of the matrix products of a graph, in GFLOP. */
function gflopOf(graph: Graph): number {
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
function randomFeeds(graph: Graph, skip: ReadonlySet<string> = new Set()): NamedArrays {
	const feeds = new Map<string, NdArray>();
	for (const [name, { dtype, shape }] of feedsOf(graph)) {
		if (skip.has(name)) continue;
		const stream = rng("bench", name);
		const length = numElements(shape);
		if (dtype === "int64") {
			feeds.set(
				name,
				ndArray(
					"int64",
					shape,
					BigInt64Array.from({ length }, (_, index) => BigInt(index % 8)),
				),
			);
		} else {
			const scale = name.includes("bias") || name.includes("mask") ? 0 : 1;
			feeds.set(
				name,
				ndArray(
					"float32",
					shape,
					Float32Array.from({ length }, () => scale * stream.normal()),
				),
			);
		}
	}
	return feeds;
}

function median(values: readonly number[]): number {
	return [...values].sort((a, b) => a - b)[values.length >> 1] ?? Number.NaN;
}

function gemmGraph(): Graph {
	const graph = createGraph();
	const x = graph.input("x", "float32", [GEMM.rows, GEMM.inner]);
	graph.output("y", linear(x, graph.input("w", "float32", [GEMM.columns, GEMM.inner])));
	return graph.build();
}

/** Runs the benchmark. */
export async function runStepBench({ preset = "small", batchSize = 16, threads = 2 } = {}): Promise<{
	preset: string;
	batchSize: number;
	threads: number;
	gemmGflops: number;
	gemmNoise: number;
	stages: StageFigure[];
	utilization: number;
}> {
	if (preset !== "small") throw new RangeError(`step: preset ${preset} has no benchmark yet; use small`);
	const { config, vlm } = smallPreset();
	const model: PolicyModel = {
		config,
		vlm,
		tensors: memoryTensors(initWeights(config, vlm, 1)),
		imageTokens: { fake: 1, global: 2 },
	};
	await using runtime = await createOrtRuntime({ threads });
	const gemm = gemmGraph();
	const train = buildTrainGraph(model, { batchSize });
	const cachedTrain = buildTrainGraph(model, { batchSize, from: "prefixKv" });
	const forward = buildLossGraph(model, { batchSize, parameters: true });
	const optimizer = { adamw: { beta1: 0.9, beta2: 0.95, eps: 1e-8, weightDecay: 1e-10 }, clipNorm: 10 };
	await using gemmSession = await runtime.compile(gemm);
	await using trainer = await runtime.createTrainer({
		trainGraph: train,
		evalGraphs: { forward },
		...optimizer,
	});
	await using cachedTrainer = await runtime.createTrainer({ trainGraph: cachedTrain, ...optimizer });
	const names = new Set(trainer.parameterNames);
	const parameters = new Map([...names].map((name) => [name, model.tensors.read(name)]));
	await trainer.loadParameters(parameters);
	await cachedTrainer.loadParameters(parameters);
	const gemmFeeds = randomFeeds(gemm);
	const trainFeeds = randomFeeds(train, names);
	const forwardFeeds = randomFeeds(forward, names);
	const cachedFeeds = randomFeeds(cachedTrain, names);
	const runs: Readonly<Record<string, { readonly gflop: number; readonly run: () => Promise<unknown> }>> = {
		gemm: { gflop: gflopOf(gemm), run: () => gemmSession.run(gemmFeeds) },
		"forward, from pixels": { gflop: gflopOf(forward), run: () => trainer.evaluate("forward", forwardFeeds) },
		"step, from pixels": { gflop: gflopOf(train), run: () => trainer.step(trainFeeds, { learningRate: 0 }) },
		"step, prefix given": {
			gflop: gflopOf(cachedTrain),
			run: () => cachedTrainer.step(cachedFeeds, { learningRate: 0 }),
		},
	};
	const times = new Map(Object.keys(runs).map((stage) => [stage, [] as number[]]));
	for (let repeat = -2; repeat < NUM_REPEATS; repeat++) {
		for (const [stage, { run }] of Object.entries(runs)) {
			const startMs = performance.now();
			await run();
			if (repeat >= 0) times.get(stage)?.push(performance.now() - startMs);
		}
	}
	const stages = Object.entries(runs).map(([stage, { gflop }]): StageFigure => {
		const ms = median(times.get(stage) ?? []);
		return { stage, ms: round(ms, 2), gflop: round(gflop, 4), gflops: round(gflop / (ms / 1000), 1) };
	});
	const gemmMs = times.get("gemm") ?? [];
	const gemmGflops = stages[0]?.gflops ?? Number.NaN;
	return {
		preset,
		batchSize,
		threads,
		gemmGflops,
		gemmNoise: round((Math.max(...gemmMs) - Math.min(...gemmMs)) / median(gemmMs), 2),
		stages: stages.slice(1),
		utilization: round((stages.at(-1)?.gflops ?? Number.NaN) / gemmGflops, 2),
	};
}

function round(value: number, digits: number): number {
	return Number(value.toFixed(digits));
}
