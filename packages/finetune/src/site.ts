// One site: its recordings seen through one policy, its batches, and its held-out evaluation. All random numbers
// are functions of run seed, site name and sample position or frame.
import { actionChunk, createSampler } from "@zk0/dataset";
import { pickArrays, stackRows } from "./feed-rows.ts";
import { createFlowRows, type FlowRows, numValidSteps, type RecordedChunk } from "./flow-rows.ts";
import {
	baselineErrors,
	type EvaluationFrame,
	heldOutLoss,
	type RecordedSituation,
	sampleChunks,
} from "./held-out.ts";
import { type JointErrors, jointErrors } from "./joint-error.ts";
import { createLostFrames, type LostFrame } from "./lost-frames.ts";
import { createObservations, type Observations, type ReadOptions } from "./observations.ts";
import type { EngineShape, PolicyEngine, PolicyTrainer } from "./policy-engine.ts";
import { openSiteData, type SiteData, type SiteDataOptions } from "./site-data.ts";
import { evaluationDraw, samplerPath, samplingNoise, trainingDraw } from "./streams.ts";
import type { BatchSource } from "./train-locally.ts";

/** Options of {@link createSite}. */
export interface SiteOptions extends SiteDataOptions {
	/** Most held-out frames to evaluate, spread evenly. @default 64 */
	readonly evalFrames?: number;
	/** Noise and time draws per held-out frame. @default 2 */
	readonly evalDraws?: number;
	/** Most held-out frames whose chunks are sampled for errors in degrees, spread evenly. @default 32 */
	readonly sampledFrames?: number;
	/** Told of each frame that crashes its decoder and is left out. */
	readonly onLostFrame?: (frame: LostFrame) => void;
}

/** Held-out result of one set of weights. */
export interface HeldOutResult {
	/** Mean squared velocity error per valid action entry, in the site's normalised units. */
	readonly loss: number;
	/** Frames behind the loss. */
	readonly numFrames: number;
	/** Errors of sampled chunks in raw units. */
	readonly joints: JointErrors;
	/** The same frames with the pose held; null when actions and states are not the same joints. */
	readonly holdPose: JointErrors | null;
	readonly meanAction: JointErrors;
}

/** A site that can train and evaluate; disposing it ends its decoders. */
export interface Site extends AsyncDisposable {
	readonly data: SiteData;
	readonly observations: Observations;
	readonly flow: FlowRows;
	/** Rows of the held-out loss, ascending; empty when nothing is held out. */
	readonly evalItems: readonly number[];
	/** Rows whose chunks are sampled, ascending. */
	readonly sampledItems: readonly number[];
	/** Frames that crashed their decoder and are left out. */
	readonly lostFrames: readonly LostFrame[];
	/** The compiled shapes this site needs for a micro-batch. */
	shapeFor(microBatch: number): EngineShape;
	/** The recorded chunk of a row. */
	chunkOf(item: number): RecordedChunk;
	/** Observed state of a row, raw units. */
	stateOf(item: number): Float32Array;
	/** This site's training batches in the run named by `seed`. */
	batches(engine: PolicyEngine, compiled: PolicyTrainer, seed: number): BatchSource;
	/** Evaluates the trainer's parameters; null when nothing is held out. */
	evaluate(
		engine: PolicyEngine,
		compiled: PolicyTrainer,
		options: SiteMeasurement,
	): Promise<HeldOutResult | null>;
	/** What was recorded at `items`, with their fixed noise and times. */
	evaluationFrames(items: readonly number[], seed: number): EvaluationFrame[];
}

/** How a site measures its trainer's parameters. */
export interface SiteMeasurement extends ReadOptions {
	readonly seed: number;
	/** Told after each batch how many of them are done. */
	readonly onProgress?: ((done: number, total: number) => void) | undefined;
}

/** Frames per evaluation call: fixed, so that results do not depend on a run's batch size. */
export const EVAL_BATCH_SIZE = 16;

/**
 * Opens a site.
 * @throws FinetuneError "dims-mismatch", "camera-missing", "task-empty", "no-train-episodes"; DatasetError.
 * @example
 * await using site = await createSite({ name: "lab", dataset: await openDataset("data/lab"), policy });
 */
export async function createSite(options: SiteOptions): Promise<Site> {
	return siteOn(await openSiteData(options), options);
}

/** `count` of `items`, spread evenly, in order; all of them when there are no more. */
export function spread(items: ArrayLike<number>, count: number): number[] {
	const taken = Math.min(count, items.length);
	return Array.from({ length: taken }, (_, index) => {
		return items[Math.floor(((index + 0.5) * items.length) / taken)] ?? 0;
	});
}

