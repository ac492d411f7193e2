// Random weights for a model that starts from nothing: the distributions LeRobot and transformers draw from,
// each tensor from its own named stream, so that a tensor's values do not depend on the others.
// Linear and embedding weights of backbone and expert: normal(0, initializer_range); heads and the cross layers'
// key and value projections (fresh torch.nn.Linear): uniform(+-1/sqrt(fan_in)); norms one, biases zero.
import { float32Array, type NdArray, numElements, rng, type Shape } from "@zk0/arrays";
import { projectsPrefixKv } from "../config/dims.ts";
import type { SmolVLAConfig } from "../config/policy-config.ts";
import type { VlmConfig } from "../config/vlm-config.ts";
import { EXPERT_PREFIX, HEAD_NAMES, headPrefix, VISION_PREFIX } from "./tensor-names.ts";
import { tensorShapes } from "./tensor-shapes.ts";

type Draw = { readonly kind: "constant" | "normal" | "uniform"; readonly scale: number };

function fanIn(shape: Shape): number {
	return numElements(shape.slice(1));
}

function isFreshLinear(name: string, config: SmolVLAConfig): boolean {
	if (HEAD_NAMES.some((head) => name.startsWith(`${headPrefix(head)}.`))) return true;
	const match = /layers\.(\d+)\.self_attn\.[kv]_proj\.weight$/.exec(name);
	return name.startsWith(EXPERT_PREFIX) && match !== null && projectsPrefixKv(config, Number(match[1]));
}

function drawOf(
	name: string,
	shapes: ReadonlyMap<string, Shape>,
	config: SmolVLAConfig,
	vlm: VlmConfig,
): Draw {
	const weight = shapes.get(name.replace(/\.bias$/, ".weight")) ?? [];
	if (isFreshLinear(name, config)) return { kind: "uniform", scale: 1 / Math.sqrt(fanIn(weight)) };
	if (name.endsWith(".bias")) return { kind: "constant", scale: 0 };
	if (weight.length === 1) return { kind: "constant", scale: 1 };
	const owner = name.startsWith(VISION_PREFIX) ? vlm.vision_config : vlm.text_config;
	return { kind: "normal", scale: owner.initializer_range };
}

/** Float32 weights for every tensor of the model, a pure function of the configurations and `seed`. */
export function initWeights(
	config: SmolVLAConfig,
	vlm: VlmConfig,
	seed: number,
): Map<string, NdArray<"float32">> {
	const shapes = tensorShapes(config, vlm);
	const weights = new Map<string, NdArray<"float32">>();
	for (const [name, shape] of shapes) {
		const { kind, scale } = drawOf(name, shapes, config, vlm);
		const stream = rng(seed, "init", name);
		const values = new Float32Array(numElements(shape));
		for (let index = 0; index < values.length; index++) {
			if (kind === "constant") values[index] = scale;
			else if (kind === "normal") values[index] = scale * stream.normal();
			else values[index] = scale * (2 * stream.uniform() - 1);
		}
		weights.set(name, float32Array(shape, values));
	}
	return weights;
}
