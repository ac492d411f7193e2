// Chunks of updates that arrive before their turn in the file, in memory while there is room for them: what does not fit is
// read back from disk.
import type { ObjectId } from "@zk0/flower";

/** The early chunks of one reply. Disposing it forgets them. */
export interface EarlyChunks extends Disposable {
	/** Keeps a chunk if there is room. */
	offer(id: ObjectId, bytes: Uint8Array): void;
	/** A chunk that was kept; it is forgotten here. */
	take(id: ObjectId): Uint8Array | undefined;
}

/** Room of `maxBytes` that any number of replies share. */
export function earlyChunkRoom(maxBytes: number): () => EarlyChunks {
	let freeBytes = maxBytes;
	return () => {
		const kept = new Map<ObjectId, Uint8Array>();
		const take = (id: ObjectId): Uint8Array | undefined => {
			const bytes = kept.get(id);
			if (kept.delete(id)) freeBytes += bytes?.length ?? 0;
			return bytes;
		};
		return {
			offer: (id, bytes) => {
				if (bytes.length > freeBytes || kept.has(id)) return;
				kept.set(id, bytes);
				freeBytes -= bytes.length;
			},
			take,
			[Symbol.dispose]: () => {
				for (const id of kept.keys()) take(id);
			},
		};
	};
}
