// The measured stages at full size; each is made and run in a process of its own (stage-child.ts).
import { rng } from "@zk0/arrays";
import { collectGarbage, createOrtRuntime } from "@zk0/autodiff/node";
import {
	buildSamplerGraphs,
	buildTrainGraph,
	denoise,
	modelDims,
	type PrefixFeed,
	type RunSamplerGraph,
	resizeWithPad,
	trainedNames,
} from "@zk0/policy";
import { gflopOf, randomFeeds } from "../arithmetic.ts";
import { breakDown } from "./breakdown.ts";
import { comparePrefixFeeds } from "./compare-feeds.ts";
import { adaptFullSize } from "./lora-stages.ts";
import { CAMERAS, openFullSize } from "./model.ts";

/** Named numbers of one run, most of them milliseconds. */
export type Figures = Readonly<Record<string, number>>;

/** Something that can be run again and again. */
export interface Stage extends AsyncDisposable {
	/** Arithmetic of one run. */
	readonly gflop: number;
	run(): Promise<Figures>;
}

/** What a stage is made with. */
export interface StageOptions {
	readonly checkpoint: string;
	readonly threads: number;
}

/** LeRobot's AdamW and clipping. */
const OPTIMIZER = { adamw: { beta1: 0.9, beta2: 0.95, eps: 1e-8, weightDecay: 1e-10 }, clipNorm: 10 };

interface TrainStage {
	readonly from: PrefixFeed;
	readonly batchSize: number;
	readonly profilePrefix?: string;
	/** Train an adapter and not the weights. */
	readonly lora?: boolean;
}

/** One optimizer step: forward, backward, clipping and AdamW. */
async function trainStage(
	{ checkpoint, threads }: StageOptions,
	{ from, batchSize, profilePrefix, lora = false }: TrainStage,
): Promise<Stage> {
	using full = openFullSize(checkpoint);
	const runtime = await createOrtRuntime({
		threads,
		...(profilePrefix === undefined ? {} : { profilePrefix }),
	});
	const model = lora ? adaptFullSize(full.model) : full.model;
	const graph = buildTrainGraph(model, { batchSize, cameras: CAMERAS, from });
	const trainer = await runtime.createTrainer({ trainGraph: graph, ...OPTIMIZER });
	await trainer.loadParameters(
		new Map(trainedNames(model).map((name) => [name, model.tensors.readFloat32(name)])),
	);
	collectGarbage();
	return {
		gflop: gflopOf(graph),
		run: async () => {
			const feeds = randomFeeds(graph, new Set(trainer.parameterNames));
			const startMs = performance.now();
			await trainer.step(feeds, { learningRate: 1e-4, takeFeeds: true });
			return { ms: performance.now() - startMs };
		},
		[Symbol.asyncDispose]: () => runtime[Symbol.asyncDispose](),
	};
}

/** An action chunk for one observation: pictures of 480x640 resized, prefix, ten denoising steps. */
async function chunkStage({ checkpoint, threads }: StageOptions): Promise<Stage> {
	using full = openFullSize(checkpoint);
	const { config, vlm } = full.model;
	const dims = modelDims(config, vlm);
	const runtime = await createOrtRuntime({ threads });
	const graphs = buildSamplerGraphs(full.model, { batchSize: 1, cameras: CAMERAS });
	const sessions = {
		prefill: await runtime.compile(graphs.prefill),
		denoise: await runtime.compile(graphs.denoise, { packWeights: true }),
	};
	let denoiseMs = 0;
	const run: RunSamplerGraph = async (graph, feeds, options) => {
		const startMs = performance.now();
		const outputs = await sessions[graph].run(feeds, options);
		if (graph === "denoise") denoiseMs += performance.now() - startMs;
		return outputs;
	};
	const stream = rng("bench", "chunk");
	const rgb = Uint8Array.from({ length: 480 * 640 * 3 }, () => stream.below(256));
	const { imageHeight, imageWidth } = dims.vision;
	const observation = new Map([...randomFeeds(graphs.denoise), ...randomFeeds(graphs.prefill)]);
	const noise = Float32Array.from({ length: dims.chunkSize * dims.maxActionDim }, () => stream.normal());
	return {
		gflop: gflopOf(graphs.prefill) + config.num_steps * gflopOf(graphs.denoise),
		run: async () => {
			denoiseMs = 0;
			const startMs = performance.now();
			const resized = new Float32Array(CAMERAS.length * 3 * imageHeight * imageWidth);
			CAMERAS.forEach((_, camera) => {
				const size = 3 * imageHeight * imageWidth;
				const target = resized.subarray(camera * size, (camera + 1) * size);
				resizeWithPad({ height: 480, width: 640, rgb }, { height: imageHeight, width: imageWidth }, target);
			});
			const images = {
				dtype: "float32",
				shape: [1, CAMERAS.length, 3, imageHeight, imageWidth],
				data: resized,
			} as const;
			const setup = { config, dims, graphs, run };
			await denoise(setup, new Map([...observation, ["images", images]]), { noise });
			return { ms: performance.now() - startMs, denoiseMs };
		},
		[Symbol.asyncDispose]: () => runtime[Symbol.asyncDispose](),
	};
}

/** Where the time of a cached step goes, by kind of operator. */
async function profileStage(options: StageOptions): Promise<Stage> {
	return {
		gflop: 0,
		run: () =>
			breakDown((profilePrefix) => trainStage(options, { from: "prefixKv", batchSize: 8, profilePrefix })),
		[Symbol.asyncDispose]: async () => {},
	};
}

/** Loss and gradients from pixels, from image tokens and from keys and values. */
async function compareStage({ checkpoint, threads }: StageOptions): Promise<Stage> {
	return {
		gflop: 0,
		run: async () => {
			using full = openFullSize(checkpoint);
			await using runtime = await createOrtRuntime({ threads });
			return await comparePrefixFeeds(runtime, full);
		},
		[Symbol.asyncDispose]: async () => {},
	};
}

/** How each stage is made. */
export const STAGES: Readonly<Record<string, (options: StageOptions) => Promise<Stage>>> = {
	uncachedB1: (options) => trainStage(options, { from: "images", batchSize: 1 }),
	connectorB8: (options) => trainStage(options, { from: "imageTokens", batchSize: 8 }),
	kvB8: (options) => trainStage(options, { from: "prefixKv", batchSize: 8 }),
	loraKvB8: (options) => trainStage(options, { from: "prefixKv", batchSize: 8, lora: true }),
	chunk: chunkStage,
	profile: profileStage,
	compare: compareStage,
};
