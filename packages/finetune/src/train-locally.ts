// k optimizer steps from given weights: the one training loop behind `zk0 train` and the federation's client.
// Everything random comes with the batches, which are a function of position alone; everything that lasts is in
// the arguments and the result, so the same call gives the same bits wherever and whenever it runs.
import type { NamedArrays, NdArray } from "@zk0/arrays";
import type { OptimizerState, Trainer } from "@zk0/autodiff";
import { FinetuneError } from "./errors.ts";
import { type Learning, learningRate } from "./learning.ts";

/** Training batches of a site as feeds of the train graph. */
export interface BatchSource {
	/** Feeds for the `batchSize` samples that start at `position` of the site's sample sequence. */
	batchAt(
		position: number,
		options: { readonly batchSize: number; readonly signal?: AbortSignal | undefined },
	): Promise<NamedArrays>;
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
	readonly samplesPerSecond: number;
}

/**
 * Trains for `numSteps` optimizer steps.
 * @throws RangeError for step counts out of range; FinetuneError "non-finite" when loss or gradients blow up; the
 * signal's reason when aborted (the trainer's contents are then undefined and nothing else has changed).
 */
export async function trainLocally(training: LocalTraining): Promise<LocalTrainingResult> {
	const { trainer, learning, numSteps, globalStep, from, signal } = training;
	checkCounts(training);
	signal?.throwIfAborted();
	await trainer.loadParameters(training.weights);
	await (from.optimizer === null ? trainer.resetOptimizer() : trainer.loadOptimizer(from.optimizer));
	await trainer.setProximal(training.proximalMu);
	const { batchSize } = learning;
	const batchOf = async (step: number): Promise<NamedArrays | null> => {
		if (step >= numSteps) return null;
		const position = from.samplesConsumed + step * batchSize;
		return await training.batches.batchAt(position, { batchSize, signal });
	};
	const sums = { loss: 0, gradNorm: 0 };
	let last = { loss: 0, gradNorm: 0, proximalLoss: 0 };
	const startedMs = training.clock();
	const rate = (steps: number): number =>
		(1000 * steps * batchSize) / Math.max(1e-3, training.clock() - startedMs);
	let feeds = await batchOf(0);
	for (let step = 0; feeds !== null; step++) {
		// The next batch is read while this one is computed; both are awaited, so no failure is lost.
		const [result, next] = await settleBoth(
			oneStep(training, feeds, learningRate(learning, globalStep + step, training.totalSteps)),
			batchOf(step + 1),
		);
		feeds = next;
		last = result;
		sums.loss += result.loss;
		sums.gradNorm += result.gradNorm;
		training.onProgress?.({ step: step + 1, numSteps, loss: result.loss, samplesPerSecond: rate(step + 1) });
		signal?.throwIfAborted();
	}
	const samplesPerSecond = rate(numSteps);
	await trainer.setProximal(0);
	const numSamples = numSteps * batchSize;
	return {
		weights: await trainer.readParameters(),
		to: {
			samplesConsumed: from.samplesConsumed + numSamples,
			optimizer: learning.keepOptimizerState ? await trainer.readOptimizer() : null,
		},
		numSamples,
		loss: sums.loss / numSteps,
		lastLoss: last.loss,
		gradNorm: sums.gradNorm / numSteps,
		proximalLoss: last.proximalLoss,
		samplesPerSecond,
	};
}

function checkCounts({ numSteps, globalStep, totalSteps, from }: LocalTraining): void {
	const counts = { numSteps, globalStep, totalSteps, samplesConsumed: from.samplesConsumed };
	for (const [name, count] of Object.entries(counts)) {
		if (!Number.isSafeInteger(count) || count < 0) {
			throw new RangeError(`trainLocally: ${name} is ${count}, expected a whole number`);
		}
	}
	if (numSteps < 1) throw new RangeError(`trainLocally: numSteps is ${numSteps}, expected at least 1`);
	if (globalStep + numSteps > totalSteps) {
		throw new RangeError(
			`trainLocally: steps ${globalStep}..${globalStep + numSteps} do not fit a run of ${totalSteps}`,
		);
	}
}

async function oneStep(
	{ trainer, signal, site }: LocalTraining,
	feeds: NamedArrays,
	rate: number,
): Promise<{ loss: number; gradNorm: number; proximalLoss: number }> {
	try {
		return await trainer.step(feeds, { learningRate: rate, ...(signal === undefined ? {} : { signal }) });
	} catch (error) {
		if (!isNonFinite(error)) throw error;
		throw new FinetuneError(
			"non-finite",
			"loss or gradients became infinite or not a number; lower the learning rate or look for damaged samples",
			{ cause: error, ...(site === undefined ? {} : { site }) },
		);
	}
}

function isNonFinite(error: unknown): boolean {
	return error instanceof Error && "code" in error && error.code === "non-finite";
}

/** Both results, after both have settled; the first failure wins. */
async function settleBoth<A, B>(first: Promise<A>, second: Promise<B>): Promise<[A, B]> {
	await Promise.allSettled([first, second]);
	return [await first, await second];
}
