// Opens a LeRobot SmolVLA checkpoint directory, ours or LeRobot's own.
import { stat } from "node:fs/promises";
import { join, resolve } from "node:path";
import { openSafetensors, type SafetensorsFile } from "@zk0/arrays/node";
import { parsePolicyConfig, type SmolVLAConfig } from "../config/policy-config.ts";
import { parseVlmConfig, SMOLVLM2_500M, smolvlm2Config, type VlmConfig } from "../config/vlm-config.ts";
import { PolicyError } from "../errors.ts";
import { coversFeatures, type Stats } from "../inputs/normalizer.ts";
import { loadTokenizer, type Tokenizer } from "../language/tokenizer.ts";
import type { PolicyModel } from "../model/policy-model.ts";
import { checkTensors, fileTensors } from "../weights/tensor-source.ts";
import { CONFIG_FILE, MODEL_FILE, TOKENIZER_FOLDER, VLM_FOLDER } from "./layout.ts";
import { type RenameMap, readProcessors } from "./processors.ts";
import { readJson, readOptionalJson } from "./read-json.ts";
import { type CheckpointKind, readKind } from "./sidecar.ts";

/** An open checkpoint; holds model.safetensors open, close it with `using`. */
export interface Checkpoint extends Disposable {
	/** Absolute. */
	readonly directory: string;
	readonly config: SmolVLAConfig;
	readonly vlm: VlmConfig;
	readonly file: SafetensorsFile;
	/** For building graphs; valid while the checkpoint is open. */
	readonly model: PolicyModel;
	readonly tokenizer: Tokenizer;
	/** Folder the tokenizer was loaded from. */
	readonly tokenizerDir: string;
	/** Dataset observation key -> policy key. */
	readonly renameMap: RenameMap;
	/** Normalisation statistics; empty in a global checkpoint. */
	readonly stats: Stats;
	/** What we marked it as; null for a checkpoint written by someone else. */
	readonly kind: CheckpointKind | null;
	/** True when its statistics cover state and action and it is not marked as global. */
	readonly isBound: boolean;
}

/** Where to look for what the directory lacks. */
export interface OpenOptions {
	/** Hugging Face folder of the backbone (config.json, tokenizer); default: `vlm/`, else the public backbone. */
	readonly vlmDir?: string;
}

async function exists(path: string): Promise<boolean> {
	return stat(path).then(
		() => true,
		() => false,
	);
}

async function readVlm(directory: string, config: SmolVLAConfig, options: OpenOptions): Promise<VlmConfig> {
	const folders = [options.vlmDir, join(directory, VLM_FOLDER)].filter((folder) => folder !== undefined);
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

async function findTokenizer(directory: string, { vlmDir }: OpenOptions): Promise<string> {
	const candidates = [join(directory, TOKENIZER_FOLDER), vlmDir, join(directory, VLM_FOLDER)];
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

function openWeights(directory: string): SafetensorsFile {
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

/**
 * Opens a checkpoint directory and checks configuration, tensors and statistics.
 * @throws PolicyError bad-checkpoint | unknown-key | bad-config | unsupported | missing-tensor | wrong-shape |
 * bad-stats | bad-tokenizer
 */
export async function openCheckpoint(path: string, options: OpenOptions = {}): Promise<Checkpoint> {
	const directory = resolve(path);
	const config = parsePolicyConfig(await readJson(join(directory, CONFIG_FILE)));
	const vlm = await readVlm(directory, config, options);
	const tokenizerDir = await findTokenizer(directory, options);
	const tokenizer = loadTokenizer(tokenizerDir);
	const { renameMap, stats } = await readProcessors(directory);
	const kind = await readKind(directory);
	const isBound = coversFeatures(config, stats) && kind !== "global";
	const file = openWeights(directory);
	try {
		const tensors = fileTensors(file);
		checkTensors(tensors, config, vlm);
		const model = { config, vlm, tensors, imageTokens: tokenizer.imageTokens };
		return {
			directory,
			config,
			vlm,
			file,
			model,
			tokenizer,
			tokenizerDir,
			renameMap,
			stats,
			kind,
			isBound,
			[Symbol.dispose]: () => file[Symbol.dispose](),
		};
	} catch (error) {
		file[Symbol.dispose]();
		throw error;
	}
}

/**
 * Refuses a checkpoint whose statistics do not cover its states and actions: its actions would not be in any robot's
 * units (LeRobot would pass them through silently).
 * @throws PolicyError not-bound
 */
export function assertDeployable(checkpoint: Checkpoint): void {
	if (checkpoint.isBound) return;
	const why =
		checkpoint.kind === "global"
			? "it is a federation's global model and carries no statistics"
			: "it has no statistics of observation.state and action";
	throw new PolicyError(
		"not-bound",
		`${why}; join it with a site's: zk0 model bind ${checkpoint.directory} <dataset>`,
		{ path: checkpoint.directory },
	);
}
