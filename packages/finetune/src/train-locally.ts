// k optimizer steps from given weights: the one training loop behind `zk0 train` and the federation's client.
// Everything random comes with the batches, which are a function of position alone; everything that lasts is in
// the arguments and the result, so the same call gives the same bits wherever and whenever it runs.

import { codeOf, type NamedArrays, type NdArray } from "@zk0/arrays";
import type { OptimizerState, Trainer } from "@zk0/autodiff";
import { FinetuneError } from "./errors.ts";
import { type Learning, learningRate } from "./learning.ts";
import type { TrainingCheckpoints, TrainingProgress } from "./training-checkpoints.ts";

/** Samples as feeds of the train graph. */
export interface TrainingBatch {
	readonly feeds: NamedArrays;
	/** Steps of all chunks inside their episodes: what the loss is a mean over. */
	readonly numValid: number;
}

/** Training batches of a site. */
export interface BatchSource {
	/** The `batchSize` samples that start at `position` of the site's sample sequence. */
	batchAt(
		position: number,
		options: { readonly batchSize: number; readonly signal?: AbortSignal | undefined },
	): Promise<TrainingBatch>;
}

/** Where a training run stands before and after `trainLocally`. */
export interface TrainingPosition {
	/** Samples consumed so far. */
	readonly samplesConsumed: number;
	/** AdamW's state to continue from; null starts its moments fresh. */
	readonly optimizer: OptimizerState | null;
}

/** One finished step, for progress lines. */
export interface StepProgress {
	/** Steps done in this call, from 1. */
	readonly step: number;
	readonly numSteps: number;
	readonly loss: number;
	readonly samplesPerSecond: number;
}

/** Arguments of {@link trainLocally}. */
export interface LocalTraining {
	/** Exclusively ours until the call ends; its AdamW options must be those of `learning`. */
	readonly trainer: Trainer;
	readonly batches: BatchSource;
	/**
	 * Samples of one pass through the trainer's graph; a divisor of the batch size. The gradients of a step's passes are
	 * summed, weighted by what each loss is a mean over, so the step is the same up to rounding.
	 */
	readonly microBatch: number;
	/** Where the training is saved and from where it goes on. */
	readonly checkpoints: TrainingCheckpoints;
	/** Steps between two checkpoints, counted from the training's first step; null saves only what a stop interrupts. */
	readonly saveEvery: number | null;
	/** Asked before every step; true stops the training with FinetuneError "memory-pressure". */
	readonly isMemoryShort: () => boolean;
	/** Every trained tensor. */
	readonly weights: NamedArrays;
	readonly learning: Learning;
	/** Optimizer steps to make, at least 1. */
	readonly numSteps: number;
	/** Steps made before in the whole run: the learning-rate schedule continues here. */
	readonly globalStep: number;
	/** Steps of the whole run. */
	readonly totalSteps: number;
	readonly from: TrainingPosition;
	/** Coefficient of FedProx's mu/2 * ||w - weights||^2; 0 switches it off. */
	readonly proximalMu: number;
	/** Milliseconds of a monotonic clock; only for samples per second. */
	readonly clock: () => number;
	readonly onProgress?: (progress: StepProgress) => void;
	readonly signal?: AbortSignal | undefined;
	/** Named in errors. */
	readonly site?: string;
}

/** What local training made. */
export interface LocalTrainingResult {
	/** Every trained tensor, in the trainer's order. */
	readonly weights: Map<string, NdArray<"float32">>;
	/** Position after the last step; the optimizer is null unless the learning keeps its state. */
	readonly to: TrainingPosition;
	/** Samples really consumed by this call. */
	readonly numSamples: number;
	/** Mean over the steps. */
	readonly loss: number;
	readonly lastLoss: number;
	/** Mean L2 norm of the gradients before clipping. */
	readonly gradNorm: number;
	/** Proximal term of the last step; 0 when off. */
	readonly proximalLoss: number;
	/** Samples of one pass that the training ended with. */
	readonly microBatch: number;
	/** Null when a checkpoint had left nothing to do. */
	readonly samplesPerSecond: number | null;
	/** Share of the time in which a finished step waited for the next one's data; null likewise. */
	readonly dataWaitShare: number | null;
}

/**
 * Trains for `numSteps` optimizer steps, or those that the latest checkpoint leaves.
 * @throws RangeError for step counts out of range; FinetuneError "non-finite" when loss or gradients blow up,
 * "memory-pressure" when a step did not fit (what was done is in a checkpoint: call again with a smaller micro-batch);
 * the signal's reason when aborted (likewise).
 */
