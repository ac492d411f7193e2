// Global weights as objects that any number of tasks share: their file is read once to learn the objects' ids, and
// again, one chunk at a time, whenever a site pulls.
import { type DeflatedContent, deflateRecord } from "@zk0/flower";
import type { ObjectStore } from "./object-store.ts";
import { wireArrays } from "./wire-arrays.ts";

/** Weights of which the objects are known; two, so that a change of rounds forgets nothing that is in use. */
const MAX_KEPT = 2;

/** The objects of stored weights. */
export interface PublishedWeights {
	/** The ArrayRecord of a stored file. @throws FederationError unknown-object */
	objectsOf(sha256: string): Promise<DeflatedContent>;
}

/** Publishes from `store`. */
export function publishWeights(store: ObjectStore): PublishedWeights {
	const kept = new Map<string, Promise<DeflatedContent>>();
	return {
		objectsOf(sha256) {
			const known = kept.get(sha256);
			if (known !== undefined) return known;
			const objects = Promise.resolve().then(() => deflateRecord(wireArrays(store.get(sha256).path)));
			kept.set(sha256, objects);
			const [oldest] = kept.keys();
			if (oldest !== undefined && kept.size > MAX_KEPT) kept.delete(oldest);
			return objects;
		},
	};
}
