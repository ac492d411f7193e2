import { mkdtemp, readdir, rm, stat, truncate, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, describe, expect, test } from "vitest";
import { chunkObject, defineObjectStoreContract } from "../object-store.contract.ts";
import { openFileBytes } from "./file-bytes.ts";
import { openObjectDirectory } from "./object-directory.ts";

const folders: string[] = [];
const newFolder = async (): Promise<string> => {
	const folder = await mkdtemp(join(tmpdir(), "zk0-objects-"));
	folders.push(folder);
	return folder;
};
afterEach(async () => {
	for (const folder of folders.splice(0)) await rm(folder, { recursive: true });
});

describe("objects in a directory", () => {
	defineObjectStoreContract(async () => openObjectDirectory(join(await newFolder(), "objects")));

	test("survive the process; broken files count as missing", async () => {
		const folder = await newFolder();
		const [kept, cut] = [chunkObject("kept"), chunkObject("cut")];
		const first = await openObjectDirectory(folder);
		await first.write(kept.id, kept.bytes);
		await first.write(cut.id, cut.bytes);
		await truncate(join(folder, cut.id.slice(0, 2), cut.id.slice(2)), 3);
		const second = await openObjectDirectory(folder);
		expect(await second.has(kept.id)).toBe(true);
		expect(await second.has(cut.id)).toBe(false);
		await expect(second.read(cut.id)).rejects.toMatchObject({ code: "not-found" });
		await second.write(cut.id, cut.bytes);
		expect(Buffer.compare(await second.read(cut.id), cut.bytes)).toBe(0);
	});

	test("files are private and leave no remains", async () => {
		const folder = await newFolder();
		const store = await openObjectDirectory(folder);
		const { id, bytes } = chunkObject("private");
		await store.write(id, bytes);
		expect((await stat(join(folder, id.slice(0, 2), id.slice(2)))).mode & 0o777).toBe(0o600);
		expect(await readdir(folder)).toEqual([id.slice(0, 2)]);
	});

	test("a directory that cannot be written is named", async () => {
		const folder = await newFolder();
		const store = await openObjectDirectory(folder);
		const { id, bytes } = chunkObject("blocked");
		await writeFile(join(folder, id.slice(0, 2)), "a file where a folder must be");
		await expect(store.write(id, bytes)).rejects.toMatchObject({ code: "internal", objectId: id });
	});
});

describe("parts of a file", () => {
	test("give exactly their bytes", async () => {
		const path = join(await newFolder(), "data");
		await writeFile(path, "0123456789");
		await using file = await openFileBytes(path);
		const part = file.range(2, 6);
		expect(Buffer.from(await part.read(1, 3)).toString()).toBe("345");
		expect(() => file.range(5, 6)).toThrow(RangeError);
		await truncate(path, 4);
		await expect(part.read(0, 6)).rejects.toMatchObject({ code: "data-loss" });
		await expect(part.read(0, 1, { signal: AbortSignal.abort() })).rejects.toMatchObject({
			code: "cancelled",
		});
	});
});
