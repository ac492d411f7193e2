// How a graph gets a weight: trained tensors are parameters (fed at every run, owned by the trainer), frozen ones
// are initializers, read by the runtime from the file where that is possible.
import type { GraphBuilder, Value } from "@zk0/autodiff";
import { linear } from "@zk0/autodiff";
import { PolicyError } from "../errors.ts";
import type { TensorSource } from "../weights/tensor-source.ts";

/** Weights as values of one graph, each declared once, when first asked for. */
export interface Weights {
	readonly graph: GraphBuilder;
	/** @throws PolicyError missing-tensor */
	get(name: string): Value;
	/** True when any tensor whose name starts with `prefix` is trained. */
	trains(prefix: string): boolean;
	/** x @ weight^T of `<prefix>.weight`, plus `<prefix>.bias` where `bias` is true. */
	linear(x: Value, prefix: string, options?: { readonly bias: boolean }): Value;
}

/** Weights of `tensors` in `graph`; those named in `trained` are parameters. */
export function graphWeights(
	graph: GraphBuilder,
	tensors: TensorSource,
	trained: ReadonlySet<string>,
): Weights {
	const known = new Map<string, Value>();
	const declare = (name: string): Value => {
		const shape = tensors.shapeOf(name);
		if (shape === undefined) {
			throw new PolicyError("missing-tensor", `there is no tensor ${name}`, { key: name });
		}
		if (trained.has(name)) return graph.parameter(name, shape);
		const region = tensors.regionOf(name);
		if (region !== undefined) return graph.externalInitializer(name, { dtype: "float32", shape, ...region });
		return graph.initializer(name, tensors.readFloat32(name));
	};
	const get = (name: string): Value => {
		const value = known.get(name) ?? declare(name);
		known.set(name, value);
		return value;
	};
	return {
		graph,
		get,
		trains: (prefix) => [...trained].some((name) => name.startsWith(prefix)),
		linear: (x, prefix, { bias } = { bias: false }) =>
			linear(x, get(`${prefix}.weight`), bias ? get(`${prefix}.bias`) : undefined),
	};
}
