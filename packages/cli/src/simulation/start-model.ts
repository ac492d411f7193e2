// The model that a run starts from, as a global checkpoint: a directory given by the user, the small base policy
// that comes with zk0, or random weights.
import { existsSync } from "node:fs";
import { resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { initWeights, memoryTensors, openCheckpoint, smallPreset, writeCheckpoint } from "@zk0/policy";
import { CliError } from "../cli-error.ts";
import type { RunConfig } from "../config/presets.ts";

/** What comes with zk0 for the small presets: a tokenizer, and a policy pretrained on other simulated tasks. */
const ASSETS = new URL("../../../../assets/", import.meta.url);
const BASE_DIR: string = fileURLToPath(new URL("small-base", ASSETS));
/** The bundled tokenizer of the small presets, with the names of SmolVLM2's special tokens. */
export const TOKENIZER_DIR: string = fileURLToPath(new URL("small/tokenizer", ASSETS));

/** The settings that choose the start. */
export type StartSettings = Pick<RunConfig, "init" | "preset" | "seed">;

/**
 * Writes the start as a global checkpoint: without statistics, so that it is nobody's in particular.
 * @throws CliError "bad-config"; PolicyError for a directory that is not a checkpoint
 */
export async function writeStartCheckpoint(dir: string, settings: StartSettings, cwd: string): Promise<void> {
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
	using start = await openCheckpoint(startDirectory(settings.init, cwd));
	const { config, vlm, model, tokenizerDir } = start;
	await writeCheckpoint(dir, { config, vlm, tensors: model.tensors, tokenizerDir });
}

/** The directory behind `--init`. */
function startDirectory(init: string, cwd: string): string {
	if (init === "bundled") return BASE_DIR;
	const dir = resolve(cwd, init);
	if (existsSync(dir)) return dir;
	throw new CliError("model-not-found", `there is no checkpoint at ${dir}`, {
		cure: "give --init the directory of a LeRobot SmolVLA checkpoint, or random",
	});
}
