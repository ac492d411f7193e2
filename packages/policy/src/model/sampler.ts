// sample_actions (spec of SmolVLA §8): the prefix once, then Euler steps of the flow from noise (t = 1) to actions
// (t = 0). What the expert reads of the prefix, projections of the cross layers included, is computed once.
import { type NamedArrays, type NdArray, ndArray, toFloat32 } from "@zk0/arrays";
import { feedsOf, type Graph, type Runtime, type Session, type Value } from "@zk0/autodiff";
import type { ModelDims } from "../config/dims.ts";
import type { SmolVLAConfig } from "../config/policy-config.ts";
import { PolicyError } from "../errors.ts";
import { type BatchContext, embedTime, prepareObservations } from "../inputs/batch.ts";
import { FEED } from "../inputs/feeds.ts";
import type { Frame } from "../inputs/frame.ts";
import { createNormalizer, normalizedFeatures } from "../inputs/normalizer.ts";
import { expertMemory } from "./expert.ts";
import type { KeyValue } from "./llama.ts";
import { dimsOf, type PolicyModel } from "./policy-model.ts";
import { createGuide, type RtcGuidance } from "./rtc.ts";
import {
	type EvalGraphOptions,
	openEvalStages,
	prefixValues,
	stateValues,
	velocityValues,
} from "./smolvla.ts";

/** The two graphs of sampling; the outputs of `prefill` are inputs of `denoise`. */
export interface SamplerGraphs {
	readonly prefill: Graph;
	readonly denoise: Graph;
}

function memoryName(layer: number, part: "key" | "value"): string {
	return `memory_${part}.${layer}`;
}

/** @throws PolicyError as `buildTrainGraph` */
export function buildSamplerGraphs(model: PolicyModel, options: EvalGraphOptions): SamplerGraphs {
	const first = openEvalStages(model, options);
	const prefix = prefixValues(first);
	const memory = expertMemory(first.weights, stateValues(first, prefix), first.dims);
	memory.forEach((kv, layer) => {
		if (kv === null) return;
		first.graph.output(memoryName(layer, "key"), kv.key);
		first.graph.output(memoryName(layer, "value"), kv.value);
	});
	const second = openEvalStages(model, options);
	const like = (value: Value, name: string): Value => second.graph.input(name, "float32", value.shape);
	const fed = memory.map((kv, layer): KeyValue | null =>
		kv === null
			? null
			: { key: like(kv.key, memoryName(layer, "key")), value: like(kv.value, memoryName(layer, "value")) },
	);
	const { velocity } = velocityValues(second, fed, like(prefix.bias, FEED.prefixBias));
	second.graph.output("velocity", velocity);
	return { prefill: first.graph.build(), denoise: second.graph.build() };
}

/** Runs one of the sampler's graphs, on a session or on a trainer's current parameters. */
export type RunSamplerGraph = (
	graph: keyof SamplerGraphs,
	feeds: NamedArrays,
	options: { readonly signal?: AbortSignal },
) => Promise<ReadonlyMap<string, NdArray>>;

/** How one chunk is sampled. */
export interface SampleOptions {
	/** Standard normal `[B, chunkSize, maxActionDim]`; not changed. */
	readonly noise: Float32Array;
	/** Euler steps; default the configuration's `num_steps`. */
	readonly numSteps?: number;
	readonly rtc?: RtcGuidance;
	readonly signal?: AbortSignal;
}

function pick(feeds: NamedArrays, graph: Graph): Map<string, NdArray> {
	const wanted = feedsOf(graph);
	return new Map([...feeds].filter(([name]) => wanted.has(name)));
}

/** What {@link denoise} needs besides feeds. */
export interface SamplerSetup {
	readonly config: SmolVLAConfig;
	readonly dims: ModelDims;
	readonly graphs: SamplerGraphs;
	readonly run: RunSamplerGraph;
}

/**
 * Normalised actions `[B, chunkSize, maxActionDim]` for fed observations.
 * @throws PolicyError bad-frame when noise or previous chunk have wrong sizes
 */
