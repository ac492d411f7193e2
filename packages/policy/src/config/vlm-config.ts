// Hugging Face's SmolVLM `config.json`, as far as SmolVLA depends on it: LeRobot takes the vision and language
// dimensions from here and not from the policy's checkpoint. Other keys are kept nowhere and ignored.
// Source: transformers 5.12 `configuration_smolvlm.py`; SmolVLM2-500M values from the SmolVLA spec §2.
import { z } from "zod";
import { PolicyError } from "../errors.ts";

const size = z.int().positive();

const visionConfig = z.object({
	hidden_size: size.default(1152),
	intermediate_size: size.default(3072),
	num_hidden_layers: size.default(12),
	num_attention_heads: size.default(16),
	num_channels: z.literal(3).default(3),
	image_size: size.default(224),
	patch_size: size.default(32),
	hidden_act: z.literal("gelu_pytorch_tanh").default("gelu_pytorch_tanh"),
	layer_norm_eps: z.number().positive().default(1e-6),
	initializer_range: z.number().positive().default(0.02),
});

const textConfig = z
	.object({
		hidden_size: size.default(4096),
		intermediate_size: size.default(11008),
		num_hidden_layers: size.default(32),
		num_attention_heads: size.default(32),
		num_key_value_heads: size.optional(),
		head_dim: size.nullish(),
		vocab_size: size.default(32000),
		rms_norm_eps: z.number().positive().default(1e-6),
		hidden_act: z.literal("silu").default("silu"),
		attention_bias: z.literal(false).default(false),
		mlp_bias: z.literal(false).default(false),
		initializer_range: z.number().positive().default(0.02),
	})
	.transform((text) => ({
		...text,
		num_key_value_heads: text.num_key_value_heads ?? text.num_attention_heads,
		head_dim: text.head_dim ?? Math.floor(text.hidden_size / text.num_attention_heads),
	}));

const vlmConfig = z.object({
	model_type: z.literal("smolvlm").default("smolvlm"),
	scale_factor: size.default(2),
	vision_config: visionConfig,
	text_config: textConfig,
});

/** The language-and-vision backbone's dimensions with Hugging Face's key names. */
export type VlmConfig = z.infer<typeof vlmConfig>;

/** @throws PolicyError bad-config when a needed key is malformed or asks for another architecture */
export function parseVlmConfig(json: unknown): VlmConfig {
	const result = vlmConfig.safeParse(json);
	if (!result.success) {
		throw new PolicyError("bad-config", `SmolVLM configuration: ${z.prettifyError(result.error)}`, {
			cause: result.error,
		});
	}
	return result.data;
}

/** The name under which LeRobot's default backbone is published. */
export const SMOLVLM2_500M = "HuggingFaceTB/SmolVLM2-500M-Video-Instruct";

/** Dimensions of {@link SMOLVLM2_500M}, the backbone of smolvla_base. */
export function smolvlm2Config(): VlmConfig {
	return parseVlmConfig({
		scale_factor: 4,
		vision_config: {
			hidden_size: 768,
			intermediate_size: 3072,
			num_hidden_layers: 12,
			num_attention_heads: 12,
			image_size: 512,
			patch_size: 16,
		},
		text_config: {
			hidden_size: 960,
			intermediate_size: 2560,
			num_hidden_layers: 32,
			num_attention_heads: 15,
			num_key_value_heads: 5,
			vocab_size: 49280,
			rms_norm_eps: 1e-5,
		},
	});
}
