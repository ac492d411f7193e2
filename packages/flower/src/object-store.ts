// Where objects are kept. Implementations: in memory (here) and one file per object (node/object-directory.ts).
import type { ReadOptions } from "./chunk-source.ts";
import { FlowerError, throwIfCancelled } from "./errors.ts";
import { type ObjectId, objectIdOf } from "./ids.ts";
import type { ObjectReader } from "./inflate.ts";

/** Objects by id. What `read` gives and `has` affirms always matches its id. */
export interface ObjectStore extends ObjectReader {
	/** True when the object is here, whole. */
	has(id: ObjectId): Promise<boolean>;
	/**
	 * Keeps an object; no effect when it is here already. The bytes must not change afterwards.
	 * @throws FlowerError invalid-argument when the bytes do not hash to the id.
	 */
	write(id: ObjectId, bytes: Uint8Array, options?: ReadOptions): Promise<void>;
	/** Forgets an object; no effect when it is not here. */
	remove(id: ObjectId): Promise<void>;
}

/** A store that lives as long as it is referenced. */
export function memoryObjects(): ObjectStore {
	const objects = new Map<ObjectId, Uint8Array>();
	return {
		has: async (id) => objects.has(id),
		read: async (id, options) => {
			throwIfCancelled(options?.signal);
			const bytes = objects.get(id);
			if (bytes === undefined) throw missingObject(id);
			return bytes;
		},
		write: async (id, bytes, options) => {
			throwIfCancelled(options?.signal);
			if (objects.has(id)) return;
			checkObjectId(id, bytes);
			objects.set(id, bytes);
		},
		remove: async (id) => {
			objects.delete(id);
		},
	};
}

/** @throws FlowerError invalid-argument when `bytes` do not hash to `id`. */
export function checkObjectId(id: ObjectId, bytes: Uint8Array): void {
	const actual = objectIdOf(bytes);
	if (actual !== id)
		throw new FlowerError("invalid-argument", `The bytes of object ${id} hash to ${actual}.`, {
			objectId: id,
		});
}

/** The error of reading an object that is not in a store. */
export function missingObject(id: ObjectId, cause?: unknown): FlowerError {
	return new FlowerError("not-found", `Object ${id} is not in the store.`, { objectId: id, cause });
}
