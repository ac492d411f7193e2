// The graphs whose outputs a cache may keep: one picture to its image tokens, and one frame's image tokens and words to
// keys and values. Each works on one picture or frame at a time, so that a result never depends on its neighbours, and
// an entry that was lost is computed again to the same bits.
import type { Graph } from "@zk0/autodiff";
import { PolicyError } from "../errors.ts";
import { type PrefixOptions, prefixLayout } from "../inputs/prefix-layout.ts";
import { dimsOf, hasFrozenPrefix, type PolicyModel } from "./policy-model.ts";
import { imageTokenValues, openStages, prefixValues } from "./smolvla.ts";

/** Feed and output names of keys and values: `prefix_key.<layer>`, `prefix_value.<layer>`. */
export function prefixName(part: "key" | "value", layer: number): string {
	return `prefix_${part}.${layer}`;
}

/** Name of the image tokens, as output of one graph and feed of the next. */
export const IMAGE_TOKENS = "image_tokens";

/**
 * Vision tower and connector for one picture: `images` `[1, 1, 3, H, W]` -> `image_tokens` `[1, 1, T, textWidth]`.
 * @throws PolicyError unsupported when the configuration trains them; missing-tensor | wrong-shape | no-camera
 */
export function buildImageTokensGraph(model: PolicyModel): Graph {
	requireFrozen(model);
	const [camera] = prefixLayout(model.config, dimsOf(model)).cameras;
	const stages = openStages(
		model,
		{ batchSize: 1, cameras: camera === undefined ? [] : [camera] },
		new Set(),
	);
	stages.graph.output(IMAGE_TOKENS, imageTokenValues(stages));
	return stages.graph.build();
}

/**
 * Language layers for one frame: `image_tokens` `[1, C, T, textWidth]`, `language_ids`, `prefix_bias` and
 * `prefix_positions` -> keys and values `[1, kvHeads, P, headDim]` of every layer.
 * @throws PolicyError as {@link buildImageTokensGraph}
 */
export function buildPrefixGraph(model: PolicyModel, options: PrefixOptions): Graph {
	requireFrozen(model);
	const stages = openStages(model, { ...options, batchSize: 1, from: "imageTokens" }, new Set());
	for (const [layer, { key, value }] of prefixValues(stages).layers.entries()) {
		stages.graph.output(prefixName("key", layer), key);
		stages.graph.output(prefixName("value", layer), value);
	}
	return stages.graph.build();
}

function requireFrozen(model: PolicyModel): void {
	if (hasFrozenPrefix(model)) return;
	throw new PolicyError("unsupported", "the prefix cannot be computed ahead: the configuration trains it", {
		key: "train_expert_only",
	});
}
