// The tree of object ids that goes with a message: the root is the message, shared subtrees are repeated in full.
import type { MessageInitShape } from "@bufbuild/protobuf";
import { FlowerError } from "./errors.ts";
import type { ObjectTree, ObjectTreeSchema } from "./gen/flwr/proto/message_pb.ts";
import { type ObjectId, parseObjectId } from "./ids.ts";
import { MAX_TREE_DEPTH, MAX_TREE_OBJECTS } from "./limits.ts";

/** A tree as it is handed to the encoder. */
export type ObjectTreeInit = MessageInitShape<typeof ObjectTreeSchema>;

/** One object of a tree: its id and those of its direct children. */
export interface TreeNode {
	readonly id: ObjectId;
	readonly children: readonly ObjectId[];
}

/** The tree of `root`, whose objects' children `childrenOf` tells. */
export function buildTree(root: ObjectId, childrenOf: (id: ObjectId) => readonly ObjectId[]): ObjectTreeInit {
	return { objectId: root, children: childrenOf(root).map((child) => buildTree(child, childrenOf)) };
}

/**
 * The objects of a received tree, children first, each once.
 * @throws FlowerError invalid-argument for a bad id or an object with two sets of children,
 * resource-exhausted over MAX_TREE_OBJECTS or MAX_TREE_DEPTH.
 */
export function treeNodes(tree: ObjectTree): TreeNode[] {
	const nodes = new Map<ObjectId, TreeNode>();
	let numVisited = 0;
	const visit = (node: ObjectTree, depth: number): ObjectId => {
		numVisited++;
		if (numVisited > MAX_TREE_OBJECTS || depth > MAX_TREE_DEPTH)
			throw new FlowerError(
				"resource-exhausted",
				`An object tree is over ${MAX_TREE_OBJECTS} objects or ${MAX_TREE_DEPTH} levels.`,
			);
		const id = parseObjectId(node.objectId);
		const children = [...new Set(node.children.map((child) => visit(child, depth + 1)))];
		const known = nodes.get(id);
		if (known === undefined) nodes.set(id, { id, children });
		else if (known.children.join() !== children.join())
			throw new FlowerError("invalid-argument", "An object tree gives one object two sets of children.", {
				objectId: id,
			});
		return id;
	};
	visit(tree, 1);
	return [...nodes.values()];
}

/** The objects of a received tree that hold array data: those at the lowest level. */
export function chunkIds(tree: ObjectTree): ReadonlySet<ObjectId> {
	const chunks = new Set<ObjectId>();
	const visit = (node: ObjectTree, depth: number): void => {
		if (depth === MAX_TREE_DEPTH) chunks.add(parseObjectId(node.objectId));
		else for (const child of node.children) visit(child, depth + 1);
	};
	visit(tree, 1);
	return chunks;
}
