// What the small files of a checkpoint say before its weights are opened: configuration, adapter and base, backbone.
import { existsSync } from "node:fs";
import { join } from "node:path";
import { parsePolicyConfig, type SmolVLAConfig } from "../config/policy-config.ts";
import type { VlmConfig } from "../config/vlm-config.ts";
import { type AdapterBase, findBase } from "../lora/adapter-base.ts";
import type { AdapterConfig } from "../lora/adapter-config.ts";
import { readAdapterConfig } from "../lora/adapter-files.ts";
import { ADAPTER_CONFIG_FILE, CONFIG_FILE } from "./layout.ts";
import { type OpenOptions, readVlm } from "./parts.ts";
import { readJson } from "./read-json.ts";

/** What opening and inspecting a checkpoint begin with. */
export interface CheckpointDescription {
	readonly config: SmolVLAConfig;
	/** Null for a full model. */
	readonly described: AdapterConfig | null;
	/** The adapter's base; null for a full model. */
	readonly base: AdapterBase | null;
	/** Where to look for the backbone and the tokenizer. */
	readonly places: OpenOptions;
	readonly vlm: VlmConfig;
}

/**
 * Reads the description of the checkpoint in `directory`.
 * @throws PolicyError bad-checkpoint | unknown-key | bad-config | unsupported | missing-base | wrong-base
 */
export async function readDescription(
	directory: string,
	options: OpenOptions,
): Promise<CheckpointDescription> {
	const config = parsePolicyConfig(await readJson(join(directory, CONFIG_FILE)));
	const described = existsSync(join(directory, ADAPTER_CONFIG_FILE))
		? await readAdapterConfig(directory)
		: null;
	const base = described === null ? null : await findBase(directory, described, options);
	const places = base === null ? options : placesWith(base, options);
	const vlm = await readVlm(directory, config, places);
	return { config, described, base, places, vlm };
}

/** `options` with the base as a further place to look. */
function placesWith(base: AdapterBase, options: OpenOptions): OpenOptions {
	const vlmDir = options.vlmDir ?? base.vlmDir;
	return { ...options, baseDir: base.directory, ...(vlmDir === undefined ? {} : { vlmDir }) };
}