export async function denoise(
	setup: SamplerSetup,
	observation: NamedArrays,
	options: SampleOptions,
): Promise<Float32Array> {
	const { config, dims, graphs, run } = setup;
	const { signal, noise } = options;
	const shape = feedsOf(graphs.denoise).get(FEED.noisyActions)?.shape ?? [];
	const [batchSize = 0, chunkSize = 0, actionDim = 0] = shape;
	if (noise.length !== batchSize * chunkSize * actionDim) {
		throw new PolicyError(
			"bad-frame",
			`noise has ${noise.length} numbers for a batch of [${shape.join(",")}]`,
			{
				key: "noise",
			},
		);
	}
	const guide = options.rtc === undefined ? null : createGuide(options.rtc, chunkSize, actionDim);
	const runOptions = signal === undefined ? {} : { signal };
	const memory = await run("prefill", pick(observation, graphs.prefill), runOptions);
	const fixed = pick(new Map([...observation, ...memory]), graphs.denoise);
	const actions = Float32Array.from(noise);
	const numSteps = options.numSteps ?? config.num_steps;
	const step = -1 / numSteps;
	for (let index = 0; index < numSteps; index++) {
		const time = 1 + index * step;
		const embedding = embedTime(new Float32Array(batchSize).fill(time), config, dims);
		const feeds = new Map<string, NdArray>(fixed)
			.set(FEED.noisyActions, ndArray("float32", shape, Float32Array.from(actions)))
			.set(FEED.timeEmbedding, ndArray("float32", [batchSize, dims.expert.width], embedding));
		const outputs = await run("denoise", feeds, runOptions);
		const velocity = velocityOf(outputs);
		guide?.(velocity, actions, time);
		for (let place = 0; place < actions.length; place++) {
			actions[place] = (actions[place] ?? 0) + Math.fround(Math.fround(step) * (velocity[place] ?? 0));
		}
	}
	return actions;
}

function velocityOf(outputs: ReadonlyMap<string, NdArray>): Float32Array {
	const velocity = outputs.get("velocity");
	if (velocity === undefined) throw new TypeError("denoise: the graph returned no velocity");
	return toFloat32(velocity);
}

/** A sampled batch of chunks. */
export interface SampledActions {
	/** `[B, chunkSize, actionLength]`, raw units. */
	readonly actions: Float32Array;
	/** `[B, chunkSize, maxActionDim]`, normalised; what the next chunk's guidance takes. */
	readonly normalized: Float32Array;
}

/** Samples action chunks for frames. */
export interface ActionSampler extends AsyncDisposable {
	/** @throws PolicyError as `prepareObservations`; bad-frame for another number of frames than the batch size */
	sampleActions(frames: readonly Frame[], options: SampleOptions): Promise<SampledActions>;
}

/** Everything a sampler is made from. */
export interface SamplerOptions
	extends Pick<BatchContext, "tokenizer" | "stats">,
		Omit<EvalGraphOptions, "parameters" | "from"> {}

/** A sampler whose graphs someone else runs, e.g. a trainer with `parameters: true`; disposing it does nothing. */
export function samplerOn(
	run: RunSamplerGraph,
	graphs: SamplerGraphs,
	model: PolicyModel,
	options: SamplerOptions,
): ActionSampler {
	const dims = dimsOf(model);
	const { config, vlm } = model;
	const context: BatchContext = { ...options, config, vlm };
	const normalizer = createNormalizer(normalizedFeatures(config).action, options.stats);
	const { actionLength, maxActionDim } = dims;
	return {
		sampleActions: async (frames, sampleOptions) => {
			if (frames.length !== options.batchSize) {
				throw new PolicyError("bad-frame", `${frames.length} frames for a sampler of ${options.batchSize}`);
			}
			const feeds = prepareObservations(frames, context);
			const normalized = await denoise({ config, dims, graphs, run }, feeds, sampleOptions);
			const real = normalized.filter((_, index) => index % maxActionDim < actionLength);
			return { normalized, actions: normalizer.unnormalize(real) };
		},
		[Symbol.asyncDispose]: async () => {},
	};
}

/**
 * A sampler with its own sessions and the model's own weights; the caller disposes it.
 * @throws PolicyError as `buildTrainGraph`, and missing-stats | bad-stats
 */
export async function createSampler(
	runtime: Runtime,
	model: PolicyModel,
	options: SamplerOptions,
): Promise<ActionSampler> {
	const graphs = buildSamplerGraphs(model, options);
	const sessions = new Map<keyof SamplerGraphs, Session>();
	const run: RunSamplerGraph = (graph, feeds, runOptions) => {
		const session = sessions.get(graph);
		if (session === undefined) throw new TypeError("sampler: sampleActions after dispose");
		return session.run(feeds, runOptions);
	};
	const dispose = async (): Promise<void> => {
		const open = [...sessions.values()];
		sessions.clear();
		for (const session of open) await session[Symbol.asyncDispose]();
	};
	const sampler = samplerOn(run, graphs, model, options);
	try {
		sessions.set("prefill", await runtime.compile(graphs.prefill));
		sessions.set("denoise", await runtime.compile(graphs.denoise, { packWeights: true }));
	} catch (error) {
		await dispose();
		throw error;
	}
	return {
		sampleActions: (frames, sampleOptions) => sampler.sampleActions(frames, sampleOptions),
		[Symbol.asyncDispose]: dispose,
	};
}
