// What a node does on the Fleet API with one message: take it with its objects, answer it.
import type { DeflatedMessage } from "./deflate.ts";
import { FlowerError } from "./errors.ts";
import { Fleet } from "./gen/flwr/proto/fleet_pb.ts";
import { type ObjectId, parseObjectId } from "./ids.ts";
import { inflateMessage } from "./inflate.ts";
import { inlineObjects } from "./inline-objects.ts";
import { checkMetadata, type FlowerMessage, readMetadata } from "./message.ts";
import type { ObjectStore } from "./object-store.ts";
import { keepPulled, pullObjects, pushObjects, type TransferOptions } from "./object-transfer.ts";
import { chunkIds, treeNodes } from "./object-tree.ts";
import type { RetryPolicy } from "./retry.ts";
import type { CallOptions, Transport } from "./transport.ts";

/** A message that is known in full but for its arrays' data. */
export interface AnnouncedMessage {
	readonly id: ObjectId;
	readonly message: FlowerMessage;
	/** All its objects but the chunks, children first. */
	readonly indexIds: readonly ObjectId[];
	/** The objects that hold array data; pull them to read the arrays. */
	readonly chunkIds: readonly ObjectId[];
}

/** A message that arrived whole: its arrays are read from the store. */
export interface PulledMessage {
	readonly id: ObjectId;
	readonly message: FlowerMessage;
	/** Its objects, children first; remove them from the store when the message is done with. */
	readonly objectIds: readonly ObjectId[];
}

/** Settings of `pullMessage`. */
export interface PullMessageOptions extends TransferOptions {
	readonly store: ObjectStore;
	/** How long to wait for objects that the sender is still uploading. */
	readonly retry: RetryPolicy;
	/** Time limit of the call that asks for a message; a zk0 server may hold it open. @default timeoutMs */
	readonly messageTimeoutMs?: number;
	/** The node's session and how long a zk0 server may hold the call; Flower's servers do not read them. */
	readonly hold?: { readonly session: string; readonly waitMs: number };
}

/**
 * Takes the oldest message for this node, without its arrays' data, which `pullObjects` fetches where it is needed.
 * Flower's servers hand a message out once: what fails after that loses the message.
 * @returns undefined when there is none.
 * @throws FlowerError invalid-argument when the server sends a message that breaks the protocol, and the errors of
 * `pullObjects` and `inflateMessage`.
 */
export async function announcedMessage(
	transport: Transport,
	nodeId: bigint,
	options: PullMessageOptions,
): Promise<AnnouncedMessage | undefined> {
	const { messagesList, messageObjectTrees, objects } = await transport.unary(
		Fleet.method.pullMessages,
		{ node: { nodeId }, ...options.hold },
		{ signal: options.signal, timeoutMs: options.messageTimeoutMs ?? options.timeoutMs },
	);
	const [wire] = messagesList;
	const [tree] = messageObjectTrees;
	if (wire === undefined) return undefined;
	if (messagesList.length > 1 || tree === undefined || wire.metadata?.messageId !== tree.objectId)
		throw new FlowerError(
			"invalid-argument",
			"The server's list of messages does not match its object trees.",
		);
	const announced = readMetadata(wire);
	checkMetadata(announced, options.retry.clock.now() / 1000);
	const id = parseObjectId(tree.objectId);
	const { runId } = announced;
	const chunks = chunkIds(tree);
	const indexIds = treeNodes(tree).flatMap((node) => (chunks.has(node.id) ? [] : [node.id]));
	const wanted = new Set<ObjectId>([...indexIds, ...chunks]);
	for (const { objectId, content } of objects) {
		const inlineId = parseObjectId(objectId);
		if (wanted.has(inlineId)) await keepPulled(options.store, inlineId, content, options);
	}
	await pullObjects({ transport, service: "fleet", nodeId, runId }, indexIds, options.store, options);
	const message = await inflateMessage(id, options.store, options);
	if (message.metadata.runId !== runId || message.metadata.dstNodeId !== nodeId)
		throw new FlowerError("invalid-argument", "A message's object and its listing disagree.", {
			objectId: id,
		});
	return { id, message, indexIds, chunkIds: [...chunks] };
}

/** Tells the server that a message is here with all its objects, which the server may forget then. */
export async function confirmMessage(
	transport: Transport,
	nodeId: bigint,
	{ id, message }: Pick<AnnouncedMessage, "id" | "message">,
	options: CallOptions = {},
): Promise<void> {
	const { runId } = message.metadata;
	const request = { node: { nodeId }, runId, messageObjectId: id };
	await transport.unary(Fleet.method.confirmMessageReceived, request, options);
}

/** Takes the oldest message for this node with all its objects; see `announcedMessage`. */
export async function pullMessage(
	transport: Transport,
	nodeId: bigint,
	options: PullMessageOptions,
): Promise<PulledMessage | undefined> {
	const announced = await announcedMessage(transport, nodeId, options);
	if (announced === undefined) return undefined;
	const { id, message, indexIds, chunkIds: chunks } = announced;
	const { runId } = message.metadata;
	await pullObjects({ transport, service: "fleet", nodeId, runId }, chunks, options.store, options);
	await confirmMessage(transport, nodeId, announced, {
		signal: options.signal,
		timeoutMs: options.timeoutMs,
	});
	return { id, message, objectIds: [...indexIds, ...chunks] };
}

/** Why a server does not take a reply. */
export interface ReplyRefusal {
	/** zk0's word for it; `refused` when the server gives none, as Flower's do. */
	readonly code: string;
	readonly reason: string;
}

/**
 * Sends a reply: announces it, then uploads the objects that the server lacks. Safe to repeat.
 * @param runtimeSeconds how long the work took.
 * @returns why the server does not take the reply, or undefined: it has it.
 * @throws FlowerError the errors of `pushObjects`.
 */
export async function pushMessage(
	transport: Transport,
	nodeId: bigint,
	reply: DeflatedMessage,
	options: TransferOptions & {
		readonly runtimeSeconds: number;
		readonly runId: bigint;
		/** Sends small objects along, which only zk0's servers read. @default false */
		readonly inline?: boolean;
	},
): Promise<ReplyRefusal | undefined> {
	const { results, objectsToPush, refusals } = await transport.unary(
		Fleet.method.pushMessages,
		{
			node: { nodeId },
			messagesList: [reply.wire],
			messageObjectTrees: [reply.tree],
			clientappRuntimeList: [options.runtimeSeconds],
			objects: options.inline === true ? await inlineObjects(reply.objects, options) : [],
		},
		{ signal: options.signal, timeoutMs: options.timeoutMs },
	);
	const [refusal] = refusals;
	if (refusal !== undefined) return refusal;
	if (results[reply.id] === undefined)
		return { code: "refused", reason: "The server refused the reply: expired, or to another message." };
	return await pushObjects(
		{ transport, service: "fleet", nodeId, runId: options.runId },
		objectsToPush,
		reply.objects,
		options,
	);
}
