// Benchmark `step` of the small preset: one training step by stage, on random weights and feeds, and its useful arithmetic
// against a GEMM measured in the same run. Medians of interleaved repeats; `noise` is (max - min) / median of the GEMM.
import { createOrtRuntime } from "@zk0/autodiff/node";
import {
	buildLossGraph,
	buildTrainGraph,
	initWeights,
	memoryTensors,
	type PolicyModel,
	smallPreset,
} from "@zk0/policy";
import { gemmGraph, gflopOf, median, randomFeeds, round } from "./arithmetic.ts";

const NUM_REPEATS = 9;

/** Milliseconds and arithmetic of one stage. */
interface StageFigure {
	readonly stage: string;
	readonly ms: number;
	/** Multiply-adds of matrix products count as 2. */
	readonly gflop: number;
	readonly gflops: number;
}

/** Runs the benchmark of the small preset. */
export async function runSmallStepBench({ batchSize = 16, threads = 2 } = {}): Promise<{
	preset: string;
	batchSize: number;
	threads: number;
	gemmGflops: number;
	gemmNoise: number;
	stages: StageFigure[];
	utilization: number;
}> {
	const { config, vlm } = smallPreset();
	const model: PolicyModel = {
		config,
		vlm,
		tensors: memoryTensors(initWeights(config, vlm, 1)),
		imageTokens: { fake: 1, global: 2 },
	};
	await using runtime = await createOrtRuntime({ threads });
	const { graph: gemm, feeds: gemmFeeds } = gemmGraph();
	const train = buildTrainGraph(model, { batchSize });
	const cachedTrain = buildTrainGraph(model, { batchSize, from: "prefixKv" });
	const forward = buildLossGraph(model, { batchSize, parameters: true });
	const optimizer = { adamw: { beta1: 0.9, beta2: 0.95, eps: 1e-8, weightDecay: 1e-10 }, clipNorm: 10 };
	await using gemmSession = await runtime.compile(gemm, { packWeights: true });
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
		preset: "small",
		batchSize,
		threads,
		gemmGflops,
		gemmNoise: round((Math.max(...gemmMs) - Math.min(...gemmMs)) / median(gemmMs), 2),
		stages: stages.slice(1),
		utilization: round((stages.at(-1)?.gflops ?? Number.NaN) / gemmGflops, 2),
	};
}
