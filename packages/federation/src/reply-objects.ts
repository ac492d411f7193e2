// The objects of one reply on their way in: chunks in files of their own folder, so that they outlive a crash of the
// server, everything small in memory. What is announced bounds what is taken.
import { rm } from "node:fs/promises";
import {
	chunkIds,
	FlowerError,
	type ObjectStore as FlowerObjects,
	type ObjectId,
	type ObjectTree,
	parseObject,
	parseObjectId,
	type TreeNode,
	treeNodes,
} from "@zk0/flower";
import { openSpillingObjects } from "./spilling-objects.ts";

/** A reply whose objects are being collected. */
export interface ReplyObjects {
	readonly id: ObjectId;
	readonly tree: ObjectTree;
	/** Ids whose bytes are not here yet: indexes before chunks, so that a wrong update is refused early. */
	missing(): readonly ObjectId[];
	/** True for an object of this reply. */
	expects(id: ObjectId): boolean;
	/**
	 * Takes an object. @returns false when the bytes are not the object's
	 * @throws FlowerError resource-exhausted beyond `maxBytes`; failed-precondition for malformed ones
	 */
	put(id: ObjectId, bytes: Uint8Array, signal: AbortSignal): Promise<boolean>;
	/** Where the objects are read from. */
	readonly objects: FlowerObjects;
}

/** Starts to collect the objects of `tree`; chunks that an earlier process left in `directory` count as received. */
export async function collectObjects(
	tree: ObjectTree,
	directory: string,
	maxBytes: number,
): Promise<ReplyObjects> {
	const nodes = new Map<ObjectId, TreeNode>(treeNodes(tree).map((node) => [node.id, node]));
	const chunks = chunkIds(tree);
	const objects = await openSpillingObjects(directory);
	const missing = new Set<ObjectId>([...nodes.keys()].filter((id) => !chunks.has(id)).reverse());
	for (const id of chunks) if (!(await objects.has(id))) missing.add(id);
	let numBytes = 0;
	return {
		id: parseObjectId(tree.objectId),
		tree,
		objects,
		missing: () => [...missing],
		expects: (id) => nodes.has(id),
		async put(id, bytes, signal) {
			const node = nodes.get(id);
			if (node === undefined) return false;
			if (!missing.has(id)) return true;
			numBytes += bytes.length;
			if (numBytes > maxBytes)
				throw new FlowerError(
					"resource-exhausted",
					`the reply is larger than the ${maxBytes} bytes asked for`,
				);
			if (parseObject(bytes, id).children.join() !== node.children.join())
				throw new FlowerError("failed-precondition", "an object's children are not those of its tree", {
					objectId: id,
				});
			try {
				await objects.write(id, bytes, { signal });
			} catch (caught) {
				if (caught instanceof FlowerError && caught.code === "invalid-argument") return false;
				throw caught;
			}
			missing.delete(id);
			return true;
		},
	};
}

/** Removes what a reply left on disk. */
export async function forgetObjects(directory: string): Promise<void> {
	await rm(directory, { recursive: true, force: true });
}
