// What computes: one runtime with the sessions and trainers of one policy, compiled when first needed and kept.
// Stages 1 and 2 of a frozen backbone always run one frame at a time, through the same two graphs; everything else
// starts from their keys and values. So training, evaluation and the command line see the same bits, whether a
// frame's keys and values came from a cache or not.
import type { NdArray } from "@zk0/arrays";
import { feedsOf, type Graph, type Runtime, type Trainer, type TrainerOptions } from "@zk0/autodiff";
import {
	type BatchContext,
	buildLossGraph,
	buildSamplerGraphs,
	buildTrainGraph,
	type Frame,
	hasFrozenPrefix,
	type PolicyModel,
	prepareObservations,
	type RunSamplerGraph,
	type SamplerGraphs,
} from "@zk0/policy";
import type { Learning } from "./learning.ts";
import { once } from "./once.ts";
import { createPrefixEncoder, type Observation, type ObserveOptions } from "./prefix-cache/encoder.ts";
import type { PrefixCache } from "./prefix-cache/prefix-cache.ts";

/** What varies between the compiled graphs of one policy. */
export interface EngineShape {
	/** Policy camera keys that the data has, in the policy's order. */
	readonly cameras: readonly string[];
	/** Samples of one pass through the train graph. */
	readonly batchSize: number;
	/** Samples per evaluation call. */
	readonly evalBatchSize: number;
}

/** The part of a learning configuration that is fixed when a trainer is made. */
export type OptimizerSettings = Pick<Learning, "betas" | "eps" | "weightDecay" | "gradClipNorm">;

/** The sampler's two graphs, ready to run. */
export interface CompiledSampler {
	readonly graphs: SamplerGraphs;
	readonly run: RunSamplerGraph;
}

/** A trainer with the graphs that share its parameters. */
export interface PolicyTrainer {
	/** Has the eval graphs "loss", "prefill" and "denoise". */
	readonly trainer: Trainer;
	/** Names of the train graph's feeds. */
	readonly trainFeeds: ReadonlySet<string>;
	readonly lossFeeds: ReadonlySet<string>;
	/** Samples with the trainer's current parameters. */
	readonly sampler: CompiledSampler;
}

/** One runtime's worth of a policy. Calls must not overlap: see pool.ts. */
export interface PolicyEngine extends AsyncDisposable {
	readonly model: PolicyModel;
	/** Observation feeds `[B, ...]`: keys and values of the prefix when the backbone is frozen, else pixels. */
	observe(
		observations: readonly Observation[],
		context: BatchContext,
		options: ObserveOptions,
	): Promise<Map<string, NdArray>>;
	/** The trainer for these shapes and settings; made once, then the same again. */
	trainerFor(shape: EngineShape, settings: OptimizerSettings): Promise<PolicyTrainer>;
	/** Frees a trainer and its memory; nothing happens when it was not made. */
	releaseTrainer(shape: EngineShape, settings: OptimizerSettings): Promise<void>;
	/** A sampler of one frame at a time with the model's own weights. */
	samplerFor(cameras: readonly string[]): Promise<CompiledSampler>;
}

/** An engine on `runtime`, which it owns and disposes; `cache` stays the caller's and outlives it. */
export function createPolicyEngine(
	runtime: Runtime,
	model: PolicyModel,
	cache: PrefixCache | null = null,
): PolicyEngine {
	const encoder = createPrefixEncoder(runtime, model, cache);
	const trainers = new Map<string, Promise<PolicyTrainer>>();
	const samplers = new Map<string, Promise<CompiledSampler>>();
	return {
		model,
		async observe(observations, context, options) {
			if (hasFrozenPrefix(model)) return await encoder.observe(observations, context, options);
			const pictures = await options.pictures(observations.map((_, number) => number));
			const frames = observations.map(({ state, task }, number): Frame => {
				return { state, task, images: pictures[number] ?? new Map() };
			});
			return prepareObservations(frames, context);
		},
		trainerFor: (shape, settings) =>
			once(trainers, JSON.stringify([shape, settings]), () => makeTrainer(runtime, model, shape, settings)),
		async releaseTrainer(shape, settings) {
			const key = JSON.stringify([shape, settings]);
			const compiled = await trainers.get(key);
			trainers.delete(key);
			await compiled?.trainer[Symbol.asyncDispose]();
		},
		samplerFor: (cameras) =>
			once(samplers, JSON.stringify(cameras), () => compileSampler(runtime, model, cameras)),
		async [Symbol.asyncDispose]() {
			await runtime[Symbol.asyncDispose]();
		},
	};
}

