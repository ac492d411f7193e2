// Where a model's weights come from: a safetensors file or arrays in memory. Read on demand; float32 tensors of a
// file can also be handed to the runtime by their place in the file, so that they never pass through JS memory.
import { type DType, type NamedArrays, type NdArray, type Shape, sameShape, toFloat32 } from "@zk0/arrays";
import type { SafetensorsFile } from "@zk0/arrays/node";
import type { FileRegion } from "@zk0/autodiff";
import type { SmolVLAConfig } from "../config/policy-config.ts";
import type { VlmConfig } from "../config/vlm-config.ts";
import { PolicyError } from "../errors.ts";
import { LM_HEAD } from "./tensor-names.ts";
import { tensorShapes } from "./tensor-shapes.ts";

/** Weights by LeRobot's tensor names. */
export interface TensorSource {
	readonly names: readonly string[];
	/** Undefined for an absent tensor. */
	shapeOf(name: string): Shape | undefined;
	/** One tensor in its stored dtype. @throws PolicyError missing-tensor */
	read(name: string): NdArray;
	/** Its stored dtype; undefined for an absent tensor. */
	dtypeOf(name: string): DType | undefined;
	/** One tensor as float32. @throws PolicyError missing-tensor */
	readFloat32(name: string): NdArray<"float32">;
	/** Where the float32 bytes lie in a file; undefined when they do not (memory, other dtype). */
	regionOf(name: string): FileRegion | undefined;
}

function missing(name: string): PolicyError {
	return new PolicyError("missing-tensor", `there is no tensor ${name}`, { key: name });
}

/** Tensors of an open file; the caller keeps it open as long as the source is used. */
export function fileTensors(file: SafetensorsFile): TensorSource {
	return {
		names: [...file.entries.keys()],
		shapeOf: (name) => file.entries.get(name)?.shape,
		dtypeOf: (name) => file.entries.get(name)?.dtype,
		read: (name) => {
			if (!file.entries.has(name)) throw missing(name);
			return file.read(name);
		},
		readFloat32: (name) => {
			if (!file.entries.has(name)) throw missing(name);
			return file.readFloat32(name);
		},
		regionOf: (name) => {
			const entry = file.entries.get(name);
			if (entry?.dtype !== "float32") return undefined;
			return { path: file.path, offsetBytes: entry.offsetBytes, sizeBytes: entry.sizeBytes };
		},
	};
}

/** Tensors in memory, not copied. */
export function memoryTensors(arrays: NamedArrays): TensorSource {
	const read = (name: string): NdArray => {
		const array = arrays.get(name);
		if (array === undefined) throw missing(name);
		return array;
	};
	return {
		names: [...arrays.keys()],
		shapeOf: (name) => arrays.get(name)?.shape,
		dtypeOf: (name) => arrays.get(name)?.dtype,
		read,
		readFloat32: (name) => {
			const array = read(name);
			return { dtype: "float32", shape: array.shape, data: toFloat32(array) };
		},
		regionOf: () => undefined,
	};
}

/** The same tensors, all as float32: what training holds, and what the runtime reads from a file by its place. */
export function float32Tensors(source: TensorSource): TensorSource {
	return {
		...source,
		dtypeOf: (name) => (source.dtypeOf(name) === undefined ? undefined : "float32"),
		read: (name) => source.readFloat32(name),
	};
}

/** `base` with some tensors replaced or added. */
export function overlayTensors(base: TensorSource, updates: NamedArrays): TensorSource {
	const over = memoryTensors(updates);
	const pick = (name: string): TensorSource => (updates.has(name) ? over : base);
	return {
		names: [...new Set([...base.names, ...updates.keys()])],
		shapeOf: (name) => pick(name).shapeOf(name),
		dtypeOf: (name) => pick(name).dtypeOf(name),
		read: (name) => pick(name).read(name),
		readFloat32: (name) => pick(name).readFloat32(name),
		regionOf: (name) => pick(name).regionOf(name),
	};
}

/**
 * Checks that every tensor the model needs is there with the right shape (the unused language head may be absent).
 * @throws PolicyError missing-tensor | wrong-shape
 */
export function checkTensors(tensors: TensorSource, config: SmolVLAConfig, vlm: VlmConfig): void {
	for (const [name, shape] of tensorShapes(config, vlm)) {
		const found = tensors.shapeOf(name);
		if (found === undefined) {
			if (name === LM_HEAD) continue;
			throw new PolicyError(
				"missing-tensor",
				`there is no tensor ${name}; the weights belong to another model or the file is incomplete`,
				{ key: name },
			);
		}
		if (!sameShape(found, shape)) {
			throw new PolicyError(
				"wrong-shape",
				`${name} is [${found.join(",")}], the configuration makes it [${shape.join(",")}]`,
				{ key: name },
			);
		}
	}
}