function siteOn(data: SiteData, options: SiteOptions): Site {
	const { evalFrames = 64, evalDraws = 2, sampledFrames = 32 } = options;
	const flow = createFlowRows(data.context);
	const observations = createObservations(data);
	const lost = createLostFrames(data, options.onLostFrame);
	const evalItems = spread(data.heldOutItems, evalFrames);
	const sampledItems = spread(data.heldOutItems, sampledFrames);
	const { rows } = data.source;
	const chunkOf = (item: number): RecordedChunk => {
		const endRow = data.dataset.episodes[rows.episodeIndex[item] ?? -1]?.toIndex ?? 0;
		return actionChunk(rows, { row: item, endRow, chunkSize: flow.dims.chunkSize });
	};
	const stateOf = (item: number): Float32Array =>
		rows.state.subarray(item * rows.stateDim, (item + 1) * rows.stateDim);
	const seeded = (seed: number) => ({ seed, site: data.name });
	const evaluationFrames: Site["evaluationFrames"] = (items, seed) =>
		items.map((item) => {
			const draws = Array.from({ length: evalDraws }, (_, draw) =>
				evaluationDraw(seeded(seed), item, flow.noiseLength, { draw, numDraws: evalDraws }),
			);
			return { chunk: chunkOf(item), draws };
		});
	/** Evaluates on rows that can be decoded; null when there are none. */
	async function evaluateItems(
		engine: PolicyEngine,
		compiled: PolicyTrainer,
		{ seed, signal, onProgress }: SiteMeasurement,
		rowsOf: { readonly evalItems: readonly number[]; readonly sampledItems: readonly number[] },
	): Promise<HeldOutResult | null> {
		const { evalItems, sampledItems } = rowsOf;
		if (evalItems.length === 0 || sampledItems.length === 0) return null;
		const batchesOf = (count: number): number => Math.ceil(count / EVAL_BATCH_SIZE);
		const numBatches = batchesOf(evalItems.length * evalDraws) + batchesOf(sampledItems.length);
		let numDone = 0;
		const onBatch = (): void => onProgress?.(++numDone, numBatches);
		const batch = { batchSize: EVAL_BATCH_SIZE, signal, onBatch };
		const observe = (items: readonly number[]) => (numbers: readonly number[]) =>
			observations.feedsFor(
				numbers.map((number) => items[number] ?? 0),
				engine,
				{ signal },
			);
		const evaluated = { frames: evaluationFrames(evalItems, seed), observe: observe(evalItems) };
		const loss = await heldOutLoss(compiled, flow, evaluated, batch);
		const frames = sampledItems.map((item) => ({
			chunk: chunkOf(item),
			noise: samplingNoise(seeded(seed), item, flow.noiseLength),
		}));
		const setup = { flow, config: data.context.config };
		const seen = { frames, observe: observe(sampledItems) };
		const sampled = await sampleChunks(compiled.sampler, setup, seen, batch);
		const pairs = frames.map(({ chunk }, index) => ({
			predicted: sampled[index] ?? new Float32Array(0),
			recorded: chunk.actions,
			isPad: chunk.actionIsPad,
		}));
		const situations = sampledItems.map(
			(item): RecordedSituation => ({ chunk: chunkOf(item), state: stateOf(item) }),
		);
		const baselines = baselineErrors(data.actionNames, situations, {
			meanAction: data.stats["action"]?.mean ?? [],
			actionsAreTargets: data.actionsAreTargets,
			actionScale: data.actionScale,
		});
		return {
			loss,
			numFrames: evalItems.length,
			joints: jointErrors(data.actionNames, pairs, data.actionScale),
			...baselines,
		};
	}
	return {
		data,
		observations,
		flow,
		evalItems,
		sampledItems,
		lostFrames: lost.frames,
		chunkOf,
		stateOf,
		evaluationFrames,
		shapeFor: (microBatch) => ({
			cameras: [...data.cameraMap.values()],
			batchSize: microBatch,
			evalBatchSize: EVAL_BATCH_SIZE,
		}),
		batches(engine, { trainFeeds }, seed) {
			const sampler = createSampler(data.trainItems.length, samplerPath(seeded(seed)));
			return {
				async batchAt(position, { batchSize, signal }) {
					const positions = Array.from({ length: batchSize }, (_, index) => position + index);
					const { items, observed } = await lost.without(async () => {
						const wanted = positions.map((at) => data.trainItems[sampler(at)] ?? 0);
						const usable = wanted.map((item) => lost.replace(item, data.trainItems));
						return { items: usable, observed: await observations.feedsFor(usable, engine, { signal }) };
					});
					const chunks = items.map(chunkOf);
					const flows = chunks.map((chunk, index) =>
						flow.row(chunk, trainingDraw(seeded(seed), position + index, flow.noiseLength)),
					);
					const numValid = chunks.reduce((sum, chunk) => sum + numValidSteps(chunk), 0);
					const feeds = new Map([...observed, ...stackRows(flows)]);
					return { feeds: pickArrays(feeds, trainFeeds), numValid };
				},
			};
		},
		evaluate: async (engine, compiled, given) =>
			await lost.without(async () => {
				const usable = (items: readonly number[]): number[] => items.filter((item) => !lost.has(item));
				return await evaluateItems(engine, compiled, given, {
					evalItems: usable(evalItems),
					sampledItems: usable(sampledItems),
				});
			}),
		[Symbol.asyncDispose]: () => data[Symbol.asyncDispose](),
	};
}
