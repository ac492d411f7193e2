// The parts of a checkpoint directory, each found and read on its own: opening wants them all, inspection says which
// are missing.
import { stat } from "node:fs/promises";
import { join } from "node:path";
import { openSafetensors, type SafetensorsFile } from "@zk0/arrays/node";
import type { SmolVLAConfig } from "../config/policy-config.ts";
import { parseVlmConfig, SMOLVLM2_500M, smolvlm2Config, type VlmConfig } from "../config/vlm-config.ts";
import { PolicyError } from "../errors.ts";
import type { ImageTokenIds, Tokenizer } from "../language/tokenizer.ts";
import type { BaseOptions } from "../lora/adapter-base.ts";
import { CONFIG_FILE, MODEL_FILE, TOKENIZER_FOLDER, VLM_FOLDER } from "./layout.ts";
import { bufferStats } from "./normalizer-buffers.ts";
import { type ProcessorState, readProcessors } from "./processors.ts";
import { readOptionalJson } from "./read-json.ts";

/** SmolVLM2's `<fake_token_around_image>` and `<global-img>`, for a tokenizer that does not name them. */
const SMOLVLM2_IMAGE_TOKENS: ImageTokenIds = { fake: 49189, global: 49152 };

/** Where to look for what the directory lacks. */
export interface OpenOptions extends BaseOptions {
	/** Hugging Face folder of the backbone (config.json, tokenizer); default: `vlm/`, else the public backbone. */
	readonly vlmDir?: string;
}

async function exists(path: string): Promise<boolean> {
	return stat(path).then(
		() => true,
		() => false,
	);
}

/** The backbone's dimensions. @throws PolicyError bad-checkpoint when they are nowhere; bad-config */
export async function readVlm(
	directory: string,
	config: SmolVLAConfig,
	options: OpenOptions,
): Promise<VlmConfig> {
	const own = [directory, options.baseDir].filter((folder) => folder !== undefined);
	const folders = [options.vlmDir, ...own.map((folder) => join(folder, VLM_FOLDER))].filter(
		(folder) => folder !== undefined,
	);
	for (const folder of folders) {
		const json = await readOptionalJson(join(folder, CONFIG_FILE));
		if (json !== undefined) return parseVlmConfig(json);
	}
	if (config.vlm_model_name === SMOLVLM2_500M) return smolvlm2Config();
	throw new PolicyError(
		"bad-checkpoint",
		`the backbone ${config.vlm_model_name} is unknown: put its config.json and tokenizer files into ` +
			`${join(directory, VLM_FOLDER)}, or name the folder that has them`,
		{ path: directory },
	);
}

/** The folder with the tokenizer. @throws PolicyError bad-tokenizer when there is none */
export async function findTokenizer(directory: string, { vlmDir, baseDir }: OpenOptions): Promise<string> {
	const inBase = baseDir === undefined ? [] : [join(baseDir, TOKENIZER_FOLDER), join(baseDir, VLM_FOLDER)];
	const candidates = [join(directory, TOKENIZER_FOLDER), vlmDir, join(directory, VLM_FOLDER), ...inBase];
	for (const folder of candidates) {
		if (folder !== undefined && (await exists(join(folder, "tokenizer.json")))) return folder;
	}
	throw new PolicyError(
		"bad-tokenizer",
		`there is no tokenizer: put the backbone's tokenizer.json and tokenizer_config.json into ` +
			join(directory, TOKENIZER_FOLDER),
		{ path: directory },
	);
}

/** Opens the tensors; the caller closes them. @throws PolicyError bad-checkpoint */
export function openWeights(directory: string): SafetensorsFile {
	const path = join(directory, MODEL_FILE);
	try {
		return openSafetensors(path);
	} catch (cause) {
		throw new PolicyError("bad-checkpoint", "the weights cannot be read; copy the file again", {
			cause,
			path,
		});
	}
}

/** What belongs to one site, wherever the checkpoint keeps it. */
export interface SiteState extends ProcessorState {
	/** Processor files, or buffers among the weights in checkpoints older than those. */
	readonly statsFrom: "processors" | "weights" | "none";
}

/** Statistics and camera map of a checkpoint whose weights are open. @throws PolicyError bad-checkpoint */
export async function readSiteState(
	directory: string,
	config: SmolVLAConfig,
	file: SafetensorsFile,
): Promise<SiteState> {
	const processors = await readProcessors(directory);
	if (processors !== undefined) {
		const hasStats = Object.keys(processors.stats).length > 0;
		return { ...processors, statsFrom: hasStats ? "processors" : "none" };
	}
	const stats = bufferStats(file, config);
	return { stats, renameMap: {}, statsFrom: Object.keys(stats).length > 0 ? "weights" : "none" };
}

/** Ids of the tokens around images: the tokenizer's own, else those of the public backbone. */
export function imageTokensOf(config: SmolVLAConfig, tokenizer: Tokenizer): ImageTokenIds | null {
	return tokenizer.imageTokens ?? (config.vlm_model_name === SMOLVLM2_500M ? SMOLVLM2_IMAGE_TOKENS : null);
}
