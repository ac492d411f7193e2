// File names of a LeRobot `pretrained_model` directory (spec of SmolVLA §10) and of what we add to it.
//
// LeRobot takes the vision and language dimensions and the processor from the model that `vlm_model_name` names, not
// from the checkpoint. A checkpoint of another backbone than the public one therefore carries it in `vlm/`: a Hugging
// Face folder (config.json, tokenizer and processor files) without weights. config.json may hold no key that LeRobot
// does not know, and a relative `vlm_model_name` resolves against the working directory; so ours is "vlm", which works
// from inside the directory, and elsewhere is overridden: `--policy.vlm_model_name=<checkpoint>/vlm`.

import { existsSync } from "node:fs";
import { join } from "node:path";

/** Policy configuration. */
export const CONFIG_FILE = "config.json";
/** All tensors. */
export const MODEL_FILE = "model.safetensors";
/** Structure of an adapter, as peft names it; then MODEL_FILE is absent, and the base has it. */
export const ADAPTER_CONFIG_FILE = "adapter_config.json";
/** An adapter's tensors. */
export const ADAPTER_FILE = "adapter_model.safetensors";
/** Name of the pipeline before the policy, and of its JSON file. */
export const PREPROCESSOR = "policy_preprocessor";
/** Name of the pipeline after the policy, and of its JSON file. */
export const POSTPROCESSOR = "policy_postprocessor";
/** Folder with the tokenizer's files. */
export const TOKENIZER_FOLDER = "tokenizer";
/** Folder with the backbone's configuration, for backbones that are not published. */
export const VLM_FOLDER = "vlm";
/** What LeRobot has no place for; it ignores the file. */
export const SIDECAR_FILE = "zk0.json";

/** The file with what was trained: an adapter's tensors, or those of the full model. */
export function weightsPath(directory: string): string {
	const isAdapter = existsSync(join(directory, ADAPTER_CONFIG_FILE));
	return join(directory, isAdapter ? ADAPTER_FILE : MODEL_FILE);
}
