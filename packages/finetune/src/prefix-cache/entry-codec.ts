// Entries in the store's number format: float32 as they are, or rounded to bfloat16 at half the size. With bfloat16
// the rounded numbers are used from the start, so that an entry means the same when it is new and when it is read.
import { bytesOf, float32ToBfloat16 } from "@zk0/arrays";
import type { Store } from "./store.ts";

/** How numbers are stored. */
export type EntryDtype = "float32" | "bfloat16";

/** Bytes of one number. */
export const NUMBER_BYTES: Readonly<Record<EntryDtype, number>> = { float32: 4, bfloat16: 2 };

/** Reads an entry into float32 views; false when it is not there. */
export async function readEntry(
	store: Store,
	dtype: EntryDtype,
	key: string,
	views: readonly Float32Array[],
): Promise<boolean> {
	if (dtype === "float32") return await store.read(key, views.map(bytesOf));
	const words = new Uint16Array(views.reduce((sum, { length }) => sum + length, 0));
	if (!(await store.read(key, [bytesOf(words)]))) return false;
	expandWords(words, views);
	return true;
}

/** Keeps an entry. With bfloat16 the views are rounded. Returns false when it is not kept. */
export async function keepEntry(
	store: Store,
	dtype: EntryDtype,
	key: string,
	views: readonly Float32Array[],
): Promise<boolean> {
	if (dtype === "float32") return await store.put(key, views.map(bytesOf));
	const parts = views.map(float32ToBfloat16);
	views.forEach((view, index) => expandWords(parts[index] ?? new Uint16Array(0), [view]));
	return await store.put(key, parts.map(bytesOf));
}

/** bfloat16 words to the float32 numbers they stand for. */
function expandWords(words: Uint16Array, views: readonly Float32Array[]): void {
	let at = 0;
	for (const view of views) {
		const bits = new Uint32Array(view.buffer, view.byteOffset, view.length);
		for (let index = 0; index < bits.length; index++) bits[index] = (words[at++] ?? 0) << 16;
	}
}