export async function trainLocally(training: LocalTraining): Promise<LocalTrainingResult> {
	const { trainer, learning, numSteps, globalStep, from, signal, checkpoints } = training;
	checkCounts(training);
	signal?.throwIfAborted();
	await trainer.loadParameters(training.weights);
	await (from.optimizer === null ? trainer.resetOptimizer() : trainer.loadOptimizer(from.optimizer));
	await trainer.setProximal(training.proximalMu);
	const { batchSize } = learning;
	let progress = (await checkpoints.restore(trainer)) ?? beginning(training);
	const firstStep = progress.step;
	const batchOf = async (step: number): Promise<TrainingBatch[] | null> =>
		step >= numSteps ? null : await readBatches(training, from.samplesConsumed + step * batchSize);
	const startedMs = training.clock();
	const rate = (step: number): number =>
		(1000 * (step - firstStep) * batchSize) / Math.max(1e-3, training.clock() - startedMs);
	let batches = await batchOf(firstStep);
	const loopMs = training.clock();
	let waitedMs = 0;
	while (batches !== null) {
		const { step } = progress;
		let computedMs = training.clock();
		// The next batch is read while this one is computed; both are awaited, so no failure is lost.
		const [result, next] = await settleBoth(
			oneStep(training, batches, learningRate(learning, globalStep + step, training.totalSteps)).finally(
				() => {
					computedMs = training.clock();
				},
			),
			batchOf(step + 1),
		).catch(async (error: unknown) => {
			if (isMemoryPressure(error)) await checkpoints.save(trainer, progress);
			throw error;
		});
		waitedMs += training.clock() - computedMs;
		batches = next;
		progress = {
			step: step + 1,
			samplesConsumed: progress.samplesConsumed + batchSize,
			microBatch: training.microBatch,
			lossSum: progress.lossSum + result.loss,
			gradNormSum: progress.gradNormSum + result.gradNorm,
			lastLoss: result.loss,
			proximalLoss: result.proximalLoss,
		};
		training.onProgress?.({
			step: progress.step,
			numSteps,
			loss: result.loss,
			samplesPerSecond: rate(progress.step),
		});
		const isDue = training.saveEvery !== null && progress.step % training.saveEvery === 0;
		if (isDue || signal?.aborted === true) await checkpoints.save(trainer, progress);
		signal?.throwIfAborted();
	}
	const samplesPerSecond = firstStep === numSteps ? null : rate(numSteps);
	const dataWaitShare = firstStep === numSteps ? null : waitedMs / Math.max(1e-3, training.clock() - loopMs);
	await trainer.setProximal(0);
	return {
		weights: await trainer.readParameters(),
		to: {
			samplesConsumed: progress.samplesConsumed,
			optimizer: learning.keepOptimizerState ? await trainer.readOptimizer() : null,
		},
		numSamples: numSteps * batchSize,
		loss: progress.lossSum / numSteps,
		lastLoss: progress.lastLoss,
		gradNorm: progress.gradNormSum / numSteps,
		proximalLoss: progress.proximalLoss,
		microBatch: training.microBatch,
		samplesPerSecond,
		dataWaitShare,
	};
}

function checkCounts(training: LocalTraining): void {
	const { numSteps, globalStep, totalSteps, from, learning, microBatch } = training;
	const counts = { numSteps, globalStep, totalSteps, samplesConsumed: from.samplesConsumed };
	for (const [name, count] of Object.entries(counts)) {
		if (!Number.isSafeInteger(count) || count < 0) {
			throw new RangeError(`trainLocally: ${name} is ${count}, expected a whole number`);
		}
	}
	const { batchSize } = learning;
	if (!Number.isSafeInteger(batchSize / microBatch)) {
		throw new RangeError(
			`trainLocally: a batch of ${batchSize} is not made of micro-batches of ${microBatch}`,
		);
	}
	if (numSteps < 1) throw new RangeError(`trainLocally: numSteps is ${numSteps}, expected at least 1`);
	if (globalStep + numSteps > totalSteps) {
		throw new RangeError(
			`trainLocally: steps ${globalStep}..${globalStep + numSteps} do not fit a run of ${totalSteps}`,
		);
	}
}

function beginning({ from, microBatch }: LocalTraining): TrainingProgress {
	const { samplesConsumed } = from;
	return { step: 0, samplesConsumed, microBatch, lossSum: 0, gradNormSum: 0, lastLoss: 0, proximalLoss: 0 };
}

/** One step's samples, one micro-batch after another. */
async function readBatches(
	{ batches, learning, microBatch, signal }: LocalTraining,
	position: number,
): Promise<TrainingBatch[]> {
	const read: TrainingBatch[] = [];
	for (let at = 0; at < learning.batchSize; at += microBatch) {
		read.push(await batches.batchAt(position + at, { batchSize: microBatch, signal }));
	}
	return read;
}

/**
 * Weights under which the losses of micro-batches add up to the loss of the whole batch: each is a mean over its valid
 * action steps. One without any adds nothing, but a weight must be positive.
 */
export function microWeights(numValid: readonly number[]): number[] {
	const total = numValid.reduce((sum, count) => sum + count, 0);
	return numValid.map((count) => Math.max(1, count) / Math.max(1, total));
}

async function oneStep(
	{ trainer, signal, site, isMemoryShort, microBatch }: LocalTraining,
	batches: readonly TrainingBatch[],
	rate: number,
): Promise<{ loss: number; gradNorm: number; proximalLoss: number }> {
	const about = site === undefined ? {} : { site };
	const tooLarge = (why: string, cause?: unknown): FinetuneError =>
		new FinetuneError(
			"memory-pressure",
			`${why} with ${microBatch} samples in one pass; close other programs or lower --micro-batch`,
			{ ...about, cause },
		);
	if (isMemoryShort()) throw tooLarge("the machine runs out of memory");
	try {
		return await trainer.step(
			batches.map(({ feeds }) => feeds),
			{
				learningRate: rate,
				takeFeeds: true,
				microWeights: batches.length === 1 ? [1] : microWeights(batches.map(({ numValid }) => numValid)),
				...(signal === undefined ? {} : { signal }),
			},
		);
	} catch (error) {
		if (codeOf(error) === "out-of-memory") throw tooLarge("a training step found no memory", error);
		if (codeOf(error) !== "non-finite") throw error;
		throw new FinetuneError(
			"non-finite",
			"loss or gradients became infinite or not a number; lower the learning rate or look for damaged samples",
			{ ...about, cause: error },
		);
	}
}

/** True for the failure that a smaller micro-batch can cure. */
export function isMemoryPressure(error: unknown): error is FinetuneError {
	return error instanceof FinetuneError && error.code === "memory-pressure";
}

/** Both results, after both have settled; the first failure wins. */
async function settleBoth<A, B>(first: Promise<A>, second: Promise<B>): Promise<[A, B]> {
	await Promise.allSettled([first, second]);
	return [await first, await second];
}
