// A low-rank adapter (LoRA, Hu et al., 2021): y = W x + b + (alpha / rank) B (A x), with W frozen. Which modules LeRobot
// adapts, and the names under which peft stores the factors; those names are the names of the trained tensors.
import type { Shape } from "@zk0/arrays";
import type { SmolVLAConfig } from "../config/policy-config.ts";
import type { VlmConfig } from "../config/vlm-config.ts";
import { PolicyError } from "../errors.ts";
import { EXPERT_PREFIX, HEAD_NAMES, headPrefix } from "../weights/tensor-names.ts";
import { tensorShapes } from "../weights/tensor-shapes.ts";
import type { TensorSource } from "../weights/tensor-source.ts";

/** What peft puts before a module's name. */
const PEFT_PREFIX = "base_model.model.";
const WEIGHT = ".weight";

/** The two factors of a module: A `[rank, inputs]`, B `[outputs, rank]`. */
export type LoraFactor = "lora_A" | "lora_B";

/** An adapter's structure; its numbers are tensors of the model. */
export interface LoraAdapter {
	readonly rank: number;
	/** The product of the factors is scaled by alpha / rank. */
	readonly alpha: number;
	/** Modules with factors, e.g. `model.state_proj`, in checkpoint order. */
	readonly modules: readonly string[];
	/** Modules trained as a whole beside them (peft's `modules_to_save`). */
	readonly savedModules: readonly string[];
	/**
	 * "both": A and B are trained. "B": A stays as it was drawn (FFA-LoRA, Sun et al., 2024), so that averaging sites'
	 * adapters averages their products.
	 */
	readonly trains: "both" | "B";
}

/** LeRobot's default `target_modules`, a regular expression over whole module names (`modeling_smolvla.py`, 2026-08). */
export const DEFAULT_TARGETS: string = `(model\\.vlm_with_expert\\.lm_expert\\..*\\.(q|v)_proj|model\\.(${HEAD_NAMES.join("|")}))`;

/** True for a module in which a graph honours an adapter: a linear one of expert or heads. */
function isAdaptable(module: string): boolean {
	return module.startsWith(EXPERT_PREFIX) || HEAD_NAMES.some((head) => module === headPrefix(head));
}

/** The linear modules of expert and heads whose names match LeRobot's default, in checkpoint order. */
export function defaultLoraModules(config: SmolVLAConfig, vlm: VlmConfig): string[] {
	const pattern = new RegExp(`^(?:${DEFAULT_TARGETS})$`);
	return [...tensorShapes(config, vlm).keys()]
		.filter((name) => name.endsWith(WEIGHT))
		.map((name) => name.slice(0, -WEIGHT.length))
		.filter((module) => pattern.test(module));
}

/** Name of a factor's tensor. */
export function factorName(module: string, factor: LoraFactor): string {
	return `${PEFT_PREFIX}${module}.${factor}${WEIGHT}`;
}

/** Under what name an adapter stores the model's tensor `name` of a saved module. */
export function savedName(name: string): string {
	return `${PEFT_PREFIX}${name}`;
}

/** True for the name of an adapter's tensor. */
export function isAdapterTensor(name: string): boolean {
	return name.startsWith(PEFT_PREFIX);
}

/** The model's name of a stored one, and which factor of it, null for a saved module's own tensor. */
export function parseAdapterName(
	name: string,
): { readonly target: string; readonly factor: LoraFactor | null } | null {
	if (!isAdapterTensor(name)) return null;
	const [, module, factor] = /^(.*)\.(lora_A|lora_B)\.weight$/.exec(name.slice(PEFT_PREFIX.length)) ?? [];
	if (module === undefined || factor === undefined) {
		return { target: name.slice(PEFT_PREFIX.length), factor: null };
	}
	return { target: module, factor: factor === "lora_A" ? "lora_A" : "lora_B" };
}

/** True for a tensor of the model that the adapter replaces as a whole. */
export function isSaved({ savedModules }: LoraAdapter, name: string): boolean {
	return savedModules.some((module) => name.startsWith(`${module}.`));
}

/**
 * Name and shape of every tensor of an adapter, in checkpoint order.
 * @throws PolicyError unsupported for a module that is not a linear one of expert or heads
 */
export function adapterShapes(
	adapter: LoraAdapter,
	config: SmolVLAConfig,
	vlm: VlmConfig,
): Map<string, Shape> {
	const own = tensorShapes(config, vlm);
	const shapes = new Map<string, Shape>();
	for (const module of adapter.modules) {
		const [outputs, inputs, ...more] = own.get(`${module}${WEIGHT}`) ?? [];
		if (outputs === undefined || inputs === undefined || more.length > 0 || !isAdaptable(module)) {
			throw new PolicyError(
				"unsupported",
				`an adapter on ${module}; zk0 adapts the linear modules of the action expert and the heads`,
				{ key: module },
			);
		}
		shapes.set(factorName(module, "lora_A"), [adapter.rank, inputs]);
		shapes.set(factorName(module, "lora_B"), [outputs, adapter.rank]);
	}
	for (const [name, shape] of own) if (isSaved(adapter, name)) shapes.set(savedName(name), shape);
	return shapes;
}

/** Names of the tensors that training changes. @throws PolicyError as {@link adapterShapes} */
export function adapterTrainedNames(adapter: LoraAdapter, config: SmolVLAConfig, vlm: VlmConfig): string[] {
	const names = [...adapterShapes(adapter, config, vlm).keys()];
	return adapter.trains === "both"
		? names
		: names.filter((name) => parseAdapterName(name)?.factor !== "lora_A");
}

/**
 * Checks that every tensor of an adapter is there with the right shape.
 * @throws PolicyError missing-tensor | wrong-shape | unsupported
 */
export function checkAdapter(
	tensors: TensorSource,
	adapter: LoraAdapter,
	{ config, vlm }: { readonly config: SmolVLAConfig; readonly vlm: VlmConfig },
): void {
	for (const [name, shape] of adapterShapes(adapter, config, vlm)) {
		const found = tensors.shapeOf(name);
		if (found === undefined) {
			throw new PolicyError("missing-tensor", `the adapter has no tensor ${name}; it is incomplete`, {
				key: name,
			});
		}
		if (found.join() !== shape.join()) {
			throw new PolicyError(
				"wrong-shape",
				`${name} is [${found.join(",")}], rank and model make it [${shape.join(",")}]`,
				{ key: name },
			);
		}
	}
}
