// The hyper-parameters of local training as they travel with a task, checked at the boundary.
// Names and defaults are the policy's optimizer fields (spec: smolvla §1, §9).
import { learningRateAt } from "@zk0/autodiff";
import type { JsonValue } from "@zk0/federation";
import { z } from "zod";
import { FinetuneError } from "./errors.ts";

const positive = z.number().positive();

/** Schema of {@link Learning}. */
export const learningSchema: z.ZodType<Learning> = z.strictObject({
	batchSize: z.int().min(1).max(4096),
	peakLr: positive,
	warmupSteps: z.int().nonnegative(),
	decaySteps: z.int().min(1),
	decayLr: z.number().nonnegative(),
	betas: z.tuple([z.number().min(0).lt(1), z.number().min(0).lt(1)]).readonly(),
	eps: positive,
	weightDecay: z.number().nonnegative(),
	gradClipNorm: positive.nullable(),
	keepOptimizerState: z.boolean(),
});

/** Hyper-parameters of local training. */
export interface Learning {
	/** Samples per optimizer step. */
	readonly batchSize: number;
	/** Learning rate at the end of the warm-up. */
	readonly peakLr: number;
	readonly warmupSteps: number;
	/** Steps of the cosine, counted from step 0; shrunk to the run's total when that is shorter. */
	readonly decaySteps: number;
	/** Learning rate at the end of the cosine. */
	readonly decayLr: number;
	/** AdamW's decay rates of the first and second moment. */
	readonly betas: readonly [number, number];
	readonly eps: number;
	readonly weightDecay: number;
	/** Largest total L2 norm of the gradients; null never clips. */
	readonly gradClipNorm: number | null;
	/** Keep AdamW's moments from round to round instead of starting them fresh. */
	readonly keepOptimizerState: boolean;
}

/** The optimizer fields of a policy's configuration that give a {@link Learning} its defaults. */
export interface OptimizerDefaults {
	readonly optimizer_lr: number;
	readonly optimizer_betas: readonly [number, number];
	readonly optimizer_eps: number;
	readonly optimizer_weight_decay: number;
	readonly optimizer_grad_clip_norm: number;
	readonly scheduler_warmup_steps: number;
	readonly scheduler_decay_steps: number;
	readonly scheduler_decay_lr: number;
}

/** The policy's own optimizer settings as {@link Learning}; LeRobot's default batch size of 8. */
export function defaultLearning(config: OptimizerDefaults): Learning {
	return {
		batchSize: 8,
		peakLr: config.optimizer_lr,
		warmupSteps: config.scheduler_warmup_steps,
		decaySteps: config.scheduler_decay_steps,
		decayLr: config.scheduler_decay_lr,
		betas: config.optimizer_betas,
		eps: config.optimizer_eps,
		weightDecay: config.optimizer_weight_decay,
		gradClipNorm: config.optimizer_grad_clip_norm,
		keepOptimizerState: false,
	};
}

/**
 * Checks hyper-parameters that came with a task.
 * @throws FinetuneError "bad-learning-config" naming each wrong field.
 */
export function parseLearning(json: unknown, site?: string): Learning {
	const parsed = learningSchema.safeParse(json);
	if (parsed.success) return parsed.data;
	throw new FinetuneError(
		"bad-learning-config",
		`the task's hyper-parameters are not valid: ${z.prettifyError(parsed.error)}`,
		{ cause: parsed.error, ...(site === undefined ? {} : { site }) },
	);
}

/** The hyper-parameters as JSON, for a federation's `learning`. */
export function learningJson(learning: Learning): JsonValue {
	return { ...learning, betas: [...learning.betas] };
}

/**
 * Learning rate of the federation's step `globalStep` (0-based) of `totalSteps`. It depends on the global step
 * alone, so it never restarts with a round and is the same for a site that missed rounds.
 */
export function learningRate(learning: Learning, globalStep: number, totalSteps: number): number {
	const { peakLr, warmupSteps, decaySteps, decayLr } = learning;
	return learningRateAt(globalStep, { peakLr, warmupSteps, decaySteps, decayLr, totalSteps });
}
