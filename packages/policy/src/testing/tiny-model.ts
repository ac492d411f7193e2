// A SmolVLA of a few thousand weights for tests: every part is there, and a graph runs in milliseconds.
// Test support; not exported from the package.
import { type NdArray, rng } from "@zk0/arrays";
import { parsePolicyConfig } from "../config/policy-config.ts";
import { parseVlmConfig } from "../config/vlm-config.ts";
import type { TrainingBatchContext } from "../inputs/batch.ts";
import type { Frame, PolicyImage } from "../inputs/frame.ts";
import { loadTokenizer } from "../language/tokenizer.ts";
import type { PolicyModel } from "../model/policy-model.ts";
import { initWeights } from "../weights/init-weights.ts";
import { memoryTensors } from "../weights/tensor-source.ts";

const CAMERAS = ["observation.images.top", "observation.images.wrist"];

/** The model and everything needed to make batches for it. */
export interface TinyPolicy {
	readonly model: PolicyModel;
	readonly weights: ReadonlyMap<string, NdArray<"float32">>;
	/** Noise and times for `batchSize` samples from one seed. */
	context(batchSize: number): TrainingBatchContext;
}

/** Two cameras of 16x16, four layers, chunks of four actions of three numbers; `overrides` go into config.json. */
export function tinyPolicy(overrides: Readonly<Record<string, unknown>> = {}): TinyPolicy {
	const image = { type: "VISUAL", shape: [3, 16, 16] };
	const config = parsePolicyConfig({
		input_features: {
			"observation.state": { type: "STATE", shape: [3] },
			...Object.fromEntries(CAMERAS.map((camera) => [camera, image])),
		},
		output_features: { action: { type: "ACTION", shape: [3] } },
		chunk_size: 4,
		n_action_steps: 4,
		max_state_dim: 4,
		max_action_dim: 5,
		resize_imgs_with_padding: [16, 16],
		tokenizer_max_length: 6,
		num_steps: 3,
		num_vlm_layers: 4,
		...overrides,
	});
	const vlm = parseVlmConfig({
		scale_factor: 2,
		vision_config: {
			hidden_size: 8,
			intermediate_size: 16,
			num_hidden_layers: 1,
			num_attention_heads: 2,
			image_size: 16,
			patch_size: 4,
			initializer_range: 0.3,
		},
		text_config: {
			hidden_size: 16,
			intermediate_size: 24,
			num_hidden_layers: 4,
			num_attention_heads: 4,
			num_key_value_heads: 2,
			vocab_size: 384,
			rms_norm_eps: 1e-5,
			initializer_range: 0.3,
		},
	});
	const weights = initWeights(config, vlm, 3);
	const tokenizer = loadTokenizer(new URL("../../assets/small/tokenizer", import.meta.url).pathname);
	const statistics = { mean: [1, 2, 3], std: [2, 2, 2] };
	return {
		model: { config, vlm, tensors: memoryTensors(weights), imageTokens: tokenizer.imageTokens },
		weights,
		context: (batchSize) => {
			const stream = rng(7, "tiny");
			const noise = Float32Array.from({ length: batchSize * 4 * config.max_action_dim }, () =>
				stream.normal(),
			);
			const time = Float32Array.from({ length: batchSize }, () => 0.001 + 0.999 * stream.beta15());
			const stats = { "observation.state": statistics, action: statistics };
			return { config, vlm, tokenizer, stats, noise, time };
		},
	};
}

/** A frame drawn from a seed; `cameras` are present. */
export function tinyFrame(seed: number, cameras: readonly string[] = CAMERAS): Frame {
	const stream = rng(seed, "frame");
	const image = (): PolicyImage => ({
		height: 16,
		width: 16,
		rgb: Uint8Array.from({ length: 3 * 16 * 16 }, () => stream.below(256)),
	});
	const tasks = ["Reach the red cube", "Push it", "Lift the blue cube now please"];
	return {
		images: new Map(cameras.map((camera) => [camera, image()])),
		state: Float32Array.from({ length: 3 }, () => stream.normal()),
		task: tasks[seed % tasks.length] ?? "",
		actions: Float32Array.from({ length: 12 }, () => stream.normal()),
	};
}
