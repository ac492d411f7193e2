// The graph IR: one node per value, in topological order (inputs have smaller ids). Pure data and the builder's
// interface; `builder.ts` implements it, `spec.ts` says which graphs are valid, `ops/` holds one row per op.
import type { DType, NdArray, Shape } from "@zk0/arrays";

/** Element type and static shape of a value. */
export interface TensorType {
	readonly dtype: DType;
	readonly shape: Shape;
}

/** Attributes of an op node; each row in `ops/` narrows this to its own. */
export type Attrs = Readonly<Record<string, number | boolean | string | readonly number[]>>;

/** Bytes of an initializer inside a file, read by the runtime and not by us. */
export interface FileRegion {
	/** Absolute path of the file. */
	readonly path: string;
	readonly offsetBytes: number;
	readonly sizeBytes: number;
}

interface NodeType extends TensorType {
	readonly id: number;
}

/** A value and how it comes about. */
export type Node = NodeType &
	(
		| { readonly kind: "input"; readonly name: string }
		| { readonly kind: "parameter"; readonly name: string }
		| { readonly kind: "initializer"; readonly name: string; readonly array: NdArray }
		| { readonly kind: "external"; readonly name: string; readonly region: FileRegion }
		| { readonly kind: "constant"; readonly array: NdArray }
		| {
				readonly kind: "op";
				readonly op: string;
				readonly inputs: readonly number[];
				readonly attrs: Attrs;
		  }
	);

/** A finished graph: immutable, verified, without dead nodes. */
export interface Graph {
	/** Node `i` has id `i`. */
	readonly nodes: readonly Node[];
	/** Node id of each named output, in order of declaration. */
	readonly outputs: ReadonlyMap<string, number>;
}

/** A value under construction; pass it to the functions of `expr/`. */
export interface Value extends TensorType {
	readonly graph: GraphBuilder;
	readonly id: number;
}

/** Builds a graph value by value. Equal constants and equal op nodes are built once. */
export interface GraphBuilder {
	/** A value fed at every run. */
	input(name: string, dtype: DType, shape: Shape): Value;
	/** A float32 value fed at every run, for which gradients can be asked and which a Trainer owns. */
	parameter(name: string, shape: Shape): Value;
	/** A frozen array that travels inside the model. */
	initializer(name: string, array: NdArray): Value;
	/** A frozen array that the runtime reads from a file. */
	externalInitializer(name: string, source: TensorType & FileRegion): Value;
	/** An anonymous constant; a number becomes a float32 scalar. */
	constant(value: NdArray | number): Value;
	/** Applies one row of the op table. @throws RangeError or TypeError from the row's shape inference. */
	apply(op: string, inputs: readonly Value[], attrs?: Attrs): Value;
	/** The value of an op applied to other operands of the same types, as a node of its own even when an equal one exists. */
	repeat(value: Value, inputs: readonly Value[]): Value;
	/** Names an output of the graph; one value may have several names. */
	output(name: string, value: Value): void;
	/** The node that defines a value. */
	nodeOf(value: Value): Node;
	/** How many values there are; the next one gets this id unless it is shared. */
	numValues(): number;
	/** The value of a node id. */
	valueOf(id: number): Value;
	/** The input values of an op value, in order; none for other kinds. */
	inputsOf(value: Value): readonly Value[];
	/**
	 * Appends the gradient of scalar `loss` for each of `wrt`.
	 * @throws RangeError when the loss is not a float32 scalar.
	 */
	gradients(loss: Value, wrt: readonly Value[]): Value[];
	/** A verified snapshot of what the outputs need; all declared inputs and parameters stay. */
	build(): Graph;
}

/** Names and types of the values that a graph wants fed (`input` and `parameter` nodes). */
export function feedsOf(graph: Graph): Map<string, TensorType & { readonly kind: "input" | "parameter" }> {
	const feeds = new Map<string, TensorType & { readonly kind: "input" | "parameter" }>();
	for (const node of graph.nodes) {
		if (node.kind === "input" || node.kind === "parameter") {
			feeds.set(node.name, { kind: node.kind, dtype: node.dtype, shape: node.shape });
		}
	}
	return feeds;
}

/** Types of the parameters by name, in order of declaration. */
export function parametersOf(graph: Graph): Map<string, TensorType> {
	const parameters = new Map<string, TensorType>();
	for (const node of graph.nodes) {
		if (node.kind === "parameter") parameters.set(node.name, { dtype: node.dtype, shape: node.shape });
	}
	return parameters;
}

/** Types of the outputs by name. @throws RangeError when an output points at no node. */
export function outputsOf(graph: Graph): Map<string, TensorType> {
	const outputs = new Map<string, TensorType>();
	for (const [name, id] of graph.outputs) {
		const node = graph.nodes[id];
		if (node === undefined) throw new RangeError(`graph: output "${name}" points at missing node ${id}`);
		outputs.set(name, { dtype: node.dtype, shape: node.shape });
	}
	return outputs;
}

/** `float32[2,3]`, for messages. */
export function describeType(type: TensorType): string {
	return `${type.dtype}[${type.shape.join(",")}]`;
}
