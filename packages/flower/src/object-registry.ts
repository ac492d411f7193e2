// Which objects a server expects, has and still needs: Flower's store rules (announce a tree, then put its objects;
// an object lives until nothing refers to it). The bytes are in an ObjectStore; this is bookkeeping, in memory.
import type { ReadOptions } from "./chunk-source.ts";
import { FlowerError } from "./errors.ts";
import type { ObjectId } from "./ids.ts";
import { parseObject } from "./object.ts";
import type { ObjectStore } from "./object-store.ts";
import type { TreeNode } from "./object-tree.ts";

/** Answer to a request for an object. */
export type StoredObject =
	| { readonly kind: "unknown" }
	/** Announced, but its bytes have not arrived: ask again later. */
	| { readonly kind: "pending" }
	| { readonly kind: "available"; readonly bytes: Uint8Array };

/** The objects of all runs. */
export interface ObjectRegistry {
	/**
	 * Announces the objects of a message, which stay until its `release`; announcing again has no further effect.
	 * @param nodes children first, the message last: `treeNodes` of a received tree, or the objects of a DeflatedMessage.
	 * @returns ids whose bytes are missing.
	 */
	announce(nodes: readonly TreeNode[]): ObjectId[];
	/**
	 * Takes the bytes of an announced object; a second time has no effect.
	 * @returns false when the object was not announced or the bytes do not hash to its id.
	 * @throws FlowerError failed-precondition | resource-exhausted when the bytes are not an object.
	 */
	put(id: ObjectId, bytes: Uint8Array, options?: ReadOptions): Promise<boolean>;
	/** The bytes of an object, if they are here. */
	get(id: ObjectId, options?: ReadOptions): Promise<StoredObject>;
	/** Gives a message up: objects that nothing refers to any more are removed. No effect on other ids. */
	release(root: ObjectId): Promise<void>;
	/** Objects announced and not released. */
	readonly numObjects: number;
}

interface Entry {
	readonly children: readonly ObjectId[];
	/** One for being a message that is not released, and one for each object that has it as a child. */
	numReferences: number;
	isAvailable: boolean;
}

/** A registry over `store`, which must be empty or hold only objects that nobody else removes. */
export function createObjectRegistry(store: ObjectStore): ObjectRegistry {
	const entries = new Map<ObjectId, Entry>();
	const messages = new Set<ObjectId>();
	const dereference = async (id: ObjectId): Promise<void> => {
		const entry = entries.get(id);
		if (entry === undefined) return;
		entry.numReferences--;
		if (entry.numReferences > 0) return;
		entries.delete(id);
		if (entry.isAvailable) await store.remove(id);
		for (const child of entry.children) await dereference(child);
	};
	return {
		get numObjects() {
			return entries.size;
		},
		announce(nodes) {
			for (const { id, children } of nodes) {
				if (entries.has(id)) continue;
				entries.set(id, { children, numReferences: 0, isAvailable: false });
				for (const child of children) {
					const entry = entries.get(child);
					if (entry !== undefined) entry.numReferences++;
				}
			}
			const root = nodes.at(-1)?.id;
			const rootEntry = root === undefined ? undefined : entries.get(root);
			if (root !== undefined && rootEntry !== undefined && !messages.has(root)) {
				messages.add(root);
				rootEntry.numReferences++;
			}
			return nodes.filter(({ id }) => entries.get(id)?.isAvailable === false).map(({ id }) => id);
		},
		async put(id, bytes, options) {
			const entry = entries.get(id);
			if (entry === undefined) return false;
			if (entry.isAvailable) return true;
			const { children } = parseObject(bytes, id);
			if (children.join() !== entry.children.join())
				throw new FlowerError("failed-precondition", "An object's children are not those of its tree.", {
					objectId: id,
				});
			try {
				await store.write(id, bytes, options);
			} catch (caught) {
				if (caught instanceof FlowerError && caught.code === "invalid-argument") return false;
				throw caught;
			}
			if (entries.get(id) !== entry) await store.remove(id);
			else entry.isAvailable = true;
			return true;
		},
		async get(id, options) {
			const entry = entries.get(id);
			if (entry === undefined) return { kind: "unknown" };
			if (!entry.isAvailable) return { kind: "pending" };
			return { kind: "available", bytes: await store.read(id, options) };
		},
		release: async (root) => {
			if (messages.delete(root)) await dereference(root);
		},
	};
}
