// Objects back into messages. Only index objects are read; arrays come back as sources that read their chunks from
// the same reader when asked. Bytes are expected to have been checked against their ids when they arrived.
import { type ArrayInfo, parseArrayObject } from "./array-object.ts";
import type { ChunkSource, ReadOptions } from "./chunk-source.ts";
import { FlowerError } from "./errors.ts";
import { type ObjectId, parseObjectId } from "./ids.ts";
import { decodeMessageBody, type FlowerMessage } from "./message.ts";
import { expectObject, parseObject } from "./object.ts";
import { parseJsonIndex } from "./python-json.ts";
import {
	type ArrayRecord,
	arrayRecord,
	type FlowerArray,
	type FlowerRecord,
	type RecordDict,
} from "./record.ts";
import { decodeConfigRecord, decodeMetricRecord } from "./record-values.ts";

/** Where objects are read from. */
export interface ObjectReader {
	/** All bytes of an object, head included. @throws FlowerError not-found when it is not here. */
	read(id: ObjectId, options?: ReadOptions): Promise<Uint8Array>;
}

/**
 * The message whose Message object is `id`.
 * @throws FlowerError invalid-argument | failed-precondition | resource-exhausted for objects that are no message,
 * and whatever the reader throws.
 */
export async function inflateMessage(
	id: ObjectId,
	reader: ObjectReader,
	options: ReadOptions = {},
): Promise<FlowerMessage> {
	const { children, body } = expectObject(await reader.read(id, options), "Message", id);
	const { metadata, error } = decodeMessageBody(body);
	const [contentId, ...more] = children;
	if (more.length > 0 || (contentId === undefined) !== (error !== undefined))
		throw new FlowerError("invalid-argument", "A Message object must have either one child or an error.", {
			objectId: id,
		});
	if (error !== undefined) return { metadata, payload: { kind: "error", error } };
	const content = await inflateContent(parseObjectId(contentId ?? ""), reader, options);
	return { metadata, payload: { kind: "content", content } };
}

/** The records whose RecordDict object is `id`; errors as `inflateMessage`. */
export async function inflateContent(
	id: ObjectId,
	reader: ObjectReader,
	options: ReadOptions = {},
): Promise<RecordDict> {
	const { children, body } = expectObject(await reader.read(id, options), "RecordDict", id);
	const records = new Map<ObjectId, FlowerRecord>();
	for (const child of children) records.set(child, await inflateRecord(child, reader, options));
	return named(body, records, id);
}

/** The record whose object is `id`; errors as `inflateMessage`. */
export async function inflateRecord(
	id: ObjectId,
	reader: ObjectReader,
	options: ReadOptions = {},
): Promise<FlowerRecord> {
	const { type, children, body } = parseObject(await reader.read(id, options), id);
	if (type === "ArrayRecord") return inflateArrayRecord(id, children, body, reader, options);
	if (type === "MetricRecord") return decodeMetricRecord(body);
	if (type === "ConfigRecord") return decodeConfigRecord(body);
	throw new FlowerError("invalid-argument", `Expected a record, got a ${type} object.`, { objectId: id });
}

/** The array whose Array object is `id`; its chunks are read when they are asked for. Errors as `inflateMessage`. */
export async function inflateArray(
	id: ObjectId,
	reader: ObjectReader,
	options: ReadOptions = {},
): Promise<FlowerArray> {
	const info = parseArrayObject(expectObject(await reader.read(id, options), "Array", id), id);
	const { dtype, shape, stype } = info;
	return { dtype, shape, stype, data: storedChunks(info, reader) };
}

async function inflateArrayRecord(
	id: ObjectId,
	children: readonly ObjectId[],
	body: Uint8Array,
	reader: ObjectReader,
	options: ReadOptions,
): Promise<ArrayRecord> {
	const arrays = new Map<ObjectId, FlowerArray>();
	for (const child of children) arrays.set(child, await inflateArray(child, reader, options));
	return arrayRecord(named(body, arrays, id));
}

function storedChunks({ chunkIds }: ArrayInfo, reader: ObjectReader): ChunkSource {
	return {
		numChunks: chunkIds.length,
		readChunk: async (index, options) => {
			const chunkId = chunkIds[index];
			if (chunkId === undefined)
				throw new RangeError(`readChunk: index ${index} of ${chunkIds.length} chunks`);
			return expectObject(await reader.read(chunkId, options), "ArrayChunk", chunkId).body;
		},
	};
}

function named<V>(body: Uint8Array, values: ReadonlyMap<ObjectId, V>, objectId: ObjectId): Map<string, V> {
	const index = parseJsonIndex(new TextDecoder().decode(body));
	const entries = new Map<string, V>();
	for (const [name, id] of index) {
		const value = values.get(parseObjectId(id));
		if (value === undefined)
			throw new FlowerError("invalid-argument", `"${name}" names an object that is not a child.`, {
				objectId,
			});
		entries.set(name, value);
	}
	if (new Set(index.values()).size !== values.size)
		throw new FlowerError("invalid-argument", "An object has a child that it does not name.", { objectId });
	return entries;
}
