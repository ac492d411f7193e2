// Messages into objects. Chunks are read once to learn their ids and again when they are sent: at no time are more
// than two chunks in memory.
import type { MessageInitShape } from "@bufbuild/protobuf";
import { encodeArrayObject } from "./array-object.ts";
import type { ChunkSource, ReadOptions } from "./chunk-source.ts";
import type { MessageSchema } from "./gen/flwr/proto/message_pb.ts";
import { type ObjectId, objectIdOf } from "./ids.ts";
import {
	encodeMessageBody,
	type MessageError,
	type MessageMetadata,
	wireError,
	wireMetadata,
} from "./message.ts";
import { encodeObject, type ObjectType, objectHead } from "./object.ts";
import { buildTree, type ObjectTreeInit } from "./object-tree.ts";
import { pythonJsonIndex } from "./python-json.ts";
import type { ArrayRecord, FlowerArray, FlowerRecord, RecordDict } from "./record.ts";
import { encodeConfigRecord, encodeMetricRecord } from "./record-values.ts";

/** An object whose bytes can be had when they are needed. */
export interface ObjectSource {
	readonly id: ObjectId;
	readonly type: ObjectType;
	readonly children: readonly ObjectId[];
	/** Head included. */
	readonly sizeBytes: number;
	/** All bytes, head included. */
	read(options?: ReadOptions): Promise<Uint8Array>;
}

/** Objects by id, children before parents. */
export type ObjectSources = ReadonlyMap<ObjectId, ObjectSource>;

/** A record dictionary as objects; one of these serves any number of messages with the same content. */
export interface DeflatedContent {
	readonly root: ObjectId;
	readonly objects: ObjectSources;
}

/** A message ready to be pushed. */
export interface DeflatedMessage {
	readonly id: ObjectId;
	readonly metadata: MessageMetadata;
	/** What goes in PushMessages: content is present but empty, as receivers demand. */
	readonly wire: MessageInitShape<typeof MessageSchema>;
	readonly tree: ObjectTreeInit;
	readonly objects: ObjectSources;
}

/** Turns records into objects; reads every chunk of every array once. */
export async function deflateContent(
	content: RecordDict,
	options: ReadOptions = {},
): Promise<DeflatedContent> {
	const objects = new Map<ObjectId, ObjectSource>();
	const index: [string, ObjectId][] = [];
	for (const [name, record] of content) index.push([name, await addRecord(objects, record, options)]);
	return { root: addIndex(objects, "RecordDict", index), objects };
}

/** The content of which these are the records, deflated before: one model's arrays go into many messages. */
export function joinRecords(records: ReadonlyMap<string, DeflatedContent>): DeflatedContent {
	const objects = new Map<ObjectId, ObjectSource>();
	const index: [string, ObjectId][] = [];
	for (const [name, record] of records) {
		for (const [id, object] of record.objects) objects.set(id, object);
		index.push([name, record.root]);
	}
	return { root: addIndex(objects, "RecordDict", index), objects };
}

/** Turns one record into objects. */
export async function deflateRecord(
	record: FlowerRecord,
	options: ReadOptions = {},
): Promise<DeflatedContent> {
	const objects = new Map<ObjectId, ObjectSource>();
	return { root: await addRecord(objects, record, options), objects };
}

/** Turns one array into objects. */
export async function deflateArray(array: FlowerArray, options: ReadOptions = {}): Promise<DeflatedContent> {
	const objects = new Map<ObjectId, ObjectSource>();
	return { root: await addArray(objects, array, options), objects };
}

/** A message with content that is already deflated, or with an error. */
export function deflateMessage(
	metadata: MessageMetadata,
	payload: DeflatedContent | MessageError,
): DeflatedMessage {
	const isContent = "root" in payload;
	const objects = new Map(isContent ? payload.objects : []);
	const error = isContent ? undefined : payload;
	const id = addBytes(
		objects,
		"Message",
		isContent ? [payload.root] : [],
		encodeMessageBody(metadata, error),
	);
	return {
		id,
		metadata,
		wire: {
			metadata: wireMetadata(metadata, id),
			...(isContent ? { content: {} } : { error: wireError(payload) }),
		},
		tree: buildTree(id, (child) => objects.get(child)?.children ?? []),
		objects,
	};
}

async function addRecord(
	objects: Map<ObjectId, ObjectSource>,
	record: FlowerRecord,
	options: ReadOptions,
): Promise<ObjectId> {
	if (record.kind === "arrays") return addArrayRecord(objects, record, options);
	if (record.kind === "metrics") return addBytes(objects, "MetricRecord", [], encodeMetricRecord(record));
	return addBytes(objects, "ConfigRecord", [], encodeConfigRecord(record));
}

async function addArrayRecord(
	objects: Map<ObjectId, ObjectSource>,
	record: ArrayRecord,
	options: ReadOptions,
): Promise<ObjectId> {
	const index: [string, ObjectId][] = [];
	for (const [name, array] of record.entries) index.push([name, await addArray(objects, array, options)]);
	return addIndex(objects, "ArrayRecord", index);
}

async function addArray(
	objects: Map<ObjectId, ObjectSource>,
	{ dtype, shape, stype, data }: FlowerArray,
	options: ReadOptions,
): Promise<ObjectId> {
	const chunkIds: ObjectId[] = [];
	for await (const body of readAhead(data, options)) {
		const index = chunkIds.length;
		const head = objectHead("ArrayChunk", [], body.length);
		const id = objectIdOf(head, body);
		const sizeBytes = head.length + body.length;
		const read = async (readOptions?: ReadOptions): Promise<Uint8Array> =>
			encodeObject("ArrayChunk", [], await data.readChunk(index, readOptions));
		if (!objects.has(id)) objects.set(id, { id, type: "ArrayChunk", children: [], sizeBytes, read });
		chunkIds.push(id);
	}
	const { bytes, children } = encodeArrayObject({ dtype, shape, stype, chunkIds });
	return addObject(objects, "Array", children, bytes);
}

/** The chunks in their order; while one is used, the next is read. */
async function* readAhead(data: ChunkSource, options: ReadOptions): AsyncGenerator<Uint8Array> {
	let next: Promise<Uint8Array> | null = null;
	for (let index = 0; index < data.numChunks; index++) {
		const chunk = await (next ?? data.readChunk(index, options));
		next = index + 1 < data.numChunks ? data.readChunk(index + 1, options) : null;
		// A failure is met when the chunk's turn comes.
		next?.catch(() => undefined);
		yield chunk;
	}
}

function addIndex(
	objects: Map<ObjectId, ObjectSource>,
	type: ObjectType,
	index: readonly (readonly [string, ObjectId])[],
): ObjectId {
	const children = [...new Set(index.map(([, id]) => id))];
	return addBytes(objects, type, children, new TextEncoder().encode(pythonJsonIndex(index)));
}

function addBytes(
	objects: Map<ObjectId, ObjectSource>,
	type: ObjectType,
	children: readonly ObjectId[],
	body: Uint8Array,
): ObjectId {
	return addObject(objects, type, children, encodeObject(type, children, body));
}

function addObject(
	objects: Map<ObjectId, ObjectSource>,
	type: ObjectType,
	children: readonly ObjectId[],
	bytes: Uint8Array,
): ObjectId {
	const id = objectIdOf(bytes);
	if (!objects.has(id))
		objects.set(id, { id, type, children, sizeBytes: bytes.length, read: async () => bytes });
	return id;
}
