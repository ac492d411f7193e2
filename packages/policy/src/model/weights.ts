// How a graph gets a weight: trained tensors are parameters (fed at every run, owned by the trainer), frozen ones
// are initializers, read by the runtime from the file where that is possible.
import type { GraphBuilder, Value } from "@zk0/autodiff";
import { add, linear, matmul } from "@zk0/autodiff";
import { PolicyError } from "../errors.ts";
import { factorName, isSaved, type LoraAdapter, savedName } from "../lora/adapter.ts";
import type { TensorSource } from "../weights/tensor-source.ts";

/** Weights as values of one graph, each declared once, when first asked for. */
export interface Weights {
	readonly graph: GraphBuilder;
	/** @throws PolicyError missing-tensor */
	get(name: string): Value;
	/**
	 * True when the configuration trains a tensor whose name starts with `prefix`, whether or not it is a parameter of
	 * this graph: training and evaluation must use the same operators to give the same bits.
	 */
	trains(prefix: string): boolean;
	/** x @ weight^T of `<prefix>.weight`, plus `<prefix>.bias` where `bias` is true, plus the module's adapter. */
	linear(x: Value, prefix: string, options?: { readonly bias: boolean }): Value;
}

/** Which tensors the configuration trains, and which of them are parameters of the graph. */
export interface TrainedTensors {
	readonly trained: ReadonlySet<string>;
	readonly parameters: ReadonlySet<string>;
	/** Its factors are added to the linear modules that it names. */
	readonly adapter?: LoraAdapter | undefined;
}

/** Weights of `tensors` in `graph`. */
export function graphWeights(
	graph: GraphBuilder,
	tensors: TensorSource,
	{ trained, parameters, adapter }: TrainedTensors,
): Weights {
	const known = new Map<string, Value>();
	const adapted = new Set(adapter?.modules);
	const declare = (name: string): Value => {
		const shape = tensors.shapeOf(name);
		if (shape === undefined) {
			throw new PolicyError("missing-tensor", `there is no tensor ${name}`, { key: name });
		}
		if (parameters.has(name)) return graph.parameter(name, shape);
		const region = tensors.regionOf(name);
		if (region !== undefined) return graph.externalInitializer(name, { dtype: "float32", shape, ...region });
		return graph.initializer(name, tensors.readFloat32(name));
	};
	const get = (wanted: string): Value => {
		const name = adapter !== undefined && isSaved(adapter, wanted) ? savedName(wanted) : wanted;
		const value = known.get(name) ?? declare(name);
		known.set(name, value);
		return value;
	};
	/** (alpha / rank) B (A x): never the product of the factors, which is as large as the weight. */
	const lowRank = (x: Value, module: string, { rank, alpha }: LoraAdapter): Value => {
		const inner = linear(x, get(factorName(module, "lora_A"))); // [..., rank]
		return matmul(inner, get(factorName(module, "lora_B")), { transB: true, alpha: alpha / rank });
	};
	return {
		graph,
		get,
		trains: (prefix) => [...trained].some((name) => name.startsWith(prefix)),
		linear: (x, prefix, { bias } = { bias: false }) => {
			const full = linear(x, get(`${prefix}.weight`), bias ? get(`${prefix}.bias`) : undefined);
			return adapter !== undefined && adapted.has(prefix) ? add(full, lowRank(x, prefix, adapter)) : full;
		},
	};
}
