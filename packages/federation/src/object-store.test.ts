import { readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { sha256Hex } from "@zk0/arrays/node";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { openObjectStore } from "./object-store.ts";
import { smallDisk } from "./testing/small-disk.ts";
import { temporaryDir } from "./testing/toy-app.ts";

async function readAll(chunks: AsyncIterable<Uint8Array>): Promise<Uint8Array> {
	const parts: Uint8Array[] = [];
	for await (const chunk of chunks) parts.push(chunk.slice());
	return new Uint8Array(Buffer.concat(parts));
}

describe("ObjectStore", () => {
	test("gives back what was put, under its SHA-256, from any offset, also after reopening", async () => {
		await using dir = await temporaryDir();
		const store = await openObjectStore(dir.path);
		await fc.assert(
			fc.asyncProperty(fc.array(fc.uint8Array({ maxLength: 40 })), fc.nat(), async (parts, cut) => {
				const whole = new Uint8Array(Buffer.concat(parts));
				const offset = cut % (whole.length + 1);
				const { sha256, sizeBytes } = await store.put(parts);
				expect(sha256).toBe(sha256Hex(whole));
				expect(sizeBytes).toBe(whole.length);
				expect(await readAll(store.read(sha256))).toEqual(whole);
				expect(await readAll(store.read(sha256, { offset }))).toEqual(whole.subarray(offset));
			}),
			{ numRuns: 30 },
		);
		const again = await openObjectStore(dir.path);
		expect(new Set(again.list())).toEqual(new Set(store.list()));
		expect(await readdir(join(dir.path, "incoming"))).toEqual([]);
	});

	test("forgets unfinished uploads at the next open and takes no foreign file for an object", async () => {
		await using dir = await temporaryDir();
		const store = await openObjectStore(dir.path);
		const upload = await store.receive();
		await upload.write(new Uint8Array(10));
		await writeFile(join(dir.path, "objects", "notes.txt"), "x");
		const again = await openObjectStore(dir.path);
		expect(again.list()).toEqual([]);
		expect(await readdir(join(dir.path, "incoming"))).toEqual([]);
		await upload[Symbol.asyncDispose]();
	});

	test("refuses bytes that are not the announced object and leaves nothing behind", async () => {
		await using dir = await temporaryDir();
		const store = await openObjectStore(dir.path);
		const upload = await store.receive();
		await upload.write(new Uint8Array(3));
		await expect(upload.commit("0".repeat(64))).rejects.toMatchObject({ code: "hash-mismatch" });
		expect(await readdir(join(dir.path, "incoming"))).toEqual([]);
		await expect(upload.write(new Uint8Array(1))).rejects.toThrow(TypeError);
		await expect(upload.commit()).rejects.toThrow(TypeError);
	});

	test("a full disk is a typed error; earlier content stays whole and there is no half object", async () => {
		await using dir = await temporaryDir();
		const disk = smallDisk(1000);
		const store = await openObjectStore(dir.path, disk);
		const kept = await store.put([new Uint8Array(900).fill(1)]);
		await expect(store.put([new Uint8Array(900).fill(2)])).rejects.toMatchObject({ code: "disk-full" });
		expect(store.list()).toEqual([kept]);
		expect(await store.verify(kept.sha256)).toBe(true);
		expect(await readdir(join(dir.path, "incoming"))).toEqual([]);
		disk.refill(1000);
		const later = await store.put([new Uint8Array(900).fill(2)]);
		expect(await store.verify(later.sha256)).toBe(true);
	});

	test("notices changed bytes when reading and when verifying", async () => {
		await using dir = await temporaryDir();
		const store = await openObjectStore(dir.path);
		const { sha256, path } = await store.put([new Uint8Array(100)]);
		const bytes = await readFile(path);
		bytes[50] = 1;
		await writeFile(path, bytes);
		expect(await store.verify(sha256)).toBe(false);
		await expect(readAll(store.read(sha256))).rejects.toMatchObject({ code: "corrupt-object" });
	});

	test("adopts a file, deletes objects, and says when there is none", async () => {
		await using dir = await temporaryDir();
		const store = await openObjectStore(dir.path);
		const path = store.scratchPath();
		await writeFile(path, "hello");
		const { sha256 } = await store.adopt(path);
		expect(sha256).toBe(sha256Hex("hello"));
		expect(await store.verify(sha256)).toBe(true);
		await store.delete(sha256);
		await store.delete(sha256);
		expect(store.find(sha256)).toBeUndefined();
		expect(await store.verify(sha256)).toBe(false);
		expect(() => store.get(sha256)).toThrow(expect.objectContaining({ code: "unknown-object" }));
		await expect(store.adopt(path)).rejects.toMatchObject({ code: "storage" });
	});

	test("stops reading and writing when cancelled", async () => {
		await using dir = await temporaryDir();
		const store = await openObjectStore(dir.path);
		const { sha256 } = await store.put([new Uint8Array(10)]);
		const signal = AbortSignal.abort();
		await expect(readAll(store.read(sha256, { signal }))).rejects.toMatchObject({ code: "cancelled" });
		await expect(store.put([new Uint8Array(1)], { signal })).rejects.toMatchObject({ code: "cancelled" });
		expect(await readdir(join(dir.path, "incoming"))).toEqual([]);
	});
});
