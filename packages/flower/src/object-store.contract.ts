// What every object store must do; run by object-store.test.ts and node/object-directory.test.ts.
import { expect, test } from "vitest";
import { objectIdOf } from "./ids.ts";
import { encodeObject } from "./object.ts";
import type { ObjectStore } from "./object-store.ts";

/** A chunk object of some text. */
export function chunkObject(text: string): { id: ReturnType<typeof objectIdOf>; bytes: Uint8Array } {
	const bytes = encodeObject("ArrayChunk", [], Buffer.from(text));
	return { id: objectIdOf(bytes), bytes };
}

/** Defines the suite for one store, which `open` makes empty; call it inside a `describe`. */
export function defineObjectStoreContract(open: () => Promise<ObjectStore>): void {
	const { id, bytes } = chunkObject("some bytes");

	test("keeps what is written until it is removed", async () => {
		const store = await open();
		expect(await store.has(id)).toBe(false);
		await store.write(id, bytes);
		await store.write(id, bytes);
		expect(await store.has(id)).toBe(true);
		expect(Buffer.compare(await store.read(id), bytes)).toBe(0);
		await store.remove(id);
		await store.remove(id);
		expect(await store.has(id)).toBe(false);
	});

	test("what is missing is named", async () => {
		const store = await open();
		await expect(store.read(id)).rejects.toMatchObject({ code: "not-found", objectId: id });
	});

	test("other bytes than the id's are refused", async () => {
		const store = await open();
		const wrong = store.write(id, Buffer.from("other bytes"));
		await expect(wrong).rejects.toMatchObject({ code: "invalid-argument", objectId: id });
		expect(await store.has(id)).toBe(false);
	});

	test("reads and writes can be cancelled", async () => {
		const store = await open();
		const signal = AbortSignal.abort();
		await expect(store.write(id, bytes, { signal })).rejects.toMatchObject({ code: "cancelled" });
		await expect(store.read(id, { signal })).rejects.toMatchObject({ code: "cancelled" });
		expect(await store.has(id)).toBe(false);
	});

	test("many at once", async () => {
		const store = await open();
		const objects = Array.from({ length: 40 }, (_, index) => chunkObject(`chunk ${index % 20}`));
		await Promise.all(objects.map((object) => store.write(object.id, object.bytes)));
		const read = await Promise.all(objects.map((object) => store.read(object.id)));
		expect(read.map((object) => objectIdOf(object))).toEqual(objects.map((object) => object.id));
	});
}
