// The graph builder: appends nodes, shares equal ones, verifies and prunes. The op table is a parameter, so that
// this file and the rows do not know each other.
import { bytesOf, type NdArray, ndArray, type Shape } from "@zk0/arrays";
import { appendGradients } from "./grad.ts";
import type { Attrs, FileRegion, Graph, GraphBuilder, Node, Value } from "./graph.ts";
import { inferOp, type OpTable, verifyGraph } from "./spec.ts";

/** Constants up to this size are shared by content; larger ones would make the keys expensive. */
const MAX_SHARED_CONSTANT_BYTES = 256;

type NewNode = Node extends infer N ? (N extends Node ? Omit<N, "id"> : never) : never;

/** A builder over an op table; users call `createGraph`. */
export function createBuilder(ops: OpTable): GraphBuilder {
	const nodes: Node[] = [];
	const values: Value[] = [];
	const outputs = new Map<string, number>();
	const names = new Set<string>();
	const shared = new Map<string, Value>();

	const append = (node: NewNode): Value => {
		const id = nodes.length;
		nodes.push({ ...node, id });
		const value: Value = { graph: builder, id, dtype: node.dtype, shape: node.shape };
		values.push(value);
		return value;
	};
	const share = (key: string | null, make: () => Value): Value => {
		if (key === null) return make();
		const known = shared.get(key);
		if (known !== undefined) return known;
		const value = make();
		shared.set(key, value);
		return value;
	};
	const claim = (name: string): string => {
		if (name === "" || name.startsWith("#")) {
			throw new RangeError(`graph: name "${name}" is empty or starts with the reserved "#"`);
		}
		if (names.has(name)) throw new RangeError(`graph: name "${name}" is used twice`);
		names.add(name);
		return name;
	};
	const own = (value: Value, where: string): Value => {
		if (value.graph !== builder) throw new TypeError(`${where}: value #${value.id} belongs to another graph`);
		return value;
	};

	const builder: GraphBuilder = {
		input: (name, dtype, shape) =>
			append({ kind: "input", dtype, shape: checkShape(name, shape), name: claim(name) }),
		parameter: (name, shape) =>
			append({ kind: "parameter", dtype: "float32", shape: checkShape(name, shape), name: claim(name) }),
		initializer: (name, source) => {
			const array = ndArray(source.dtype, source.shape, source.data);
			return append({
				kind: "initializer",
				name: claim(name),
				dtype: array.dtype,
				shape: array.shape,
				array,
			});
		},
		externalInitializer: (name, { dtype, shape, path, offsetBytes, sizeBytes }) => {
			const region: FileRegion = { path, offsetBytes, sizeBytes };
			return append({ kind: "external", dtype, shape: checkShape(name, shape), name: claim(name), region });
		},
		constant: (value) => {
			const { dtype, shape, data } = typeof value === "number" ? scalar(value) : value;
			const array = ndArray(dtype, shape, data);
			return share(constantKey(array), () =>
				append({ kind: "constant", dtype: array.dtype, shape: array.shape, array }),
			);
		},
		apply: (op, inputs, attrs = {}) => {
			const type = inferOp(
				ops,
				op,
				inputs.map((input) => own(input, op)),
				attrs,
			);
			const ids = inputs.map((input) => input.id);
			return share(opKey(op, ids, attrs), () => append({ kind: "op", op, inputs: ids, attrs, ...type }));
		},
		repeat: (value, inputs) => {
			const node = builder.nodeOf(value);
			if (node.kind !== "op") throw new TypeError(`repeat: value #${value.id} is no op`);
			const ids = inputs.map((input) => own(input, "repeat").id);
			return append({ ...node, inputs: ids });
		},
		output: (name, value) => {
			outputs.set(claim(name), own(value, `output "${name}"`).id);
		},
		nodeOf: (value) => at(nodes, own(value, "nodeOf").id),
		numValues: () => nodes.length,
		valueOf: (id) => at(values, id),
		inputsOf: (value) => {
			const node = builder.nodeOf(value);
			return node.kind === "op" ? node.inputs.map((id) => at(values, id)) : [];
		},
		gradients: (loss, wrt) => {
			for (const value of [loss, ...wrt]) own(value, "gradients");
			verifyGraph({ nodes, outputs }, ops);
			const gradients = appendGradients(builder, ops, loss, wrt);
			verifyGraph({ nodes, outputs }, ops);
			return gradients;
		},
		build: () => {
			const graph = prune(nodes, outputs);
			verifyGraph(graph, ops);
			return graph;
		},
	};
	return builder;
}

/** Keeps what the outputs need plus every declared input and parameter, renumbered. */
function prune(nodes: readonly Node[], outputs: ReadonlyMap<string, number>): Graph {
	const live = new Set<number>(outputs.values());
	for (const node of nodes.toReversed()) {
		if (node.kind === "input" || node.kind === "parameter") live.add(node.id);
		if (node.kind === "op" && live.has(node.id)) for (const input of node.inputs) live.add(input);
	}
	const renumbered = new Map<number, number>();
	const kept: Node[] = [];
	for (const node of nodes) {
		if (!live.has(node.id)) continue;
		const id = kept.length;
		renumbered.set(node.id, id);
		const target = (input: number): number => renumbered.get(input) ?? -1;
		kept.push(node.kind === "op" ? { ...node, id, inputs: node.inputs.map(target) } : { ...node, id });
	}
	return {
		nodes: kept,
		outputs: new Map([...outputs].map(([name, id]) => [name, renumbered.get(id) ?? -1])),
	};
}

function scalar(value: number): NdArray {
	return ndArray("float32", [], Float32Array.of(value));
}

function constantKey(array: NdArray): string | null {
	const bytes = bytesOf(array.data);
	if (bytes.length > MAX_SHARED_CONSTANT_BYTES) return null;
	return `constant ${array.dtype} [${array.shape.join(",")}] ${bytes.join(",")}`;
}

function opKey(op: string, inputs: readonly number[], attrs: Attrs): string {
	return `${op} ${inputs.join(",")} ${JSON.stringify(attrs)}`;
}

function checkShape(name: string, shape: Shape): Shape {
	if (shape.some((dim) => !Number.isSafeInteger(dim) || dim < 1)) {
		throw new RangeError(
			`graph: "${name}" has shape [${shape.join(",")}]; every dimension must be at least 1`,
		);
	}
	return shape;
}

function at<T>(items: readonly T[], id: number): T {
	const item = items[id];
	if (item === undefined) throw new RangeError(`graph: no value #${id} among ${items.length}`);
	return item;
}
