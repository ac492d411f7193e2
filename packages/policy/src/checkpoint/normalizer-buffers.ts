// Statistics inside model.safetensors: how LeRobot kept them before it had processor files (0.3 and older), as buffers
// of three modules: `normalize_inputs.buffer_observation_state.mean`, `normalize_targets.buffer_action.std`,
// `unnormalize_outputs.buffer_action.std`. A data set's name may stand before "buffer" (`so100_buffer_action`).
import type { SafetensorsFile } from "@zk0/arrays/node";
import type { SmolVLAConfig } from "../config/policy-config.ts";
import { PolicyError } from "../errors.ts";
import type { Stats } from "../inputs/normalizer.ts";

const BUFFER =
	/^(?:normalize_inputs|normalize_targets|unnormalize_outputs)\.(?:(.+)[._])?buffer_(.+)\.([a-z0-9]+)$/;

/** True for the name of a tensor that is a normaliser's buffer and no weight. */
export function isNormalizerBuffer(name: string): boolean {
	return BUFFER.test(name);
}

/** The feature whose key had its dots replaced by underscores. */
function featureKey(mangled: string, config: SmolVLAConfig): string {
	const keys = [...Object.keys(config.input_features), ...Object.keys(config.output_features)];
	return keys.find((key) => key.replaceAll(".", "_") === mangled) ?? mangled;
}

/**
 * The statistics in a file's buffers, keyed as in processor files; a data set's name becomes the prefix
 * `so100.buffer.`. Buffers that LeRobot never filled (infinite) are left out.
 * @throws PolicyError bad-checkpoint when two modules disagree about a statistic
 */
export function bufferStats(file: SafetensorsFile, config: SmolVLAConfig): Stats {
	const stats: Record<string, Record<string, Float32Array>> = {};
	for (const tensor of file.entries.keys()) {
		const [, dataset, mangled, name] = BUFFER.exec(tensor) ?? [];
		if (mangled === undefined || name === undefined) continue;
		const values = file.readFloat32(tensor).data;
		if (values.every((value) => value === Number.POSITIVE_INFINITY)) continue;
		const feature = featureKey(mangled, config);
		const key = dataset === undefined ? feature : `${dataset}.buffer.${feature}`;
		const known = stats[key]?.[name];
		if (known !== undefined && !values.every((value, index) => Object.is(value, known[index]))) {
			throw new PolicyError("bad-checkpoint", `${tensor} contradicts another buffer of ${key}.${name}`, {
				path: file.path,
				key: tensor,
			});
		}
		stats[key] = { ...stats[key], [name]: values };
	}
	return stats;
}
