// LeRobot's SmolVLA `config.json`: keys, defaults and checks, with LeRobot's own names.
// Source: spec of SmolVLA §1; LeRobot `configuration_smolvla.py` and `configs/policies.py` (2026-08).
import { didYouMean } from "@zk0/arrays";
import { z } from "zod";
import { PolicyError } from "../errors.ts";

const featureType = z.enum(["STATE", "VISUAL", "ENV", "ACTION", "REWARD", "LANGUAGE"]);
const normalizationMode = z.enum(["IDENTITY", "MEAN_STD", "MIN_MAX", "QUANTILES", "QUANTILE10"]);
const feature = z.strictObject({ type: featureType, shape: z.array(z.int().positive()) });
const size = z.int().positive();
const count = z.int().nonnegative();

const rtcConfig = z.strictObject({
	enabled: z.boolean().default(true),
	mode: z.enum(["guided", "trained"]).default("guided"),
	prefix_attention_schedule: z.enum(["ZEROS", "ONES", "LINEAR", "EXP"]).default("LINEAR"),
	max_guidance_weight: z.number().positive().default(10),
	execution_horizon: size.default(10),
	debug: z.boolean().default(false),
	debug_maxlen: size.default(100),
});

const policyConfig = z.strictObject({
	type: z.literal("smolvla").default("smolvla"),
	n_obs_steps: size.default(1),
	input_features: z.record(z.string(), feature).default({}),
	output_features: z.record(z.string(), feature).default({}),
	device: z.string().nullable().default(null),
	use_amp: z.boolean().default(false),
	use_peft: z.boolean().default(false),
	push_to_hub: z.boolean().default(true),
	repo_id: z.string().nullable().default(null),
	private: z.boolean().nullable().default(null),
	tags: z.array(z.string()).nullable().default(null),
	license: z.string().nullable().default(null),
	pretrained_path: z.string().nullable().default(null),
	pretrained_revision: z.string().nullable().default(null),
	chunk_size: size.default(50),
	n_action_steps: size.default(50),
	normalization_mapping: z
		.partialRecord(featureType, normalizationMode)
		.default({ VISUAL: "IDENTITY", STATE: "MEAN_STD", ACTION: "MEAN_STD" }),
	max_state_dim: size.default(32),
	max_action_dim: size.default(32),
	resize_imgs_with_padding: z.tuple([size, size]).nullable().default([512, 512]),
	empty_cameras: count.default(0),
	adapt_to_pi_aloha: z.boolean().default(false),
	use_delta_joint_actions_aloha: z.boolean().default(false),
	tokenizer_max_length: size.default(48),
	num_steps: size.default(10),
	use_cache: z.boolean().default(true),
	freeze_vision_encoder: z.boolean().default(true),
	train_expert_only: z.boolean().default(true),
	train_state_proj: z.boolean().default(true),
	optimizer_lr: z.number().positive().default(1e-4),
	optimizer_betas: z.tuple([z.number(), z.number()]).default([0.9, 0.95]),
	optimizer_eps: z.number().positive().default(1e-8),
	optimizer_weight_decay: z.number().nonnegative().default(1e-10),
	optimizer_grad_clip_norm: z.number().nonnegative().default(10),
	scheduler_warmup_steps: count.default(1000),
	scheduler_decay_steps: size.default(30_000),
	scheduler_decay_lr: z.number().nonnegative().default(2.5e-6),
	vlm_model_name: z.string().default("HuggingFaceTB/SmolVLM2-500M-Video-Instruct"),
	load_vlm_weights: z.boolean().default(false),
	add_image_special_tokens: z.boolean().default(false),
	attention_mode: z.string().default("cross_attn"),
	prefix_length: z.int().default(-1),
	pad_language_to: z.enum(["longest", "max_length"]).default("longest"),
	num_expert_layers: z.int().default(-1),
	num_vlm_layers: z.int().default(16),
	self_attn_every_n_layers: z.int().default(2),
	expert_width_multiplier: z.number().positive().default(0.75),
	min_period: z.number().positive().default(4e-3),
	max_period: z.number().positive().default(4),
	rtc_config: rtcConfig.nullable().default(null),
	compile_model: z.boolean().default(false),
	compile_mode: z.string().default("max-autotune"),
});

/** A complete SmolVLA configuration with LeRobot's key names; the order of `input_features` is the token order of the cameras. */
export type SmolVLAConfig = z.infer<typeof policyConfig>;

