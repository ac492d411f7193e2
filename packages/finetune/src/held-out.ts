// Held-out evaluation: the flow-matching loss with noise and time fixed per frame (common random numbers, so that
// rounds are comparable), and the error of sampled chunks in degrees beside the two baselines a policy must beat.
import type { NamedArrays, NdArray } from "@zk0/arrays";
import { denoise, type SmolVLAConfig } from "@zk0/policy";
import { type FeedRow, pickArrays, stackRows } from "./feed-rows.ts";
import { type FlowRows, numValidSteps, type RecordedChunk } from "./flow-rows.ts";
import { type ChunkPair, constantChunk, type JointErrors, jointErrors } from "./joint-error.ts";
import type { CompiledSampler, PolicyTrainer } from "./policy-engine.ts";
import { withSignal } from "./signal-option.ts";
import type { FlowDraw } from "./streams.ts";

/** What the policy sees of some of the frames to evaluate, by their numbers: feeds `[numbers, ...]`. */
export type Observe = (numbers: readonly number[]) => Promise<NamedArrays>;

/** One frame to evaluate: what was recorded, and the noise. */
export interface EvaluationFrame {
	readonly chunk: RecordedChunk;
	/** Fixed noise and times, at least one. */
	readonly draws: readonly FlowDraw[];
}

/** Options of both evaluations. */
export interface EvaluationOptions {
	/** Frames per call; the graphs' static batch size. */
	readonly batchSize: number;
	readonly signal?: AbortSignal | undefined;
	/** Called after each batch. */
	readonly onBatch?: (() => void) | undefined;
}

interface LossSample {
	/** Number of the frame. */
	readonly frame: number;
	readonly flow: FeedRow;
	readonly numValid: number;
}

/**
 * Mean squared velocity error over all valid action entries of all frames and draws, with the trainer's parameters.
 * @throws RangeError when there is no frame
 */
export async function heldOutLoss(
	{ trainer, lossFeeds }: PolicyTrainer,
	flow: FlowRows,
	{ frames, observe }: { readonly frames: readonly EvaluationFrame[]; readonly observe: Observe },
	{ batchSize, signal, onBatch }: EvaluationOptions,
): Promise<number> {
	const samples = frames.flatMap(({ chunk, draws }, frame) =>
		draws.map((draw): LossSample => ({ frame, flow: flow.row(chunk, draw), numValid: numValidSteps(chunk) })),
	);
	let sum = 0;
	let weight = 0;
	for (const batch of fullBatches(samples, batchSize)) {
		signal?.throwIfAborted();
		const observed = await observe(batch.map(({ frame }) => frame));
		const feeds = new Map([...observed, ...stackRows(batch.map((sample) => sample.flow))]);
		const outputs = await trainer.evaluate("loss", pickArrays(feeds, lossFeeds), withSignal(signal));
		const losses = floats(outputs.get("loss_per_sample"), "loss_per_sample");
		for (const [index, { numValid, isFiller }] of batch.entries()) {
			if (isFiller) continue;
			sum += (losses[index] ?? Number.NaN) * numValid;
			weight += numValid;
		}
		onBatch?.();
	}
	if (weight === 0) throw new RangeError("heldOutLoss: no frame with a valid action");
	return sum / weight;
}

function floats(array: NdArray | undefined, name: string): Float32Array {
	if (array?.data instanceof Float32Array) return array.data;
	throw new TypeError(`evaluation: the graph returned no float32 "${name}"`);
}

/** Batches of exactly `size`, the last filled up with its own first items, which are marked and not counted. */
export function fullBatches<Item extends object>(
	items: readonly Item[],
	size: number,
): (Item & { readonly isFiller: boolean })[][] {
	const batches: (Item & { readonly isFiller: boolean })[][] = [];
	for (let at = 0; at < items.length; at += size) {
		const own = items.slice(at, at + size);
		batches.push(
			Array.from({ length: size }, (_, index) => {
				const item = own[index % own.length];
				if (item === undefined) throw new RangeError("fullBatches: an empty batch");
				return { ...item, isFiller: index >= own.length };
			}),
		);
	}
	return batches;
}

/** A frame whose chunk is sampled. */
export interface SampledFrame {
	/** Starting noise, `[chunkSize * maxActionDim]`. */
	readonly noise: Float32Array;
}

/** Raw-unit chunks `[chunkSize * actionLength]` sampled for `frames`. */
export async function sampleChunks(
	{ graphs, run }: CompiledSampler,
	{ flow, config }: { readonly flow: FlowRows; readonly config: SmolVLAConfig },
	{ frames, observe }: { readonly frames: readonly SampledFrame[]; readonly observe: Observe },
	{ batchSize, signal, onBatch }: EvaluationOptions,
): Promise<Float32Array[]> {
	const chunks: Float32Array[] = [];
	const setup = { config, dims: flow.dims, graphs, run };
	const numbered = frames.map((frame, number) => ({ ...frame, number }));
	for (const batch of fullBatches(numbered, batchSize)) {
		signal?.throwIfAborted();
		const noise = new Float32Array(batchSize * flow.noiseLength);
		for (const [index, frame] of batch.entries()) noise.set(frame.noise, index * flow.noiseLength);
		const observation = await observe(batch.map(({ number }) => number));
		const normalized = await denoise(setup, observation, { noise, ...withSignal(signal) });
		for (const [index, { isFiller }] of batch.entries()) {
			const from = index * flow.noiseLength;
			if (!isFiller) chunks.push(flow.toRaw(normalized.subarray(from, from + flow.noiseLength)));
		}
		onBatch?.();
	}
	return chunks;
}

/** Errors in raw units of what could have been done instead of the recorded actions. */
export interface BaselineErrors {
	/** Staying where the arm is; null when actions and states are not the same joints. */
	readonly holdPose: JointErrors | null;
	/** The training episodes' mean action. */
	readonly meanAction: JointErrors;
}

/** A recorded chunk and the state it starts from, raw units. */
export interface RecordedSituation {
	readonly chunk: RecordedChunk;
	readonly state: Float32Array;
}

/** Baseline errors over the same frames as the policy's. */
export function baselineErrors(
	names: readonly string[],
	situations: readonly RecordedSituation[],
	{
		meanAction,
		actionsAreTargets,
		actionScale,
	}: {
		readonly meanAction: readonly number[];
		readonly actionsAreTargets: boolean;
		readonly actionScale: readonly number[];
	},
): BaselineErrors {
	const against = (action: (situation: RecordedSituation) => ArrayLike<number>): JointErrors => {
		const pairs = situations.map(
			(situation): ChunkPair => ({
				predicted: constantChunk(action(situation), situation.chunk.actionIsPad.length),
				recorded: situation.chunk.actions,
				isPad: situation.chunk.actionIsPad,
			}),
		);
		return jointErrors(names, pairs, actionScale);
	};
	return {
		holdPose: actionsAreTargets ? against(({ state }) => state) : null,
		meanAction: against(() => meanAction),
	};
}