/** Observation feeds `[frames, ...]` of frames that will not be seen again: nothing of them is kept. */
export async function observeFrames(
	engine: PolicyEngine,
	frames: readonly Frame[],
	context: BatchContext,
	{ signal }: { readonly signal?: AbortSignal | undefined } = {},
): Promise<Map<string, NdArray>> {
	const observations = frames.map(({ images, state, task }): Observation => {
		return { state, task, cameras: new Set(images.keys()), pictureNames: null };
	});
	const pictures: ObserveOptions["pictures"] = async (numbers) =>
		numbers.map((number) => frames[number]?.images ?? new Map());
	return await engine.observe(observations, context, { pictures, signal });
}

/** The graphs that share a trainer's parameters. */
export interface TrainingGraphs {
	readonly train: Graph;
	readonly evals: SamplerGraphs & { readonly loss: Graph };
}

/** The graphs of a trainer, not compiled. */
export function trainingGraphs(
	model: PolicyModel,
	{ cameras, batchSize, evalBatchSize }: EngineShape,
): TrainingGraphs {
	const from = prefixFeed(model);
	const shared = { batchSize: evalBatchSize, cameras, from, parameters: true } as const;
	return {
		train: buildTrainGraph(model, { batchSize, cameras, from }),
		evals: { loss: buildLossGraph(model, shared), ...buildSamplerGraphs(model, shared) },
	};
}

async function makeTrainer(
	runtime: Runtime,
	model: PolicyModel,
	shape: EngineShape,
	settings: OptimizerSettings,
): Promise<PolicyTrainer> {
	const { train: trainGraph, evals } = trainingGraphs(model, shape);
	const { loss, ...graphs } = evals;
	const options: TrainerOptions = {
		trainGraph,
		evalGraphs: { ...evals },
		adamw: {
			beta1: settings.betas[0],
			beta2: settings.betas[1],
			eps: settings.eps,
			weightDecay: settings.weightDecay,
		},
		clipNorm: settings.gradClipNorm,
	};
	const trainer = await runtime.createTrainer(options);
	const run: RunSamplerGraph = (graph, feeds, runOptions) => trainer.evaluate(graph, feeds, runOptions);
	return {
		trainer,
		trainFeeds: inputNames(trainGraph),
		lossFeeds: inputNames(loss),
		sampler: { graphs, run },
	};
}

/** What stands for the observation in every graph but the prefix's own. */
function prefixFeed(model: PolicyModel): "prefixKv" | "images" {
	return hasFrozenPrefix(model) ? "prefixKv" : "images";
}

async function compileSampler(
	runtime: Runtime,
	model: PolicyModel,
	cameras: readonly string[],
): Promise<CompiledSampler> {
	const graphs = buildSamplerGraphs(model, { batchSize: 1, cameras, from: prefixFeed(model) });
	const sessions = {
		prefill: await runtime.compile(graphs.prefill),
		denoise: await runtime.compile(graphs.denoise, { packWeights: true }),
	};
	return { graphs, run: (graph, feeds, options) => sessions[graph].run(feeds, options) };
}

function inputNames(graph: Graph): ReadonlySet<string> {
	const inputs = [...feedsOf(graph)].filter(([, { kind }]) => kind === "input");
	return new Set(inputs.map(([name]) => name));
}
