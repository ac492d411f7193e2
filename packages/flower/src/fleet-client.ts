// What a node does on the Fleet API with one message: take it with its objects, answer it.
import type { DeflatedMessage } from "./deflate.ts";
import { FlowerError } from "./errors.ts";
import { Fleet } from "./gen/flwr/proto/fleet_pb.ts";
import { type ObjectId, parseObjectId } from "./ids.ts";
import { inflateMessage } from "./inflate.ts";
import { checkMetadata, type FlowerMessage, readMetadata } from "./message.ts";
import type { ObjectStore } from "./object-store.ts";
import { pullObjects, pushObjects, type TransferOptions } from "./object-transfer.ts";
import { treeNodes } from "./object-tree.ts";
import type { RetryPolicy } from "./retry.ts";
import type { CallOptions, Transport } from "./transport.ts";

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
}

/**
 * Takes the oldest message for this node, with all its objects, and tells the server that it arrived.
 * The server hands a message out once: what fails after that loses the message.
 * @returns undefined when there is none.
 * @throws FlowerError invalid-argument when the server sends a message that breaks the protocol, and the errors of
 * `pullObjects` and `inflateMessage`.
 */
export async function pullMessage(
	transport: Transport,
	nodeId: bigint,
	options: PullMessageOptions,
): Promise<PulledMessage | undefined> {
	const callOptions: CallOptions = { signal: options.signal, timeoutMs: options.timeoutMs };
	const { messagesList, messageObjectTrees } = await transport.unary(
		Fleet.method.pullMessages,
		{ node: { nodeId } },
		{ ...callOptions, timeoutMs: options.messageTimeoutMs ?? options.timeoutMs },
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
	const objectIds = treeNodes(tree).map((node) => node.id);
	await pullObjects({ transport, service: "fleet", nodeId, runId }, objectIds, options.store, options);
	await transport.unary(
		Fleet.method.confirmMessageReceived,
		{ node: { nodeId }, runId, messageObjectId: id },
		callOptions,
	);
	const message = await inflateMessage(id, options.store, options);
	if (message.metadata.runId !== runId || message.metadata.dstNodeId !== nodeId)
		throw new FlowerError("invalid-argument", "A message's object and its listing disagree.", {
			objectId: id,
		});
	return { id, message, objectIds };
}

/**
 * Sends a reply: announces it, then uploads the objects that the server lacks. Safe to repeat.
 * @param runtimeSeconds how long the work took.
 * @throws FlowerError failed-precondition when the server refuses the reply, and the errors of `pushObjects`.
 */
export async function pushMessage(
	transport: Transport,
	nodeId: bigint,
	reply: DeflatedMessage,
	options: TransferOptions & { readonly runtimeSeconds: number; readonly runId: bigint },
): Promise<void> {
	const { results, objectsToPush } = await transport.unary(
		Fleet.method.pushMessages,
		{
			node: { nodeId },
			messagesList: [reply.wire],
			messageObjectTrees: [reply.tree],
			clientappRuntimeList: [options.runtimeSeconds],
		},
		{ signal: options.signal, timeoutMs: options.timeoutMs },
	);
	if (results[reply.id] === undefined)
		throw new FlowerError(
			"failed-precondition",
			"The server refused the reply: expired, or to another message.",
			{
				objectId: reply.id,
			},
		);
	await pushObjects(
		{ transport, service: "fleet", nodeId, runId: options.runId },
		objectsToPush,
		reply.objects,
		options,
	);
}
