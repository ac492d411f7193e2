// Checkpoints inside one training: the trainer's tensors and moments with the position they belong to, one safetensors
// file per saved step, written atomically. Learning rate, sampler and noise are functions of step and position alone,
// so a training that goes on from a checkpoint ends at the bits of one that was never interrupted.

import { mkdir, readdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { codeOf } from "@zk0/arrays";
import { openSafetensors } from "@zk0/arrays/node";
import type { Trainer } from "@zk0/autodiff";
import { z } from "zod";
import { FinetuneError } from "./errors.ts";

/** Where a training stands after some of its steps. */
export interface TrainingProgress {
	/** Steps made. */
	readonly step: number;
	/** Samples consumed by the site so far: the position in its sample sequence. */
	readonly samplesConsumed: number;
	/** Samples of one pass through the graph when it was saved. */
	readonly microBatch: number;
	/** Sums over the steps made, for the means that are reported at the end. */
	readonly lossSum: number;
	readonly gradNormSum: number;
	/** Of the last step made; 0 before the first. */
	readonly lastLoss: number;
	readonly proximalLoss: number;
}

/** The checkpoints of one training. */
export interface TrainingCheckpoints {
	/**
	 * The latest checkpoint's progress; null when there is none.
	 * @throws FinetuneError "bad-training-state" when it is damaged or of another training
	 */
	latest(): Promise<TrainingProgress | null>;
	/** Loads the latest checkpoint into the trainer; null, and nothing happens, when there is none. @throws as `latest` */
	restore(trainer: Trainer): Promise<TrainingProgress | null>;
	/** Writes a checkpoint durably, then drops the oldest ones. */
	save(trainer: Trainer, progress: TrainingProgress): Promise<void>;
}

/** Options of {@link openTrainingCheckpoints}. */
export interface TrainingCheckpointsOptions {
	/** Names the training; a checkpoint of another one is refused. */
	readonly runId: string;
	readonly site: string;
	/** Checkpoints to keep, at least 1. */
	readonly numKept: number;
}

const FORMAT = "zk0-training-checkpoint-1";
const count = z.coerce.number().int().nonnegative();

const metadataSchema = z.object({
	format: z.literal(FORMAT),
	run: z.string(),
	site: z.string(),
	step: count,
	samplesConsumed: count,
	microBatch: count,
	lossSum: z.coerce.number(),
	gradNormSum: z.coerce.number(),
	lastLoss: z.coerce.number(),
	proximalLoss: z.coerce.number(),
});

const FILE = /^step_(\d{6,})\.safetensors$/;

function fileName(step: number): string {
	return `step_${String(step).padStart(6, "0")}.safetensors`;
}

/** The checkpoints in `dir`, which is made at the first save and must have no other writer. */
export function openTrainingCheckpoints(
	dir: string,
	{ runId, site, numKept }: TrainingCheckpointsOptions,
): TrainingCheckpoints {
	if (!Number.isSafeInteger(numKept) || numKept < 1) {
		throw new RangeError(`openTrainingCheckpoints: numKept is ${numKept}, expected at least 1`);
	}
	/** Steps with a checkpoint, ascending; files that a killed process left unfinished are removed. */
	const steps = async (): Promise<number[]> => {
		const found: number[] = [];
		for (const name of await listIfPresent(dir)) {
			const match = FILE.exec(name);
			if (match !== null) found.push(Number(match[1]));
			else if (name.startsWith("step_")) await rm(join(dir, name), { force: true });
		}
		return found.sort((a, b) => a - b);
	};
	const pathOf = (step: number): string => join(dir, fileName(step));
	const fail = (path: string, why: string, cause?: unknown): FinetuneError =>
		new FinetuneError(
			"bad-training-state",
			`${path} ${why}. Delete it to go on from the checkpoint before, or from the start when there is none`,
			{ site, cause },
		);
	const latest = async (): Promise<TrainingProgress | null> => {
		const step = (await steps()).at(-1);
		if (step === undefined) return null;
		const path = pathOf(step);
		const parsed = metadataSchema.safeParse(readMetadata(path, fail));
		if (!parsed.success) throw fail(path, "is not a checkpoint of a training", parsed.error);
		const { format: _, run, site: owner, ...progress } = parsed.data;
		if (run !== runId || owner !== site || progress.step !== step) {
			throw fail(path, `belongs to run ${run}, site ${owner}, step ${progress.step}`);
		}
		return progress;
	};
	return {
		latest,
		async restore(trainer) {
			const progress = await latest();
			if (progress === null) return null;
			try {
				await trainer.loadState(pathOf(progress.step));
			} catch (cause) {
				throw fail(pathOf(progress.step), "cannot be loaded", cause);
			}
			return progress;
		},
		async save(trainer, progress) {
			await mkdir(dir, { recursive: true });
			const numbers = Object.entries(progress).map(([key, value]) => [key, String(value)]);
			await trainer.saveState(pathOf(progress.step), {
				...Object.fromEntries(numbers),
				format: FORMAT,
				run: runId,
				site,
			});
			for (const old of (await steps()).slice(0, -numKept)) await rm(pathOf(old));
		},
	};
}

function readMetadata(
	path: string,
	fail: (path: string, why: string, cause: unknown) => FinetuneError,
): unknown {
	try {
		using file = openSafetensors(path);
		return file.metadata;
	} catch (cause) {
		throw fail(path, "cannot be read", cause);
	}
}

async function listIfPresent(dir: string): Promise<string[]> {
	try {
		return await readdir(dir);
	} catch (error) {
		if (codeOf(error) === "ENOENT") return [];
		throw error;
	}
}
