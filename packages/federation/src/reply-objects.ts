// The objects of one reply on their way in: chunks in files of their own folder, so that they outlive a crash of the
// server, everything small in memory. What is announced bounds what is taken.
import { rm } from "node:fs/promises";
import {
	chunkIds,
	FlowerError,
	type ObjectStore as FlowerObjects,
	type ObjectId,
	type ObjectReader,
	type ObjectTree,
	parseObject,
	parseObjectId,
	type TreeNode,
	treeNodes,
} from "@zk0/flower";
import type { EarlyChunks } from "./early-chunks.ts";
import { MIN_FILE_BYTES, openSpillingObjects } from "./spilling-objects.ts";

/** What a reply may be, by what was asked for. */
export interface ReplyBounds {
	/** Of all objects together. */
	readonly maxBytes: number;
	/** Of those that are kept in memory: names, ids, and chunks under 64 KiB. */
	readonly maxSmallBytes: number;
	readonly maxObjects: number;
}

/** A reply whose objects are being collected. Disposing it ends what waits for them; the files stay. */
export interface ReplyObjects extends Disposable {
	readonly id: ObjectId;
	readonly tree: ObjectTree;
	/** Ids whose bytes are not here yet: indexes before chunks, so that a wrong update is refused early. */
	missing(): readonly ObjectId[];
	/** True for an object of this reply. */
	expects(id: ObjectId): boolean;
	/**
	 * Takes an object. @returns false when the bytes are not the object's
	 * @throws FlowerError resource-exhausted beyond its bounds; failed-precondition for malformed ones
	 */
	put(id: ObjectId, bytes: Uint8Array, signal: AbortSignal): Promise<boolean>;
	/** Removes the objects that are not of `successor`, which takes this reply's place. */
	leaveTo(successor: ReplyObjects): Promise<void>;
	/** Where the objects are read from. */
	readonly objects: FlowerObjects;
	/** True when only chunks are missing. */
	hasIndexes(): boolean;
	/** Reads objects that may still be on their way, each when it is there. Fails once the reply is disposed. */
	readonly arriving: ObjectReader;
}

/** Starts to collect the objects of `tree`; chunks that an earlier process left in `directory` count as received. `early` is the reply's own. */
export async function collectObjects(
	tree: ObjectTree,
	directory: string,
	{ maxBytes, maxSmallBytes, maxObjects }: ReplyBounds,
	early: EarlyChunks,
): Promise<ReplyObjects> {
	const nodes = new Map<ObjectId, TreeNode>(treeNodes(tree).map((node) => [node.id, node]));
	if (nodes.size > maxObjects)
		throw tooLarge(`${nodes.size} objects, at most ${maxObjects} fit what was asked for; cut larger chunks`);
	const chunks = chunkIds(tree);
	const objects = await openSpillingObjects(directory);
	const missing = new Set<ObjectId>([...nodes.keys()].filter((id) => !chunks.has(id)).reverse());
	for (const id of chunks) if (!(await objects.has(id))) missing.add(id);
	let numBytes = 0;
	let numSmallBytes = 0;
	/** Of bytes that were not an object's: they are not kept, and yet cost the work of looking at them. */
	let numWrongBytes = 0;
	/** Room for bytes, given back unless they are kept: what failed on the way may come again. */
	const enter = (size: number): Disposable & { isKept: boolean } => {
		const smallSize = size < MIN_FILE_BYTES ? size : 0;
		if (numBytes + size > maxBytes) throw tooLarge(`more than the ${maxBytes} bytes asked for`);
		if (numSmallBytes + smallSize > maxSmallBytes)
			throw tooLarge(`more than ${maxSmallBytes} bytes in small objects; cut larger chunks`);
		if (numWrongBytes > maxBytes)
			throw tooLarge("too many bytes that are not those of its objects; look at the site's disk and memory");
		numBytes += size;
		numSmallBytes += smallSize;
		return {
			isKept: false,
			[Symbol.dispose]() {
				if (this.isKept) return;
				numBytes -= size;
				numSmallBytes -= smallSize;
			},
		};
	};
	/** Who waits for an object that is missing. */
	const waiters = new Map<ObjectId, Waiter>();
	let isDisposed = false;
	return {
		id: parseObjectId(tree.objectId),
		tree,
		objects,
		missing: () => [...missing],
		expects: (id) => nodes.has(id),
		async leaveTo(successor) {
			for (const id of nodes.keys()) if (!successor.expects(id)) await objects.remove(id);
		},
		hasIndexes: () => [...missing].every((id) => chunks.has(id)),
		arriving: {
			read: async (id, options) => {
				if (!missing.has(id)) return early.take(id) ?? (await objects.read(id, options));
				return await new Promise<Uint8Array>((resolve, reject) => {
					if (isDisposed) reject(goneError(id));
					else waiters.set(id, { resolve, reject });
				});
			},
		},
		async put(id, bytes, signal) {
			const node = nodes.get(id);
			if (node === undefined) return false;
			if (!missing.has(id)) return true;
			const room = enter(bytes.length);
			try {
				if (parseObject(bytes, id).children.join() !== node.children.join())
					throw new FlowerError("failed-precondition", "an object's children are not those of its tree", {
						objectId: id,
					});
				await objects.write(id, bytes, { signal });
				room.isKept = missing.delete(id);
			} catch (caught) {
				if (!(caught instanceof FlowerError && isWrong(caught))) throw caught;
				numWrongBytes += bytes.length;
				if (caught.code === "invalid-argument") return false;
				throw caught;
			} finally {
				room[Symbol.dispose]();
			}
			const waiter = waiters.get(id);
			waiters.delete(id);
			if (waiter !== undefined) waiter.resolve(bytes);
			else if (chunks.has(id) && !isDisposed) early.offer(id, bytes);
			return true;
		},
		[Symbol.dispose]: () => {
			isDisposed = true;
			for (const [id, { reject }] of waiters) reject(goneError(id));
			waiters.clear();
			early[Symbol.dispose]();
		},
	};
}

/** Errors of bytes that are not the object's. */
function isWrong({ code }: FlowerError): boolean {
	return code === "invalid-argument" || code === "failed-precondition";
}

function tooLarge(what: string): FlowerError {
	return new FlowerError("resource-exhausted", `the reply has ${what}`, { reason: "over-limit" });
}

interface Waiter {
	readonly resolve: (bytes: Uint8Array) => void;
	readonly reject: (error: FlowerError) => void;
}

function goneError(objectId: ObjectId): FlowerError {
	return new FlowerError("cancelled", "The reply is no longer waited for.", { objectId });
}

/** Removes what a reply left on disk. */
export async function forgetObjects(directory: string): Promise<void> {
	await rm(directory, { recursive: true, force: true });
}
