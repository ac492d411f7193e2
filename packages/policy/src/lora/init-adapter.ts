// A fresh adapter: A as torch draws a fresh Linear, B zero, so that the model starts unchanged (Hu et al., 2021, §4.1;
// peft's default initialisation).
import { float32Array, type NdArray, numElements, rng } from "@zk0/arrays";
import type { PolicyModel } from "../model/policy-model.ts";
import { overlayTensors } from "../weights/tensor-source.ts";
import { adapterShapes, defaultLoraModules, type LoraAdapter, parseAdapterName } from "./adapter.ts";

/** peft's default, which LeRobot keeps: alpha 8 at any rank. */
export const DEFAULT_ALPHA = 8;

/** What a fresh adapter is made from. */
export interface FreshAdapter {
	/** At least 1; LeRobot's default is 16. */
	readonly rank: number;
	/** @default DEFAULT_ALPHA */
	readonly alpha?: number;
	/** @default "both" */
	readonly trains?: LoraAdapter["trains"];
	/** A's numbers are a pure function of it and of the tensor's name. */
	readonly seed: number;
}

/** `model` with a fresh adapter on LeRobot's default modules; it computes what `model` computes until it is trained. */
export function withFreshAdapter(
	model: PolicyModel,
	fresh: FreshAdapter,
): PolicyModel & { readonly adapter: LoraAdapter } {
	const { config, vlm } = model;
	const adapter: LoraAdapter = {
		rank: fresh.rank,
		alpha: fresh.alpha ?? DEFAULT_ALPHA,
		modules: defaultLoraModules(config, vlm),
		savedModules: [],
		trains: fresh.trains ?? "both",
	};
	const arrays = new Map<string, NdArray>();
	for (const [name, shape] of adapterShapes(adapter, config, vlm)) {
		const values = new Float32Array(numElements(shape));
		if (parseAdapterName(name)?.factor === "lora_A") {
			const stream = rng(fresh.seed, "init", name);
			const bound = 1 / Math.sqrt(shape[1] ?? 1);
			for (let index = 0; index < values.length; index++) values[index] = bound * (2 * stream.uniform() - 1);
		}
		arrays.set(name, float32Array(shape, values));
	}
	return { ...model, adapter, tensors: overlayTensors(model.tensors, arrays) };
}
