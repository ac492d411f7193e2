// What computes: one runtime with the sessions and trainers of one policy, compiled when first needed and kept.
// Stages 1 and 2 of a frozen backbone run once per frame, always one frame at a time, through one graph; everything
// else starts from their keys and values. So training, evaluation and the command line see the same bits, whether a
// frame's keys and values came from a cache or not.
import { type NamedArrays, type NdArray, numElements } from "@zk0/arrays";
import {
	feedsOf,
	type Graph,
	type Runtime,
	type Session,
	type TensorType,
	type Trainer,
	type TrainerOptions,
} from "@zk0/autodiff";
import {
	type BatchContext,
	buildLossGraph,
	buildSamplerGraphs,
	buildTrainGraph,
	composeForward,
	type Frame,
	hasFrozenPrefix,
	openStages,
	type PolicyModel,
	prepareObservations,
	type RunSamplerGraph,
	type SamplerGraphs,
} from "@zk0/policy";
import type { FeedRow } from "./feed-rows.ts";
import type { Learning } from "./learning.ts";

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
	/** Observation feeds of one frame, `[1, ...]` each: keys and values of the prefix when the backbone is frozen. */
	encode(
		frame: Frame,
		context: BatchContext,
		options?: { readonly signal?: AbortSignal | undefined },
	): Promise<FeedRow>;
	/** The trainer for these shapes and settings; made once, then the same again. */
	trainerFor(shape: EngineShape, settings: OptimizerSettings): Promise<PolicyTrainer>;
	/** Frees a trainer and its memory; nothing happens when it was not made. */
	releaseTrainer(shape: EngineShape, settings: OptimizerSettings): Promise<void>;
	/** A sampler of one frame at a time with the model's own weights. */
	samplerFor(cameras: readonly string[]): Promise<CompiledSampler>;
}

/** An engine on `runtime`, which it owns and disposes. */
export function createPolicyEngine(runtime: Runtime, model: PolicyModel): PolicyEngine {
	const prefixes = new Map<string, Promise<PrefixSession>>();
	const trainers = new Map<string, Promise<PolicyTrainer>>();
	const samplers = new Map<string, Promise<CompiledSampler>>();
	return {
		model,
		async encode(frame, context, { signal } = {}) {
			const feeds = prepareObservations([frame], context);
			if (!hasFrozenPrefix(model)) return feeds;
			const prefix = await once(prefixes, JSON.stringify(context.cameras ?? null), () =>
				compilePrefix(runtime, model, context),
			);
			return await prefix.run(feeds, signal);
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

/** The value of `key`, made when first asked for; a failure is not kept. */
function once<Value>(
	made: Map<string, Promise<Value>>,
	key: string,
	make: () => Promise<Value>,
): Promise<Value> {
	const known = made.get(key);
	if (known !== undefined) return known;
	const fresh = make().catch((error: unknown) => {
		made.delete(key);
		throw error;
	});
	made.set(key, fresh);
	return fresh;
}

interface PrefixSession {
	run(feeds: NamedArrays, signal: AbortSignal | undefined): Promise<FeedRow>;
}

/** Stages 1 and 2 for one frame: pixels and words in, keys and values of every layer out. */
async function compilePrefix(
	runtime: Runtime,
	model: PolicyModel,
	context: BatchContext,
): Promise<PrefixSession> {
	const stages = openStages(model, { batchSize: 1, cameras: context.cameras }, new Set());
	for (const [layer, { key, value }] of composeForward(stages).prefix.layers.entries()) {
		stages.graph.output(`prefix_key.${layer}`, key);
		stages.graph.output(`prefix_value.${layer}`, value);
	}
	const graph = stages.graph.build();
	const wanted = feedsOf(graph);
	const session: Session = await runtime.compile(graph);
	return {
		async run(feeds, signal) {
			const given = new Map([...wanted].map(([name, type]) => [name, feeds.get(name) ?? zeros(type)]));
			const outputs = await session.run(given, signal === undefined ? {} : { signal });
			const rest = [...feeds].filter(([name]) => !PREFIX_INPUTS.has(name));
			return new Map([...rest, ...outputs]);
		},
	};
}

/** Feeds that only stages 1 and 2 read; their keys and values replace them. */
const PREFIX_INPUTS: ReadonlySet<string> = new Set(["images", "language_ids", "prefix_positions"]);

function zeros({ dtype, shape }: TensorType): NdArray {
	const length = numElements(shape);
	if (dtype === "int64") return { dtype, shape, data: new BigInt64Array(length) };
	if (dtype === "float32") return { dtype, shape, data: new Float32Array(length) };
	throw new TypeError(`prefix graph: a feed of ${dtype}, expected float32 or int64`);
}

async function makeTrainer(
	runtime: Runtime,
	model: PolicyModel,
	{ cameras, batchSize, evalBatchSize }: EngineShape,
	settings: OptimizerSettings,
): Promise<PolicyTrainer> {
	const from = prefixFeed(model);
	const trainGraph = buildTrainGraph(model, { batchSize, cameras, from });
	const shared = { batchSize: evalBatchSize, cameras, from, parameters: true } as const;
	const loss = buildLossGraph(model, shared);
	const graphs = buildSamplerGraphs(model, shared);
	const options: TrainerOptions = {
		trainGraph,
		evalGraphs: { loss, ...graphs },
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
		denoise: await runtime.compile(graphs.denoise),
	};
	return { graphs, run: (graph, feeds, options) => sessions[graph].run(feeds, options) };
}

function inputNames(graph: Graph): ReadonlySet<string> {
	const inputs = [...feedsOf(graph)].filter(([, { kind }]) => kind === "input");
	return new Set(inputs.map(([name]) => name));
}
