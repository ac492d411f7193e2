// peft's `adapter_config.json` (LoraConfig, peft 0.20): what it says about an adapter's structure, and the document for
// one of ours. Options that change what the adapter computes and that zk0 does not have are refused, not ignored.
import { z } from "zod";
import type { SmolVLAConfig } from "../config/policy-config.ts";
import type { VlmConfig } from "../config/vlm-config.ts";
import { PolicyError } from "../errors.ts";
import { DEFAULT_TARGETS, defaultLoraModules, type LoraAdapter } from "./adapter.ts";

/** The keys that matter; peft writes some thirty more, which are at their defaults for a plain LoRA. */
const schema = z.looseObject({
	peft_type: z.string(),
	base_model_name_or_path: z.string().nullish(),
	revision: z.string().nullish(),
	r: z.int().positive().default(8),
	lora_alpha: z.number().positive().default(8),
	modules_to_save: z.array(z.string()).nullish(),
});

/** Keys that must have one of these values: any other computes something else than plain LoRA. */
const REFUSED: Readonly<Record<string, readonly unknown[]>> = {
	peft_type: ["LORA"],
	bias: ["none"],
	use_rslora: [false],
	use_dora: [false],
	use_qalora: [false],
	use_bdlora: [null],
	fan_in_fan_out: [false],
	lora_bias: [false],
	layer_replication: [null],
	target_parameters: [null],
	trainable_token_indices: [null],
	alora_invocation_tokens: [null],
	arrow_config: [null],
	kasa_config: [null],
	velora_config: [null],
	monteclora_config: [null],
};

/** What an adapter says about itself. */
export interface AdapterConfig {
	readonly rank: number;
	readonly alpha: number;
	/** The full model's directory or Hugging Face name, as written; null when absent. */
	readonly baseName: string | null;
	readonly baseRevision: string | null;
}

function isEmpty(value: unknown): boolean {
	return typeof value === "object" && value !== null && Object.keys(value).length === 0;
}

/**
 * Reads a parsed `adapter_config.json`; `path` is named in errors.
 * @throws PolicyError bad-checkpoint | unsupported
 */
export function parseAdapterConfig(json: unknown, path: string): AdapterConfig {
	const parsed = schema.safeParse(json);
	if (!parsed.success) {
		throw new PolicyError("bad-checkpoint", z.prettifyError(parsed.error), { cause: parsed.error, path });
	}
	for (const [key, accepted] of Object.entries(REFUSED)) {
		const value = parsed.data[key];
		if (value === undefined || value === null || accepted.includes(value)) continue;
		throw new PolicyError(
			"unsupported",
			`${key} is ${JSON.stringify(value)}; zk0 reads plain LoRA adapters; merge this one with peft first`,
			{ path, key },
		);
	}
	for (const key of ["rank_pattern", "alpha_pattern"]) {
		const value = parsed.data[key];
		if (value === undefined || value === null || isEmpty(value)) continue;
		throw new PolicyError("unsupported", `${key} gives modules ranks or scales of their own`, { path, key });
	}
	const { r, lora_alpha: alpha, base_model_name_or_path: base, revision } = parsed.data;
	return { rank: r, alpha, baseName: base ?? null, baseRevision: revision ?? null };
}

/** `adapter_config.json` for an adapter on the model that `base` names. */
export function adapterConfigJson(
	adapter: LoraAdapter,
	base: { readonly name: string; readonly revision: string | null },
	{ config, vlm }: { readonly config: SmolVLAConfig; readonly vlm: VlmConfig },
): unknown {
	const isDefault = adapter.modules.join() === defaultLoraModules(config, vlm).join();
	return {
		peft_type: "LORA",
		auto_mapping: {
			base_model_class: "SmolVLAPolicy",
			parent_library: "lerobot.policies.smolvla.modeling_smolvla",
		},
		base_model_name_or_path: base.name,
		revision: base.revision,
		task_type: null,
		inference_mode: true,
		r: adapter.rank,
		lora_alpha: adapter.alpha,
		lora_dropout: 0,
		target_modules: isDefault ? DEFAULT_TARGETS : adapter.modules,
		modules_to_save: adapter.savedModules,
		bias: "none",
		fan_in_fan_out: false,
		use_rslora: false,
		use_dora: false,
		lora_bias: false,
		init_lora_weights: true,
		rank_pattern: {},
		alpha_pattern: {},
	};
}
