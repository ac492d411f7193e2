// Writes a graph as an ONNX model (opset 21 plus FusedMatMul of com.microsoft): the rows of the op table write the
// nodes, this file names the values and adds initializers, inputs and outputs.
import { bytesOf, type NdArray, ndArray } from "@zk0/arrays";
import type { Graph, Node } from "../graph.ts";
import type { EmitTarget, Emitter } from "../op.ts";
import { OPS } from "../ops/table.ts";
import { operand } from "../shape.ts";
import { opRow, verifyGraph } from "../spec.ts";
import {
	attributeProto,
	externalTensorProto,
	ProtoMessage,
	sequenceInfoProto,
	tensorProto,
	valueInfoProto,
} from "./proto.ts";

const IR_VERSION = 10;
const OPSET_VERSION = 21;
/** Protobuf messages end at 2 GiB; larger weights belong into external initializers. */
const MAX_MODEL_BYTES = 2 ** 31 - 1;

/** Options of `emitOnnx`. */
export interface EmitOptions {
	/** How the model names a file of external initializers; default its path as given. */
	readonly locate?: (path: string) => string;
	/** Whose kernels will run the model; default "cpu". */
	readonly target?: EmitTarget;
	/** Name of a further output before all others, an empty sequence of tensors; default none. */
	readonly sequenceOutput?: string;
}

/**
 * Encodes a graph as ONNX bytes.
 * @throws RangeError when the inline weights exceed protobuf's 2 GiB.
 */
export function emitOnnx(
	graph: Graph,
	{ locate = (path) => path, target = "cpu", sequenceOutput }: EmitOptions = {},
): Uint8Array {
	verifyGraph(graph, OPS);
	const names = nameValues(graph);
	const initializers: ProtoMessage[] = [];
	const nodes: EmittedNode[] = [];
	const onnx = createEmitter(nodes, initializers, target);
	for (const node of graph.nodes) emitNode(node, { nodes: graph.nodes, names, onnx, initializers, locate });
	for (const [name, id] of graph.outputs) {
		if (names[id] !== name) onnx.node("Identity", [operand(names, id)], [name]);
	}
	if (sequenceOutput !== undefined) onnx.node("SequenceEmpty", [], [sequenceOutput]);
	const body = new ProtoMessage();
	for (const { message } of leavesLast(nodes)) body.bytes(1, message);
	body.bytes(2, "zk0");
	for (const initializer of initializers) body.bytes(5, initializer);
	for (const node of graph.nodes) {
		if (node.kind === "input" || node.kind === "parameter") body.bytes(11, valueInfoProto(node.name, node));
	}
	if (sequenceOutput !== undefined) body.bytes(12, sequenceInfoProto(sequenceOutput));
	for (const [name, id] of graph.outputs) body.bytes(12, valueInfoProto(name, operand(graph.nodes, id)));
	const opset = (domain: string, version: number): ProtoMessage =>
		new ProtoMessage().bytes(1, domain).int(2, version);
	const model = new ProtoMessage().int(1, IR_VERSION).bytes(2, "zk0").bytes(7, body);
	const bytes = model.bytes(8, opset("", OPSET_VERSION)).bytes(8, opset("com.microsoft", 1)).finish();
	if (bytes.length > MAX_MODEL_BYTES) {
		throw new RangeError(
			`emitOnnx: ${bytes.length} bytes exceed 2 GiB; use externalInitializer for large weights`,
		);
	}
	return bytes;
}

interface EmitState {
	readonly nodes: readonly Node[];
	readonly names: readonly string[];
	readonly onnx: Emitter;
	readonly initializers: ProtoMessage[];
	readonly locate: (path: string) => string;
}

function emitNode(node: Node, { nodes, names, onnx, initializers, locate }: EmitState): void {
	const name = operand(names, node.id);
	switch (node.kind) {
		case "input":
		case "parameter":
			return;
		case "initializer":
		case "constant":
			initializers.push(tensorProto(name, node.array));
			return;
		case "external": {
			const location = locate(node.region.path);
			initializers.push(externalTensorProto(name, node, { ...node.region, location }));
			return;
		}
		case "op":
			opRow(OPS, node.op).emit(
				onnx,
				{
					inputs: node.inputs.map((id) => operand(names, id)),
					inputTypes: node.inputs.map((id) => operand(nodes, id)),
					output: name,
					outputType: node,
				},
				node.attrs,
			);
	}
}

/** Declared names where there are any; an op that is an output carries the output's first name. */
function nameValues(graph: Graph): string[] {
	const names = graph.nodes.map((node) =>
		node.kind === "op" || node.kind === "constant" ? `#${node.id}` : node.name,
	);
	for (const [name, id] of graph.outputs) {
		const node = operand(graph.nodes, id);
		if (node.kind === "op" && names[id] === `#${id}`) names[id] = name;
	}
	return names;
}

interface EmittedNode {
	readonly message: ProtoMessage;
	readonly inputs: readonly string[];
	readonly outputs: readonly string[];
}

/**
 * Nodes whose results only leave the graph go to the end, the first one last. ONNX Runtime runs what the last node
 * needs, then what the one before it needs, and so on: in this order every weight's gradient is taken as soon as it
 * can be, instead of all of them at the end with the activations of all layers still held.
 */
function leavesLast(nodes: readonly EmittedNode[]): EmittedNode[] {
	const read = new Set(nodes.flatMap(({ inputs }) => inputs));
	const isLeaf = ({ outputs }: EmittedNode): boolean => !outputs.some((output) => read.has(output));
	return [...nodes.filter((node) => !isLeaf(node)), ...nodes.filter(isLeaf).reverse()];
}

function createEmitter(nodes: EmittedNode[], initializers: ProtoMessage[], target: EmitTarget): Emitter {
	const constants = new Map<string, string>();
	let numFresh = 0;
	const shared = (array: NdArray): string => {
		const key = `#${array.dtype} [${array.shape.join(",")}] ${bytesOf(array.data).join(",")}`;
		const known = constants.get(key);
		if (known !== undefined) return known;
		const name = `#c${constants.size}`;
		constants.set(key, name);
		initializers.push(tensorProto(name, array));
		return name;
	};
	return {
		target,
		node: (type, inputs, outputs, { attrs = {}, domain = "" } = {}) => {
			const node = new ProtoMessage();
			for (const input of inputs) node.bytes(1, input);
			for (const output of outputs) node.bytes(2, output);
			node.bytes(3, `${type} ${outputs.join(" ")}`).bytes(4, type);
			for (const [name, value] of Object.entries(attrs)) node.bytes(5, attributeProto(name, value));
			if (domain !== "") node.bytes(7, domain);
			nodes.push({ message: node, inputs, outputs });
		},
		fresh: () => `#f${numFresh++}`,
		ints: (values) =>
			shared(
				ndArray(
					"int64",
					[values.length],
					BigInt64Array.from(values, (item) => BigInt(item)),
				),
			),
		scalar: (value) => shared(ndArray("float32", [], Float32Array.of(value))),
	};
}
