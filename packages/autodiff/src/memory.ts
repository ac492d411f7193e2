// How much memory a graph asks for, from its shapes: before anything is allocated.
import { type Shape, sizeBytes } from "@zk0/arrays";
import type { Graph, Node } from "./graph.ts";

/** What a graph asks for, in bytes. */
export interface GraphMemory {
	/** Frozen weights by where they lie in their file: graphs that read the same ones share them. */
	readonly regions: ReadonlyMap<string, number>;
	/** Frozen arrays inside the graph: a copy for each graph. */
	readonly embeddedBytes: number;
	/** Most bytes of intermediate values that live at the same time, when nodes run in their order. */
	readonly peakValueBytes: number;
}

/** Ops that only look at their input in another shape. */
const VIEWS: ReadonlySet<string> = new Set(["reshape"]);

/**
 * An estimate: the runtime may order nodes otherwise, and rounds up what it allocates. Fed values and outputs are not
 * counted; their owner knows them.
 */
export function graphMemory(graph: Graph): GraphMemory {
	const regions = new Map<string, number>();
	let embeddedBytes = 0;
	for (const node of graph.nodes) {
		if (node.kind === "external") {
			const { path, offsetBytes, sizeBytes: size } = node.region;
			regions.set(`${path}:${offsetBytes}`, size);
		}
		if (node.kind === "initializer" || node.kind === "constant") embeddedBytes += bytesOfNode(node);
	}
	return { regions, embeddedBytes, peakValueBytes: peakValueBytes(graph) };
}

function peakValueBytes({ nodes, outputs }: Graph): number {
	const owner = owners(nodes);
	const lastUse = new Map<number, number>();
	for (const node of nodes) {
		if (node.kind !== "op") continue;
		for (const input of node.inputs) lastUse.set(owner[input] ?? input, node.id);
	}
	const returned = new Set([...outputs.values()].map((id) => owner[id] ?? id));
	const freedAfter = new Map<number, number>();
	let [live, peak] = [0, 0];
	for (const node of nodes) {
		const isHeld = node.kind === "op" && owner[node.id] === node.id && !returned.has(node.id);
		if (isHeld) {
			const size = bytesOfNode(node);
			live += size;
			const end = lastUse.get(node.id) ?? node.id;
			freedAfter.set(end, (freedAfter.get(end) ?? 0) + size);
		}
		peak = Math.max(peak, live);
		live -= freedAfter.get(node.id) ?? 0;
	}
	return peak;
}

/** The node whose memory each node's value lies in. */
function owners(nodes: readonly Node[]): number[] {
	const owner: number[] = [];
	for (const node of nodes) {
		const [input] = node.kind === "op" && VIEWS.has(node.op) ? node.inputs : [];
		owner.push(input === undefined ? node.id : (owner[input] ?? node.id));
	}
	return owner;
}

function bytesOfNode({ dtype, shape }: { readonly dtype: Node["dtype"]; readonly shape: Shape }): number {
	return sizeBytes(dtype, shape);
}
