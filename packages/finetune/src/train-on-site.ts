// Training and evaluation of a site on an engine of a pool. When memory runs short, training goes on with smaller
// micro-batches from where it stood.
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { NamedArrays } from "@zk0/arrays";
import { FinetuneError } from "./errors.ts";
import type { Learning } from "./learning.ts";
import { createMicroBatching, type MicroBatching } from "./micro-batch.ts";
import type { OptimizerSettings, PolicyEngine, PolicyTrainer } from "./policy-engine.ts";
import type { Pool } from "./pool.ts";
import type { HeldOutResult, Site } from "./site.ts";
import {
	isMemoryPressure,
	type LocalTraining,
	type LocalTrainingResult,
	trainLocally,
} from "./train-locally.ts";
import { openTrainingCheckpoints, type TrainingCheckpoints } from "./training-checkpoints.ts";

/** What a site trains with; {@link trainLocally} without the parts that the site provides. */
export interface SiteTraining
	extends Omit<
		LocalTraining,
		"trainer" | "batches" | "microBatch" | "isMemoryShort" | "checkpoints" | "saveEvery" | "clock" | "site"
	> {
	/** The run's seed. */
	readonly seed: number;
	/** How the machine divides the batch. @default in one piece */
	readonly microBatching?: MicroBatching;
	/** Where the training is saved and goes on from, and after how many steps. @default nowhere */
	readonly saving?: { readonly checkpoints: TrainingCheckpoints; readonly everySteps: number };
	/** Milliseconds of a monotonic clock. @default performance.now */
	readonly clock?: () => number;
}

/** Trains a site's copy of the weights on an engine of the pool; see {@link trainLocally}. */
export async function trainOnSite(
	site: Site,
	pool: Pool<PolicyEngine>,
	training: SiteTraining,
): Promise<LocalTrainingResult> {
	const { signal, saving, microBatching = createMicroBatching() } = training;
	const work = async (checkpoints: TrainingCheckpoints): Promise<LocalTrainingResult> => {
		const saved = await checkpoints.latest();
		if (saved !== null) microBatching.limit(saved.microBatch);
		const complete = { ...training, microBatching, checkpoints };
		return await pool.use((engine) => trainInPieces(site, engine, complete), { signal });
	};
	if (saving !== undefined) return await work(saving.checkpoints);
	const scratch = await mkdtemp(join(tmpdir(), "zk0-training-"));
	try {
		return await work(
			openTrainingCheckpoints(scratch, { runId: "unnamed", site: site.data.name, numKept: 1 }),
		);
	} finally {
		await rm(scratch, { recursive: true, force: true });
	}
}

type CompleteTraining = SiteTraining & {
	readonly microBatching: MicroBatching;
	readonly checkpoints: TrainingCheckpoints;
};

/** Trains, and after memory pressure goes on from the checkpoint with the next smaller micro-batch. */
async function trainInPieces(
	site: Site,
	engine: PolicyEngine,
	training: CompleteTraining,
): Promise<LocalTrainingResult> {
	const { seed, learning, microBatching, clock = () => performance.now() } = training;
	const { batchSize } = learning;
	const { name } = site.data;
	for (;;) {
		const microBatch = microBatching.sizeFor(batchSize);
		try {
			const compiled = await compiledFor(site, engine, learning, microBatch);
			return await trainLocally({
				...training,
				trainer: compiled.trainer,
				batches: site.batches(engine, compiled, seed),
				microBatch,
				isMemoryShort: () => microBatching.isMemoryShort(batchSize),
				saveEvery: training.saving?.everySteps ?? null,
				clock,
				site: name,
			});
		} catch (error) {
			const why = shortageOf(error);
			if (why === null) throw error;
			if (microBatching.shrink(batchSize, { site: name, why }) === null) throw noRoom(error, name);
			await engine.releaseTrainer(site.shapeFor(microBatch), optimizerOf(learning));
		}
	}
}

function noRoom(cause: unknown, site: string): FinetuneError {
	const message =
		"not even one sample fits the memory that is left; close other programs or take a larger machine";
	return new FinetuneError("memory-pressure", message, { site, cause });
}

/** Why memory ran short, or null for another failure. */
function shortageOf(error: unknown): string | null {
	if (isMemoryPressure(error)) return error.message;
	return error instanceof Error && "code" in error && error.code === "out-of-memory" ? error.message : null;
}

function compiledFor(
	site: Site,
	engine: PolicyEngine,
	learning: Learning,
	microBatch: number,
): Promise<PolicyTrainer> {
	return engine.trainerFor(site.shapeFor(microBatch), optimizerOf(learning));
}

/** Arguments of {@link evaluateOnSite}. */
export interface SiteEvaluation {
	/** Every trained tensor. */
	readonly weights: NamedArrays;
	readonly learning: Learning;
	/** The run's seed. */
	readonly seed: number;
	/** As in the training whose compiled graphs it shares. @default in one piece */
	readonly microBatching?: MicroBatching;
	readonly signal?: AbortSignal | undefined;
	/** Told after each batch how many of them are done. */
	readonly onProgress?: (done: number, total: number) => void;
}

/** Held-out figures of the weights on a site; null when nothing is held out. */
export async function evaluateOnSite(
	site: Site,
	pool: Pool<PolicyEngine>,
	{ weights, learning, seed, microBatching = createMicroBatching(), signal, onProgress }: SiteEvaluation,
): Promise<HeldOutResult | null> {
	return await pool.use(
		async (engine) => {
			const microBatch = microBatching.sizeFor(learning.batchSize);
			const compiled = await compiledFor(site, engine, learning, microBatch);
			await compiled.trainer.loadParameters(weights);
			return await site.evaluate(engine, compiled, { seed, signal, onProgress });
		},
		{ signal },
	);
}

/** The settings a trainer is made with, and nothing else of the learning. */
function optimizerOf({ betas, eps, weightDecay, gradClipNorm }: Learning): OptimizerSettings {
	return { betas, eps, weightDecay, gradClipNorm };
}
