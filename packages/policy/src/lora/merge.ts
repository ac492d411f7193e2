// An adapter folded into the weights it adapts: W + (alpha / rank) B A, summed in float64 and rounded once.
import { float32Array, type NdArray } from "@zk0/arrays";
import { PolicyError } from "../errors.ts";
import type { PolicyModel } from "../model/policy-model.ts";
import type { TensorSource } from "../weights/tensor-source.ts";
import { factorName, isAdapterTensor, isSaved, type LoraAdapter, savedName } from "./adapter.ts";

function mergedWeight(
	tensors: TensorSource,
	module: string,
	{ rank, alpha }: LoraAdapter,
): NdArray<"float32"> {
	const { shape, data: weight } = tensors.readFloat32(`${module}.weight`);
	const [outputs = 0, inputs = 0] = shape;
	const a = tensors.readFloat32(factorName(module, "lora_A")).data; // [rank, inputs]
	const b = tensors.readFloat32(factorName(module, "lora_B")).data; // [outputs, rank]
	const merged = new Float32Array(weight.length);
	for (let output = 0; output < outputs; output++) {
		for (let input = 0; input < inputs; input++) {
			let sum = 0;
			for (let r = 0; r < rank; r++) sum += (b[output * rank + r] ?? 0) * (a[r * inputs + input] ?? 0);
			const place = output * inputs + input;
			merged[place] = (weight[place] ?? 0) + (alpha / rank) * sum;
		}
	}
	return float32Array(shape, merged);
}

/**
 * The tensors of a full model without adapter that computes what `model` computes. Merged weights are float32, whatever
 * the base stores; the others pass through unchanged.
 * @throws PolicyError bad-config for a model without an adapter
 */
export function mergedTensors({ tensors, adapter }: PolicyModel): TensorSource {
	if (adapter === undefined) throw new PolicyError("bad-config", "there is no adapter to merge");
	const merged = new Map(adapter.modules.map((module) => [`${module}.weight`, module]));
	const stored = (name: string): string => (isSaved(adapter, name) ? savedName(name) : name);
	const read = (name: string): NdArray => {
		const module = merged.get(name);
		return module === undefined ? tensors.read(stored(name)) : mergedWeight(tensors, module, adapter);
	};
	return {
		names: tensors.names.filter((name) => !isAdapterTensor(name)),
		shapeOf: (name) => tensors.shapeOf(name),
		dtypeOf: (name) => (merged.has(name) ? "float32" : tensors.dtypeOf(stored(name))),
		read,
		readFloat32: (name) => {
			const module = merged.get(name);
			return module === undefined
				? tensors.readFloat32(stored(name))
				: mergedWeight(tensors, module, adapter);
		},
		regionOf: (name) => (merged.has(name) ? undefined : tensors.regionOf(stored(name))),
	};
}
