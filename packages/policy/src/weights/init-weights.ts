// Random weights for a model that starts from nothing: the distributions LeRobot and transformers draw from,
// each tensor from its own named stream, so that a tensor's values do not depend on the others.
// Linear and embedding weights of backbone and expert: normal(0, initializer_range); heads and the cross layers'
// key and value projections (fresh torch.nn.Linear): uniform(+-1/sqrt(fan_in)); norms one, biases zero.
import { float32Array, type NdArray, numElements, type Rng, rng, type Shape } from "@zk0/arrays";
import { projectsPrefixKv } from "../config/dims.ts";
import type { SmolVLAConfig } from "../config/policy-config.ts";
import type { VlmConfig } from "../config/vlm-config.ts";
import { PolicyError } from "../errors.ts";
import { EXPERT_PREFIX, HEAD_NAMES, headPrefix, VISION_PREFIX } from "./tensor-names.ts";
import { tensorShapes } from "./tensor-shapes.ts";
import type { TensorSource } from "./tensor-source.ts";

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

function drawTensor(shape: Shape, { kind, scale }: Draw, stream: Rng): NdArray<"float32"> {
	const values = new Float32Array(numElements(shape));
	if (kind === "constant") return float32Array(shape, values.fill(scale));
	for (let index = 0; index < values.length; index++) {
		values[index] = kind === "normal" ? scale * stream.normal() : scale * (2 * stream.uniform() - 1);
	}
	return float32Array(shape, values);
}

/**
 * Float32 weights for every tensor of the model, a pure function of the configurations and `seed`. A tensor is drawn
 * each time it is read and kept nowhere, so that a model of any size is written with the memory of its largest tensor.
 */
export function initTensors(config: SmolVLAConfig, vlm: VlmConfig, seed: number): TensorSource {
	const shapes = tensorShapes(config, vlm);
	const read = (name: string): NdArray<"float32"> => {
		const shape = shapes.get(name);
		if (shape === undefined) {
			throw new PolicyError("missing-tensor", `the model has no tensor ${name}`, { key: name });
		}
		return drawTensor(shape, drawOf(name, shapes, config, vlm), rng(seed, "init", name));
	};
	return {
		names: [...shapes.keys()],
		shapeOf: (name) => shapes.get(name),
		dtypeOf: (name) => (shapes.has(name) ? "float32" : undefined),
		read,
		readFloat32: read,
		regionOf: () => undefined,
	};
}

/** The weights of {@link initTensors}, all in memory. */
export function initWeights(
	config: SmolVLAConfig,
	vlm: VlmConfig,
	seed: number,
): Map<string, NdArray<"float32">> {
	const source = initTensors(config, vlm, seed);
	return new Map(source.names.map((name) => [name, source.readFloat32(name)]));
}
