// `hf:<user>/<name>[@revision]`: a checkpoint on the Hugging Face hub or in its cache.
import { existsSync } from "node:fs";
import { join } from "node:path";
import { type Environment, fetchSnapshot, hubSettings, parseHubReference } from "@zk0/hub";
import { parsePolicyConfig } from "../config/policy-config.ts";
import { SMOLVLM2_500M } from "../config/vlm-config.ts";
import { CONFIG_FILE, MODEL_FILE, TOKENIZER_FOLDER, VLM_FOLDER } from "./layout.ts";
import { readJson } from "./read-json.ts";

const CHECKPOINT_FILES =
	/^(?:[\w-]+\.json|model\.safetensors|policy_[\w-]+\.safetensors|(?:tokenizer|vlm)\/[\w-]+\.(?:json|txt|jinja))$/;
const TOKENIZER_FILES = /^(?:tokenizer|tokenizer_config|special_tokens_map|added_tokens)\.json$/;
const BACKBONE_FILES = /^(?:config|tokenizer|tokenizer_config|special_tokens_map|added_tokens)\.json$/;

/** Where the hub's settings come from. */
export interface HubOptions {
	readonly env: Environment;
	readonly signal?: AbortSignal;
}

/** A checkpoint from the hub, as `openCheckpoint` takes it. */
export interface HubCheckpoint {
	readonly directory: string;
	/** Folder with the backbone's tokenizer, for a checkpoint that does not carry one. */
	readonly vlmDir?: string;
}

/**
 * Brings a checkpoint of the hub into the cache, and its backbone's tokenizer where it has none.
 * @throws HubError; PolicyError bad-checkpoint and the like for its config.json
 */
export async function resolveHubCheckpoint(
	reference: string,
	{ env, signal }: HubOptions,
): Promise<HubCheckpoint> {
	const parsed = parseHubReference(reference);
	const settings = await hubSettings(env);
	const needed = [CONFIG_FILE, MODEL_FILE];
	const directory = await fetchSnapshot(parsed, { settings, wanted: CHECKPOINT_FILES, needed, signal });
	const own = [TOKENIZER_FOLDER, VLM_FOLDER].map((folder) => join(directory, folder, "tokenizer.json"));
	if (own.some((path) => existsSync(path))) return { directory };
	const backbone = parsePolicyConfig(await readJson(join(directory, CONFIG_FILE))).vlm_model_name;
	const isPublic = backbone === SMOLVLM2_500M; // its dimensions are known
	const vlmDir = await fetchSnapshot(
		{ repo: backbone, revision: null },
		{
			settings,
			wanted: isPublic ? TOKENIZER_FILES : BACKBONE_FILES,
			needed: ["tokenizer.json", "tokenizer_config.json", ...(isPublic ? [] : [CONFIG_FILE])],
			signal,
		},
	);
	return { directory, vlmDir };
}
