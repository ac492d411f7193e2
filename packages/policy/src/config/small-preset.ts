// The small preset: a SmolVLA of about a million parameters that fine-tunes in seconds on two cores.
// Same architecture as smolvla_base, other dimensions; its backbone configuration travels in the checkpoint's
// `vlm/` folder (see checkpoint/layout.ts).
import { parsePolicyConfig, type SmolVLAConfig } from "./policy-config.ts";
import { parseVlmConfig, type VlmConfig } from "./vlm-config.ts";

/** Vocabulary size of the small preset: the own tokenizer fills it or leaves rows unused. */
export const SMALL_VOCAB_SIZE = 384;

/** Configuration of the small preset: two cameras of 96x96, six joints, chunks of 16 actions. */
export function smallPreset(): { config: SmolVLAConfig; vlm: VlmConfig } {
	const image = { type: "VISUAL", shape: [3, 96, 96] };
	const config = parsePolicyConfig({
		input_features: {
			"observation.state": { type: "STATE", shape: [6] },
			"observation.images.top": image,
			"observation.images.wrist": image,
		},
		output_features: { action: { type: "ACTION", shape: [6] } },
		push_to_hub: false,
		chunk_size: 16,
		n_action_steps: 8,
		max_state_dim: 8,
		max_action_dim: 8,
		resize_imgs_with_padding: [96, 96],
		tokenizer_max_length: 16,
		num_steps: 10,
		num_vlm_layers: 4,
		optimizer_lr: 1e-3,
		scheduler_decay_lr: 2.5e-5,
		vlm_model_name: "vlm",
		pad_language_to: "max_length",
	});
	const vlm = parseVlmConfig({
		scale_factor: 2,
		vision_config: {
			hidden_size: 96,
			intermediate_size: 256,
			num_hidden_layers: 3,
			num_attention_heads: 3,
			image_size: 96,
			patch_size: 12,
			initializer_range: 0.1,
		},
		text_config: {
			hidden_size: 96,
			intermediate_size: 192,
			num_hidden_layers: 4,
			num_attention_heads: 3,
			num_key_value_heads: 1,
			vocab_size: SMALL_VOCAB_SIZE,
			rms_norm_eps: 1e-5,
			initializer_range: 0.1,
		},
	});
	return { config, vlm };
}