/** Real-time chunking settings (`rtc_config`). */
export type RtcConfig = z.infer<typeof rtcConfig>;

/** How a feature is normalised. */
export type NormalizationMode = z.infer<typeof normalizationMode>;

/** Every key LeRobot accepts in a SmolVLA `config.json`. */
export const POLICY_CONFIG_KEYS: readonly string[] = Object.keys(policyConfig.shape);

/** What kind of feature a key of `input_features` or `output_features` is. */
export type FeatureType = z.infer<typeof featureType>;

function refuseUnknownKeys(json: unknown): void {
	if (typeof json !== "object" || json === null || Array.isArray(json)) {
		throw new PolicyError("bad-config", "the policy configuration is not a JSON object");
	}
	for (const key of Object.keys(json)) {
		if (POLICY_CONFIG_KEYS.includes(key)) continue;
		const suggestion = didYouMean(key, POLICY_CONFIG_KEYS);
		throw new PolicyError("unknown-key", `LeRobot knows no key "${key}"${suggestion}`, { key });
	}
}

function checkMeaning(config: SmolVLAConfig): void {
	if (config.n_action_steps > config.chunk_size) {
		throw new PolicyError(
			"bad-config",
			`n_action_steps ${config.n_action_steps} is larger than chunk_size ${config.chunk_size}`,
			{ key: "n_action_steps" },
		);
	}
	for (const key of ["adapt_to_pi_aloha", "use_delta_joint_actions_aloha"] as const) {
		if (config[key])
			throw new PolicyError("unsupported", `${key} is not supported; set it to false`, { key });
	}
	if (config.n_obs_steps !== 1) {
		throw new PolicyError("unsupported", `n_obs_steps ${config.n_obs_steps}; SmolVLA uses 1`, {
			key: "n_obs_steps",
		});
	}
	if (!["cross_attn", "self_attn"].includes(config.attention_mode)) {
		throw new PolicyError(
			"unsupported",
			`attention_mode "${config.attention_mode}" is not specified; use "cross_attn" or "self_attn"`,
			{ key: "attention_mode" },
		);
	}
	if (config.rtc_config?.enabled && config.rtc_config.mode === "trained") {
		throw new PolicyError("unsupported", 'SmolVLA cannot use rtc_config.mode "trained"; use "guided"', {
			key: "rtc_config",
		});
	}
}

/**
 * Checks a parsed `config.json` and fills in LeRobot's defaults.
 * @throws PolicyError unknown-key (naming the nearest known key) | bad-config | unsupported
 */
export function parsePolicyConfig(json: unknown): SmolVLAConfig {
	refuseUnknownKeys(json);
	const result = policyConfig.safeParse(json);
	if (!result.success) {
		throw new PolicyError("bad-config", z.prettifyError(result.error), { cause: result.error });
	}
	checkMeaning(result.data);
	return result.data;
}

/** Camera keys in token order: the VISUAL inputs, then the placeholders that `empty_cameras` adds. */
export function cameraKeys(config: SmolVLAConfig): readonly string[] {
	const configured = Object.entries(config.input_features)
		.filter(([, { type }]) => type === "VISUAL")
		.map(([key]) => key);
	const placeholders = Array.from(
		{ length: config.empty_cameras },
		(_, index) => `observation.images.empty_camera_${index}`,
	);
	return [...new Set([...configured, ...placeholders])];
}

function vectorLength(
	features: SmolVLAConfig["input_features"],
	key: string,
	type: FeatureType,
	limit: number,
): number {
	const found = features[key];
	const length = found?.shape[0];
	if (found?.type !== type || length === undefined || found.shape.length !== 1) {
		throw new PolicyError("bad-config", `${key} must be a ${type} feature with one dimension`, { key });
	}
	if (length > limit) {
		throw new PolicyError("bad-config", `${key} has ${length} numbers, the policy takes at most ${limit}`, {
			key,
		});
	}
	return length;
}

/** Length of `observation.state`. @throws PolicyError bad-config when absent or longer than max_state_dim */
export function stateLength(config: SmolVLAConfig): number {
	return vectorLength(config.input_features, "observation.state", "STATE", config.max_state_dim);
}

/** Length of one action. @throws PolicyError bad-config when absent or longer than max_action_dim */
export function actionLength(config: SmolVLAConfig): number {
	return vectorLength(config.output_features, "action", "ACTION", config.max_action_dim);
}
