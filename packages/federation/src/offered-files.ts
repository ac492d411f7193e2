// Files that a server offers to the sites of a run (the model that it starts from): a record of byte arrays named by
// path, in the same content-addressed objects as everything else. They are read and written one chunk at a time on both
// sides, checked against their hashes, and files that are whole already are not asked for again.

import { stat } from "node:fs/promises";
import { join } from "node:path";
import { codeOf } from "@zk0/arrays";
import { writePartsAtomic } from "@zk0/arrays/node";
import {
	arrayRecord,
	type DeflatedContent,
	deflateContent,
	FlowerError,
	inflateContent,
	type ObjectId,
	type ObjectLink,
	type ObjectReader,
	type ObjectStore,
	openArray,
	parseObject,
	parseObjectId,
	pullObjects,
	type RetryPolicy,
	streamedArray,
	type TransferOptions,
} from "@zk0/flower";
import { throwIfCancelled } from "./errors.ts";
import { fileRange } from "./wire-arrays.ts";

const RECORD = "files";
const MAX_FILES = 10_000;
/** Segments of a path: what every file system takes, and nothing that leads elsewhere. */
const SEGMENT = /^(?!\.{1,2}$)[\w.+ -]{1,200}$/;

/**
 * Files by the names under which sites will have them (`a/b.json`); reads each once to learn its chunks' ids, and again
 * whenever a site pulls. Equal files under equal names have an equal root.
 * @throws RangeError for a name that is no relative path
 */
export async function offerFiles(
	files: ReadonlyMap<string, string>,
	options: { readonly signal?: AbortSignal | undefined } = {},
): Promise<DeflatedContent> {
	const entries = [];
	for (const [name, path] of [...files].sort(([a], [b]) => (a < b ? -1 : 1))) {
		if (!isFileName(name)) throw new RangeError(`offerFiles: "${name}" is no relative path`);
		const { size } = await stat(path);
		entries.push([name, streamedArray("uint8", [size], fileRange(path, 0, size))] as const);
	}
	return await deflateContent(new Map([[RECORD, arrayRecord(entries)]]), options);
}

/** How files are fetched. */
export interface FetchOptions extends TransferOptions {
	readonly link: ObjectLink;
	/** Objects on their way; what is in it is not asked for again. */
	readonly objects: ObjectStore;
	readonly retry: RetryPolicy;
}

/**
 * Brings offered files into `directory`; a later call goes on where an earlier one was interrupted.
 * @throws FlowerError not-found | data-loss | invalid-argument; failures of transport and storage
 */
export async function fetchFiles(root: string, directory: string, options: FetchOptions): Promise<void> {
	const { objects, signal } = options;
	const reader = pullingReader(options);
	const [record] = (await inflateContent(parseObjectId(root), reader)).values();
	const indexIds = reader.takeIds();
	if (record?.kind !== "arrays" || record.entries.size > MAX_FILES)
		throw new FlowerError("invalid-argument", "the server offers something else than files");
	for (const [name, array] of record.entries) {
		throwIfCancelled(signal, "fetching files");
		if (!isFileName(name))
			throw new FlowerError("invalid-argument", `the server offers a file named "${name.slice(0, 80)}"`);
		const path = join(directory, name);
		// Files appear whole or not at all.
		if ((await sizeOf(path)) === array.shape[0]) continue;
		await writePartsAtomic(path, (await openArray(array, { signal })).data);
		for (const id of reader.takeIds()) await objects.remove(id);
	}
	for (const id of indexIds) await objects.remove(id);
}

/** Chunks that are asked for at once. */
const READ_AHEAD = 4;

/** Reads objects, pulling those that are not here yet; knows which it has read. */
function pullingReader({ link, objects, ...options }: FetchOptions): ObjectReader & {
	/** Ids read since the last call. */
	takeIds(): readonly ObjectId[];
} {
	const ahead = new Map<ObjectId, readonly ObjectId[]>();
	const ids: ObjectId[] = [];
	return {
		takeIds: () => ids.splice(0),
		async read(id) {
			await pullObjects(link, ahead.get(id) ?? [id], objects, { concurrency: READ_AHEAD, ...options });
			const bytes = await objects.read(id, options);
			const { type, children } = parseObject(bytes, id);
			if (type === "Array")
				for (const [index, child] of children.entries())
					ahead.set(child, children.slice(index, index + READ_AHEAD));
			ids.push(id);
			return bytes;
		},
	};
}

async function sizeOf(path: string): Promise<number | undefined> {
	try {
		return (await stat(path)).size;
	} catch (caught) {
		if (codeOf(caught) === "ENOENT") return undefined;
		throw caught;
	}
}

function isFileName(name: string): boolean {
	return name.split("/").every((segment) => SEGMENT.test(segment));
}
