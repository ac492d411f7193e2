// The model that a run starts from, as a global checkpoint: a checkpoint named by the user, the small base policy
// that comes with zk0, or random weights.
import { fileURLToPath } from "node:url";
import { initWeights, memoryTensors, smallPreset, writeCheckpoint } from "@zk0/policy";
import { CliError } from "../cli-error.ts";
import type { RunConfig } from "../config/presets.ts";
import { type ModelPlace, openModel } from "../evaluation/open-policy.ts";

/** What comes with zk0 for the small presets: a tokenizer, and a policy pretrained on other simulated tasks. */
const ASSETS = new URL("../../../../assets/", import.meta.url);
const BASE_DIR: string = fileURLToPath(new URL("small-base", ASSETS));
/** The bundled tokenizer of the small presets, with the names of SmolVLM2's special tokens. */
export const TOKENIZER_DIR: string = fileURLToPath(new URL("small/tokenizer", ASSETS));

/** The settings that choose the start. */
export type StartSettings = Pick<RunConfig, "init" | "preset" | "seed">;

/**
 * Writes the start as a global checkpoint: without statistics, so that it is nobody's in particular.
 * @throws CliError "bad-config" or "model-not-found"; PolicyError for what is not a checkpoint
 */
export async function writeStartCheckpoint(
	dir: string,
	settings: StartSettings,
	place: ModelPlace,
): Promise<void> {
	if (settings.init === "random") {
		if (settings.preset === "full") {
			throw new CliError("bad-config", "random weights have the small presets' size, not that of full", {
				cure: "give --init <dir> with a SmolVLA checkpoint",
			});
		}
		const { config, vlm } = smallPreset();
		const tensors = memoryTensors(initWeights(config, vlm, settings.seed));
		await writeCheckpoint(dir, { config, vlm, tensors, tokenizerDir: TOKENIZER_DIR });
		return;
	}
	using start = await openModel(settings.init === "bundled" ? BASE_DIR : settings.init, place);
	const { config, vlm, model, tokenizerDir } = start;
	await writeCheckpoint(dir, { config, vlm, tensors: model.tensors, tokenizerDir });
}
