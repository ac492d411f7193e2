// What the parent and a recording child process tell each other.
import { z } from "zod";

/** The child's argument. */
export const recordTaskSchema = z.strictObject({
	/** Where the dataset is to appear. */
	dir: z.string(),
	codec: z.enum(["av1", "h264"]),
	source: z.strictObject({
		tasks: z.array(z.string()).min(1).readonly(),
		episodes: z.int().min(1),
		seed: z.int().nonnegative(),
		image: z.strictObject({ height: z.int(), width: z.int() }),
		fps: z.int(),
		domain: z.union([z.string(), z.undefined()]).optional(),
		varyDomain: z.boolean(),
	}),
});

/** One recording to make. */
export type RecordTask = z.infer<typeof recordTaskSchema>;

/** The child's messages. */
export const recordMessageSchema = z.discriminatedUnion("kind", [
	z.object({ kind: z.literal("episode"), numDone: z.int() }),
	z.object({ kind: z.literal("done") }),
	z.object({ kind: z.literal("failed"), message: z.string(), code: z.string() }),
]);

/** A message of the child. */
export type RecordMessage = z.infer<typeof recordMessageSchema>;
