// Objects as files: <directory>/<first two digits>/<the other 62>. Files appear whole, by rename. They are not
// flushed to the device: what a power cut breaks is noticed by its hash at the first read and counts as missing.

import { randomUUID } from "node:crypto";
import { mkdir, open, readdir, readFile, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import { codeOf } from "@zk0/arrays";
import type { ReadOptions } from "../chunk-source.ts";
import { FlowerError, throwIfCancelled } from "../errors.ts";
import { isObjectId, type ObjectId, objectIdOf } from "../ids.ts";
import { checkObjectId, missingObject, type ObjectStore } from "../object-store.ts";

/** The store in `directory`, which is made when it is written to. One process may use it at a time. */
export async function openObjectDirectory(directory: string): Promise<ObjectStore> {
	/** Objects that an earlier process left here; their bytes are hashed before they are used. */
	const found = await listObjects(directory);
	/** Objects whose bytes this process has hashed. */
	const verified = new Set<ObjectId>();
	const pathOf = (id: ObjectId): string => join(directory, id.slice(0, 2), id.slice(2));
	const readVerified = async (id: ObjectId, options?: ReadOptions): Promise<Uint8Array | undefined> => {
		throwIfCancelled(options?.signal);
		if (!verified.has(id) && !found.has(id)) return undefined;
		const bytes = await readIfThere(pathOf(id));
		if (bytes === undefined || verified.has(id)) return bytes;
		found.delete(id);
		if (objectIdOf(bytes) !== id) {
			await rm(pathOf(id), { force: true });
			return undefined;
		}
		verified.add(id);
		return bytes;
	};
	return {
		has: async (id) => verified.has(id) || (await readVerified(id)) !== undefined,
		read: async (id, options) => {
			const bytes = await readVerified(id, options);
			if (bytes === undefined) throw missingObject(id);
			return bytes;
		},
		write: async (id, bytes, options) => {
			throwIfCancelled(options?.signal);
			if (verified.has(id)) return;
			checkObjectId(id, bytes);
			const path = pathOf(id);
			const temporary = join(directory, `${randomUUID()}.part`);
			try {
				await mkdir(join(directory, id.slice(0, 2)), { recursive: true, mode: 0o700 });
				await writeWhole(temporary, bytes);
				await rename(temporary, path);
			} catch (caught) {
				await rm(temporary, { force: true });
				throw writeError(id, caught);
			}
			verified.add(id);
		},
		remove: async (id) => {
			const wasHere = verified.delete(id) || found.delete(id);
			if (wasHere) await rm(pathOf(id), { force: true });
		},
	};
}

async function listObjects(directory: string): Promise<Set<ObjectId>> {
	const found = new Set<ObjectId>();
	for (const folder of await readdir(directory, { withFileTypes: true }).catch(noEntries)) {
		if (!folder.isDirectory()) continue;
		for (const rest of await readdir(join(directory, folder.name))) {
			const id = `${folder.name}${rest}`;
			if (isObjectId(id)) found.add(id);
		}
	}
	return found;
}

/** A folder that is not there yet has no entries. */
function noEntries(caught: unknown): [] {
	if (codeOf(caught) === "ENOENT") return [];
	throw caught;
}

/** In as few system calls as the system allows: `writeFile` would make ten of a chunk. */
async function writeWhole(path: string, bytes: Uint8Array): Promise<void> {
	await using file = await open(path, "wx", 0o600);
	for (let numWritten = 0; numWritten < bytes.length; )
		numWritten += (await file.write(bytes, numWritten)).bytesWritten;
}

async function readIfThere(path: string): Promise<Uint8Array | undefined> {
	try {
		return await readFile(path);
	} catch (caught) {
		if (codeOf(caught) === "ENOENT") return undefined;
		throw caught;
	}
}

function writeError(objectId: ObjectId, cause: unknown): FlowerError {
	const isFull = codeOf(cause) === "ENOSPC" || codeOf(cause) === "EDQUOT";
	return isFull
		? new FlowerError("resource-exhausted", "The disk is full; free space and repeat.", { objectId, cause })
		: new FlowerError("internal", "An object could not be written to its directory.", { objectId, cause });
}
