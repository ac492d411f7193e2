// What a valid graph is. Checked between passes (after building, after the reverse sweep, before emission), so that
// a broken pass fails where it broke and not inside ONNX Runtime.
import { numElements, sameShape, sizeBytes } from "@zk0/arrays";
import { type Attrs, describeType, type Graph, type Node, type TensorType } from "./graph.ts";
import type { Op } from "./op.ts";

/** Rows by op name. */
export type OpTable = Readonly<Record<string, Op>>;

/** The row of an op. @throws RangeError for an unknown name. */
export function opRow(ops: OpTable, name: string): Op {
	const row = Object.hasOwn(ops, name) ? ops[name] : undefined;
	if (row === undefined) throw new RangeError(`graph: unknown op "${name}"`);
	return row;
}

/** Output type of an op; errors are prefixed with the op's name and list its operands. */
export function inferOp(ops: OpTable, name: string, inputs: readonly TensorType[], attrs: Attrs): TensorType {
	const row = opRow(ops, name);
	try {
		return row.infer(inputs, attrs);
	} catch (error) {
		const context = `${name}(${inputs.map(describeType).join(", ")})`;
		if (error instanceof RangeError) throw new RangeError(`${context}: ${error.message}`, { cause: error });
		if (error instanceof TypeError) throw new TypeError(`${context}: ${error.message}`, { cause: error });
		throw error;
	}
}

/**
 * Checks ids, order (no cycles), operands, inferred types, array sizes and names.
 * @throws RangeError or TypeError that names the first offending node.
 */
export function verifyGraph(graph: Graph, ops: OpTable): void {
	const names = new Set<string>();
	const claim = (name: string, what: string): void => {
		if (name === "") throw new RangeError(`graph: ${what} has an empty name`);
		if (names.has(name)) throw new RangeError(`graph: name "${name}" is used twice`);
		names.add(name);
	};
	graph.nodes.forEach((node, index) => {
		if (node.id !== index) throw new RangeError(`graph: node at position ${index} has id ${node.id}`);
		if (node.kind !== "op" && node.kind !== "constant") claim(node.name, `node #${index}`);
		verifyNode(graph, node, ops);
	});
	for (const [name, id] of graph.outputs) {
		claim(name, "an output");
		if (graph.nodes[id] === undefined) {
			throw new RangeError(`graph: output "${name}" points at missing node #${id}`);
		}
	}
}

function verifyNode(graph: Graph, node: Node, ops: OpTable): void {
	const fail = (expected: TensorType, what: string): never => {
		const message = `graph: node #${node.id} is recorded as ${describeType(node)}, but ${what} is ${describeType(expected)}`;
		if (expected.dtype !== node.dtype) throw new TypeError(message);
		throw new RangeError(message);
	};
	const sameType = (type: TensorType): boolean =>
		type.dtype === node.dtype && sameShape(type.shape, node.shape);
	switch (node.kind) {
		case "input":
			return;
		case "parameter":
			if (node.dtype !== "float32") fail({ dtype: "float32", shape: node.shape }, "a parameter");
			return;
		case "initializer":
		case "constant":
			if (!sameType(node.array)) fail(node.array, "its array");
			if (node.array.data.length !== numElements(node.shape)) {
				throw new RangeError(
					`graph: node #${node.id} ${describeType(node)} holds ${node.array.data.length} elements`,
				);
			}
			return;
		case "external":
			if (node.region.sizeBytes !== sizeBytes(node.dtype, node.shape) || node.region.offsetBytes < 0) {
				throw new RangeError(
					`graph: external initializer "${node.name}" ${describeType(node)} needs ${sizeBytes(node.dtype, node.shape)} bytes, its region has ${node.region.sizeBytes} at ${node.region.offsetBytes}`,
				);
			}
			return;
		case "op": {
			const inputs = node.inputs.map((id) => {
				const input = graph.nodes[id];
				if (input === undefined)
					throw new RangeError(`graph: node #${node.id} (${node.op}) uses missing node #${id}`);
				if (id >= node.id) {
					throw new RangeError(
						`graph: node #${node.id} (${node.op}) uses node #${id}, which does not come before it`,
					);
				}
				return input;
			});
			const type = inferOp(ops, node.op, inputs, node.attrs);
			if (!sameType(type)) fail(type, `the output of ${node.op}(${inputs.map(describeType).join(", ")})`);
		}
	}
}
