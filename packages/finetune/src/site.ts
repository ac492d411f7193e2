// One site: its recordings seen through one policy, its batches, and its held-out evaluation. All random numbers
// are functions of run seed, site name and sample position or frame.
import { actionChunk, createSampler } from "@zk0/dataset";
import { type FeedRow, pickArrays, stackRows } from "./feed-rows.ts";
import { createFlowRows, type FlowRows, numValidSteps, type RecordedChunk } from "./flow-rows.ts";
import {
	baselineErrors,
	type EvaluationFrame,
	heldOutLoss,
	type RecordedSituation,
	sampleChunks,
} from "./held-out.ts";
import { type JointErrors, jointErrors } from "./joint-error.ts";
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
	/** Bytes of encoded observations to keep in memory. @default 1 GiB */
	readonly cacheBytes?: number;
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

/** A site that can train and evaluate; disposing it ends its decoders and drops its cache. */
export interface Site extends AsyncDisposable {
	readonly data: SiteData;
	readonly observations: Observations;
	readonly flow: FlowRows;
	/** Rows of the held-out loss, ascending; empty when nothing is held out. */
	readonly evalItems: readonly number[];
	/** Rows whose chunks are sampled, ascending. */
	readonly sampledItems: readonly number[];
	/** The compiled shapes this site needs for a micro-batch. */
	shapeFor(microBatch: number): EngineShape;
	/** The recorded chunk of a row. */
	chunkOf(item: number): RecordedChunk;
	/** Observed state of a row, raw units. */
	stateOf(item: number): Float32Array;
	/** Encodes all frames that training and evaluation will ask for, when they fit the cache. */
	prepare(engine: PolicyEngine, options?: ReadOptions): Promise<void>;
	/** This site's training batches in the run named by `seed`. */
	batches(engine: PolicyEngine, compiled: PolicyTrainer, seed: number): BatchSource;
	/** Evaluates the trainer's parameters; null when nothing is held out. */
	evaluate(
		engine: PolicyEngine,
		compiled: PolicyTrainer,
		options: { readonly seed: number } & ReadOptions,
	): Promise<HeldOutResult | null>;
	/** The held-out frames as the loss sees them, e.g. to shuffle parts of them. */
	evaluationFrames(
		observations: readonly FeedRow[],
		items: readonly number[],
		seed: number,
	): EvaluationFrame[];
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
	const { evalFrames = 64, evalDraws = 2, sampledFrames = 32, cacheBytes = 2 ** 30 } = options;
	const flow = createFlowRows(data.context);
	const observations = createObservations(data, cacheBytes);
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
	const evaluationFrames: Site["evaluationFrames"] = (observed, items, seed) =>
		items.map((item, index) => {
			const observation = observed[index];
			if (observation === undefined) throw new RangeError(`evaluation: no observation of item ${item}`);
			const draws = Array.from({ length: evalDraws }, (_, draw) =>
				evaluationDraw(seeded(seed), item, flow.noiseLength, { draw, numDraws: evalDraws }),
			);
			return { observation, chunk: chunkOf(item), draws };
		});
	return {
		data,
		observations,
		flow,
		evalItems,
		sampledItems,
		chunkOf,
		stateOf,
		evaluationFrames,
		shapeFor: (microBatch) => ({
			cameras: [...data.cameraMap.values()],
			batchSize: microBatch,
			evalBatchSize: EVAL_BATCH_SIZE,
		}),
		async prepare(engine, readOptions) {
			const needed = new Set([...data.trainItems, ...evalItems, ...sampledItems]);
			await observations.prepare(
				[...needed].sort((a, b) => a - b),
				engine,
				readOptions,
			);
		},
		batches(engine, { trainFeeds }, seed) {
			const sampler = createSampler(data.trainItems.length, samplerPath(seeded(seed)));
			return {
				async batchAt(position, { batchSize, signal }) {
					const positions = Array.from({ length: batchSize }, (_, index) => position + index);
					const items = positions.map((at) => data.trainItems[sampler(at)] ?? 0);
					const observed = await observations.rowsFor(items, engine, { signal });
					const chunks = items.map(chunkOf);
					const samples = chunks.map((chunk, index) => {
						const draw = trainingDraw(seeded(seed), position + index, flow.noiseLength);
						return new Map([...(observed[index] ?? []), ...flow.row(chunk, draw)]);
					});
					const numValid = chunks.reduce((sum, chunk) => sum + numValidSteps(chunk), 0);
					return { feeds: pickArrays(stackRows(samples), trainFeeds), numValid };
				},
			};
		},
		async evaluate(engine, compiled, { seed, signal }) {
			if (evalItems.length === 0) return null;
			const batch = { batchSize: EVAL_BATCH_SIZE, signal };
			const observed = await observations.rowsFor(evalItems, engine, { signal });
			const loss = await heldOutLoss(compiled, flow, evaluationFrames(observed, evalItems, seed), batch);
			const seen = await observations.rowsFor(sampledItems, engine, { signal });
			const frames = sampledItems.map((item, index) => ({
				observation: seen[index] ?? new Map(),
				chunk: chunkOf(item),
				noise: samplingNoise(seeded(seed), item, flow.noiseLength),
			}));
			const setup = { flow, config: data.context.config };
			const sampled = await sampleChunks(compiled.sampler, setup, frames, batch);
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
			});
			return {
				loss,
				numFrames: evalItems.length,
				joints: jointErrors(data.actionNames, pairs),
				...baselines,
			};
		},
		[Symbol.asyncDispose]: () => data[Symbol.asyncDispose](),
	};
}
