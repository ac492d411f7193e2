// What a site has to know about a run beyond its tasks, as it travels in them: how to get the model that the run starts
// from (and what its bytes must be), how to split and evaluate its recordings, and the hyper-parameters.
import { FederationError, type JsonValue } from "@zk0/federation";
import type { RunRecord } from "@zk0/records";
import { z } from "zod";
import type { RunConfig } from "../config/presets.ts";

/** Schema of {@link RunSetup}. */
export const setupSchema = z.object({
	format: z.literal("zk0-setup-2"),
	start: z.object({
		init: z.string(),
		preset: z.enum(["tiny", "small", "full"]),
		seed: z.int(),
		loraRank: z.int().nullable(),
		loraAlpha: z.number().nullable(),
		loraFreezeA: z.boolean(),
		/** SHA-256 of the weights file that all sites must start from. */
		modelSha256: z.string(),
		/** The model's files as the server offers them: see start-files.ts. */
		files: z.string(),
	}),
	/** The fraction, or the episodes, that are not trained on. */
	site: z.object({
		heldOut: z.union([z.number(), z.array(z.int())]),
		evalFrames: z.int(),
		sampledFrames: z.int(),
		/** Servers before this setting do not name it. */
		evalLocal: z.boolean().default(false),
	}),
	learning: z.json(),
});

/** A run as its sites see it. */
export type RunSetup = z.infer<typeof setupSchema>;

/** The setup of a recorded run whose model's files are offered as `files`. */
export function setupOf(
	config: RunConfig,
	record: Pick<RunRecord, "learning"> & { readonly initial: Pick<RunRecord["initial"], "modelSha256"> },
	files: string,
): RunSetup {
	const { init, preset, seed, loraRank, loraAlpha, loraFreezeA } = config;
	const { heldOut, evalFrames, sampledFrames, evalLocal } = config;
	return {
		format: "zk0-setup-2",
		start: {
			init,
			preset,
			seed,
			loraRank,
			loraAlpha,
			loraFreezeA,
			modelSha256: record.initial.modelSha256,
			files,
		},
		site: {
			heldOut: typeof heldOut === "number" ? heldOut : [...heldOut],
			evalFrames,
			sampledFrames,
			evalLocal,
		},
		learning: record.learning,
	};
}

/** Reads a setup that came with a task. @throws FederationError bad-message */
export function parseSetup(json: JsonValue): RunSetup {
	const parsed = setupSchema.safeParse(json);
	if (parsed.success) return parsed.data;
	throw new FederationError("bad-message", `the run's setup: ${z.prettifyError(parsed.error)}`, {
		cause: parsed.error,
	});
}
