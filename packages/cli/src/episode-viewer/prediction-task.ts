// What the viewer and its predicting child process tell each other.
import { z } from "zod";

const numbers = z.record(z.string(), z.array(z.number()));

/** What joins an unbound model with the recordings: see `SiteBinding`. */
export const bindingSchema = z.strictObject({
	stats: z.record(z.string(), numbers),
	renameMap: z.record(z.string(), z.string()),
	stateLength: z.int(),
	actionLength: z.int(),
});

/** The first message to the child. */
export const predictionTaskSchema = z.strictObject({
	/** A checkpoint's directory. */
	checkpoint: z.string(),
	/** Where an adapter's base and a backbone's tokenizer lie, when not where the checkpoint says. */
	baseDir: z.string().optional(),
	vlmDir: z.string().optional(),
	/** Trained tensors (safetensors) that replace the checkpoint's; null: none do. */
	weights: z.string().nullable(),
	/** Null: the checkpoint is bound. */
	binding: bindingSchema.nullable(),
	dataset: z.strictObject({
		root: z.string(),
		episodes: z.array(z.int()).nullable(),
		cameras: z.array(z.string()).nullable(),
		toleranceS: z.number(),
	}),
	episode: z.int(),
	every: z.int().nullable(),
	seed: z.int(),
	threads: z.int(),
	device: z.enum(["cpu", "webgpu", "cuda", "auto"]),
	/** Where the prediction is written, as `zk0 predict` writes it. */
	out: z.string(),
});

/** One episode to predict. */
export type PredictionTask = z.infer<typeof predictionTaskSchema>;

/** The child's messages. */
export const predictionMessageSchema = z.discriminatedUnion("kind", [
	z.object({ kind: z.literal("frames"), done: z.int(), frames: z.int() }),
	z.object({ kind: z.literal("done") }),
	z.object({ kind: z.literal("failed"), message: z.string(), cure: z.string().nullable() }),
]);

/** A message of the child. */
export type PredictionMessage = z.infer<typeof predictionMessageSchema>;
