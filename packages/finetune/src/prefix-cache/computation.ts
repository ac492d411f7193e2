// The name of what a graph computes: its operations as they are given to the runtime, and the content of every weight
// it reads. Two models that share a frozen backbone share the name; a change of either changes it.
import { createHash } from "node:crypto";
import { setImmediate } from "node:timers/promises";
import { bytesOf, toFloat32 } from "@zk0/arrays";
import { sha256Hex } from "@zk0/arrays/node";
import { emitOnnx, type Graph, type Node } from "@zk0/autodiff";
import type { TensorSource } from "@zk0/policy";

type Weight = Extract<Node, { readonly kind: "initializer" | "external" }>;

/** SHA-256 (hex) of a graph's operations, without weights. */
export function structureDigest(graph: Graph): string {
	return sha256Hex(emitOnnx({ ...graph, nodes: graph.nodes.map(withoutWeight) }));
}

/** SHA-256 (hex) of the weights that a graph reads, in order; as float32, wherever they lie. */
export async function weightsDigest(graph: Graph, tensors: TensorSource): Promise<string> {
	const hash = createHash("sha256");
	for (const node of graph.nodes) {
		if (node.kind !== "initializer" && node.kind !== "external") continue;
		hash.update(`${node.name}\0${sha256Hex(bytesOf(weightOf(node, tensors)))}\n`);
		// Hundreds of megabytes are read here: other work gets its turn in between.
		await setImmediate();
	}
	return hash.digest("hex");
}

/** Weights become inputs, so that what is emitted does not say where they lie. */
function withoutWeight(node: Node): Node {
	if (node.kind !== "initializer" && node.kind !== "external") return node;
	const { id, name, dtype, shape } = node;
	return { id, kind: "input", name, dtype, shape };
}

function weightOf(node: Weight, tensors: TensorSource): Float32Array {
	return node.kind === "initializer" ? toFloat32(node.array) : tensors.readFloat32(node.name).data;
}
