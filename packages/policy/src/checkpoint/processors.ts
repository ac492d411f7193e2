// The two processor pipelines of a checkpoint: their JSON files and the safetensors files with statistics
// (spec of SmolVLA §10; LeRobot `processor/pipeline.py`). Step order is LeRobot's contract.
import { join } from "node:path";
import { float32Array, type NamedArrays, type NdArray } from "@zk0/arrays";
import { openSafetensors } from "@zk0/arrays/node";
import { z } from "zod";
import type { SmolVLAConfig } from "../config/policy-config.ts";
import { PolicyError } from "../errors.ts";
import type { Stats } from "../inputs/normalizer.ts";
import { POSTPROCESSOR, PREPROCESSOR, TOKENIZER_FOLDER } from "./layout.ts";
import { parseFile, readOptionalJson } from "./read-json.ts";

/** Dataset camera (or other observation) key -> policy key. */
export type RenameMap = Readonly<Record<string, string>>;

/** What a checkpoint's processors carry. */
export interface ProcessorState {
	readonly renameMap: RenameMap;
	/** Empty in a global checkpoint. */
	readonly stats: Stats;
}

const NORMALIZER_STATE = `${PREPROCESSOR}_step_5_normalizer_processor.safetensors`;
const UNNORMALIZER_STATE = `${POSTPROCESSOR}_step_0_unnormalizer_processor.safetensors`;

const pipeline = z.looseObject({
	steps: z.array(
		z.looseObject({
			registry_name: z.string().optional(),
			config: z.record(z.string(), z.unknown()).default({}),
			state_file: z
				.string()
				.regex(/^[^/\\]+\.safetensors$/, "a state file lies beside the pipeline")
				.optional(),
		}),
	),
});
const renameConfig = z.looseObject({ rename_map: z.record(z.string(), z.string()).default({}) });

function preprocessorJson(config: SmolVLAConfig, renameMap: RenameMap, hasStats: boolean): unknown {
	const features = { ...config.input_features, ...config.output_features };
	const normalizer = {
		registry_name: "normalizer_processor",
		config: { eps: 1e-8, features, norm_map: config.normalization_mapping },
	};
	return {
		name: PREPROCESSOR,
		steps: [
			{ registry_name: "rename_observations_processor", config: { rename_map: renameMap } },
			{ registry_name: "to_batch_processor", config: {} },
			{ registry_name: "smolvla_new_line_processor", config: {} },
			{
				registry_name: "tokenizer_processor",
				config: {
					max_length: config.tokenizer_max_length,
					task_key: "task",
					padding_side: "right",
					padding: config.pad_language_to,
					truncation: true,
					tokenizer_name: TOKENIZER_FOLDER,
				},
				artifacts: { tokenizer_name: TOKENIZER_FOLDER },
			},
			{ registry_name: "device_processor", config: { device: config.device ?? "cpu", float_dtype: null } },
			hasStats ? { ...normalizer, state_file: NORMALIZER_STATE } : normalizer,
		],
	};
}

function postprocessorJson(config: SmolVLAConfig, hasStats: boolean): unknown {
	const unnormalizer = {
		registry_name: "unnormalizer_processor",
		config: { eps: 1e-8, features: config.output_features, norm_map: config.normalization_mapping },
	};
	return {
		name: POSTPROCESSOR,
		steps: [
			hasStats ? { ...unnormalizer, state_file: UNNORMALIZER_STATE } : unnormalizer,
			{ registry_name: "device_processor", config: { device: "cpu", float_dtype: null } },
		],
	};
}

/** Statistics as `<feature>.<statistic>` float32 vectors; images' as `[3, 1, 1]`. */
function statsArrays(stats: Stats, config: SmolVLAConfig): NamedArrays {
	const arrays = new Map<string, NdArray>();
	for (const [feature, byName] of Object.entries(stats)) {
		const isImage = config.input_features[feature]?.type === "VISUAL";
		for (const [name, values] of Object.entries(byName)) {
			const vector = Float32Array.from(values);
			arrays.set(
				`${feature}.${name}`,
				float32Array(isImage && vector.length === 3 ? [3, 1, 1] : [vector.length], vector),
			);
		}
	}
	return arrays;
}

/** Files of the processors: JSON documents and safetensors contents by file name. */
export interface ProcessorFiles {
	readonly json: Readonly<Record<string, unknown>>;
	readonly arrays: Readonly<Record<string, NamedArrays>>;
}

/** The processors' files. Without statistics no state file is declared, which LeRobot accepts. */
export function processorFiles(config: SmolVLAConfig, { renameMap, stats }: ProcessorState): ProcessorFiles {
	const arrays = statsArrays(stats, config);
	const hasStats = arrays.size > 0;
	return {
		json: {
			[`${PREPROCESSOR}.json`]: preprocessorJson(config, renameMap, hasStats),
			[`${POSTPROCESSOR}.json`]: postprocessorJson(config, hasStats),
		},
		arrays: hasStats ? { [NORMALIZER_STATE]: arrays, [UNNORMALIZER_STATE]: arrays } : {},
	};
}

function readStats(path: string): Stats {
	const stats: Record<string, Record<string, Float32Array>> = {};
	try {
		using file = openSafetensors(path);
		for (const key of file.entries.keys()) {
			const dot = key.lastIndexOf(".");
			const feature = key.slice(0, dot);
			stats[feature] = { ...stats[feature], [key.slice(dot + 1)]: file.readFloat32(key).data };
		}
	} catch (cause) {
		throw new PolicyError("bad-checkpoint", "the statistics cannot be read", { cause, path });
	}
	return stats;
}

/**
 * Reads both pipelines of a checkpoint; undefined for one without processor files (older than LeRobot 0.4).
 * @throws PolicyError bad-checkpoint
 */
export async function readProcessors(directory: string): Promise<ProcessorState | undefined> {
	let renameMap: RenameMap = {};
	let stats: Stats = {};
	let hasFiles = false;
	for (const name of [POSTPROCESSOR, PREPROCESSOR]) {
		const path = join(directory, `${name}.json`);
		const json = await readOptionalJson(path);
		if (json === undefined) continue;
		hasFiles = true;
		for (const step of parseFile(pipeline, json, path).steps) {
			if (step.state_file !== undefined) {
				stats = { ...stats, ...readStats(join(directory, step.state_file)) };
			}
			if (step.registry_name === "rename_observations_processor") {
				renameMap = parseFile(renameConfig, step.config, path).rename_map;
			}
		}
	}
	return hasFiles ? { renameMap, stats } : undefined;
}
