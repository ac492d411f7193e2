// `hf:<user>/<name>[@revision]`: a checkpoint on the Hugging Face hub or in its cache.
import { existsSync } from "node:fs";
import { join } from "node:path";
import { type Environment, fetchModel, hubSettings, parseHubReference, type SnapshotContext } from "@zk0/hub";
import { parsePolicyConfig } from "../config/policy-config.ts";
import { SMOLVLM2_500M } from "../config/vlm-config.ts";
import {
	ADAPTER_CONFIG_FILE,
	ADAPTER_FILE,
	CONFIG_FILE,
	MODEL_FILE,
	TOKENIZER_FOLDER,
	VLM_FOLDER,
} from "./layout.ts";
import { readJson } from "./read-json.ts";

const CHECKPOINT_FILES =
	/^(?:[\w-]+\.json|(?:adapter_)?model\.safetensors|policy_[\w-]+\.safetensors|(?:tokenizer|vlm)\/[\w-]+\.(?:json|txt|jinja))$/;
const TOKENIZER_FILES = /^(?:tokenizer|tokenizer_config|special_tokens_map|added_tokens)\.json$/;
const BACKBONE_FILES = /^(?:config|tokenizer|tokenizer_config|special_tokens_map|added_tokens)\.json$/;

/** Where the hub's settings come from, and how the download is watched. */
export interface HubOptions extends Omit<SnapshotContext, "settings"> {
	readonly env: Environment;
}

/** A checkpoint from the hub, as `openCheckpoint` takes it. */
export interface HubCheckpoint {
	readonly directory: string;
	/** Folder with the backbone's tokenizer, for a checkpoint that does not carry one. */
	readonly vlmDir?: string;
}

/**
 * Brings a checkpoint of the hub into the cache, and its backbone's tokenizer where it has none; of an adapter the
 * adapter alone.
 * @throws HubError; PolicyError bad-checkpoint and the like for its config.json
 */
export async function resolveHubCheckpoint(
	reference: string,
	{ env, ...options }: HubOptions,
): Promise<HubCheckpoint> {
	const parsed = parseHubReference(reference);
	const context: SnapshotContext = { ...options, settings: await hubSettings(env) };
	const fetchWith = (...needed: string[]): Promise<string> =>
		fetchModel(parsed, { wanted: CHECKPOINT_FILES, needed }, context);
	let directory = await fetchWith(CONFIG_FILE);
	if (existsSync(join(directory, ADAPTER_CONFIG_FILE))) {
		const isWhole = existsSync(join(directory, ADAPTER_FILE));
		return { directory: isWhole ? directory : await fetchWith(CONFIG_FILE, ADAPTER_FILE) };
	}
	if (!existsSync(join(directory, MODEL_FILE))) directory = await fetchWith(CONFIG_FILE, MODEL_FILE);
	const own = [TOKENIZER_FOLDER, VLM_FOLDER].map((folder) => join(directory, folder, "tokenizer.json"));
	if (own.some((path) => existsSync(path))) return { directory };
	const backbone = parsePolicyConfig(await readJson(join(directory, CONFIG_FILE))).vlm_model_name;
	const isPublic = backbone === SMOLVLM2_500M; // its dimensions are known
	const choice = {
		wanted: isPublic ? TOKENIZER_FILES : BACKBONE_FILES,
		needed: ["tokenizer.json", "tokenizer_config.json", ...(isPublic ? [] : [CONFIG_FILE])],
	};
	return { directory, vlmDir: await fetchModel({ repo: backbone, revision: null }, choice, context) };
}
