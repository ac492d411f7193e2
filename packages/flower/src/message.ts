// Messages: metadata plus either content (records) or an error. Times are Unix seconds as in the protocol.
import type { MessageInitShape } from "@bufbuild/protobuf";
import { FlowerError } from "./errors.ts";
import {
	type MetadataSchema,
	type Message as WireMessage,
	MessageSchema as WireMessageSchema,
} from "./gen/flwr/proto/message_pb.ts";
import { type ObjectId, SUPERLINK_NODE_ID } from "./ids.ts";
import { decodeProtobuf, encodeProtobuf } from "./protobuf.ts";
import type { RecordDict } from "./record.ts";

/** Lifetime that Flower gives a message unless told otherwise: 12 hours. */
export const DEFAULT_TTL_SECONDS = 43_200;

/** Messages that claim to be older than Flower's message format (28 February 2025) are refused. */
const MIN_CREATED_AT_SECONDS = 1_740_700_800;

/** Flower lets a reply outlive its instruction by this much. */
const TTL_TOLERANCE_SECONDS = 0.1;

/** Known values of an error's code. */
export const MESSAGE_ERROR_CODES = {
	unknown: 0,
	loadClientApp: 1,
	clientAppRaised: 2,
	messageUnavailable: 3,
	replyUnavailable: 4,
	nodeUnavailable: 5,
	modFailedPrecondition: 6,
	invalidFab: 7,
	clientAppCrashed: 8,
} as const;

/** Metadata of a message; its id is not in here, since it is the hash of all this and of the content. */
export interface MessageMetadata {
	readonly runId: bigint;
	readonly srcNodeId: bigint;
	readonly dstNodeId: bigint;
	/** Id of the instruction that a reply answers; empty for an instruction. */
	readonly replyToMessageId: string;
	readonly groupId: string;
	readonly ttlSeconds: number;
	/** `train`, `evaluate` or `query`, with an optional `.action`; or `system` and the older API's names. */
	readonly messageType: string;
	readonly createdAtSeconds: number;
}

/** Why a node could not do what it was asked. */
export interface MessageError {
	/** One of MESSAGE_ERROR_CODES, or a code of a later version. */
	readonly code: number;
	readonly reason: string;
}

/** What a message carries. */
export type MessagePayload =
	| { readonly kind: "content"; readonly content: RecordDict }
	| { readonly kind: "error"; readonly error: MessageError };

/** A message. */
export interface FlowerMessage {
	readonly metadata: MessageMetadata;
	readonly payload: MessagePayload;
}

/** Metadata of an instruction from the ServerApp to a node. */
export function instructionMetadata(options: {
	readonly runId: bigint;
	readonly dstNodeId: bigint;
	readonly messageType: string;
	readonly createdAtSeconds: number;
	readonly groupId?: string;
	/** @default DEFAULT_TTL_SECONDS */
	readonly ttlSeconds?: number;
}): MessageMetadata {
	return {
		runId: options.runId,
		srcNodeId: SUPERLINK_NODE_ID,
		dstNodeId: options.dstNodeId,
		replyToMessageId: "",
		groupId: options.groupId ?? "",
		ttlSeconds: options.ttlSeconds ?? DEFAULT_TTL_SECONDS,
		messageType: options.messageType,
		createdAtSeconds: options.createdAtSeconds,
	};
}

/** Metadata of the reply to an instruction: it expires when the instruction does. */
export function replyMetadata(
	instruction: MessageMetadata,
	instructionId: ObjectId,
	createdAtSeconds: number,
): MessageMetadata {
	return {
		...instruction,
		srcNodeId: instruction.dstNodeId,
		dstNodeId: instruction.srcNodeId,
		replyToMessageId: instructionId,
		ttlSeconds: instruction.createdAtSeconds + instruction.ttlSeconds - createdAtSeconds,
		createdAtSeconds,
	};
}

const MESSAGE_TYPE =
	/^(?:(?:train|evaluate|query)(?:\.[A-Za-z_]\w*)?|system|get_properties|get_parameters|reconnect)$/;

/** @throws FlowerError invalid-argument when a receiver would refuse the message: bad type, age or lifetime. */
export function checkMetadata(metadata: MessageMetadata, nowSeconds: number): void {
	const { messageType, createdAtSeconds, ttlSeconds } = metadata;
	if (!MESSAGE_TYPE.test(messageType)) throw invalid(`"${messageType.slice(0, 80)}" is not a message type`);
	if (!(createdAtSeconds >= MIN_CREATED_AT_SECONDS))
		throw invalid(`created at ${createdAtSeconds}, before ${MIN_CREATED_AT_SECONDS}; is the clock right?`);
	if (!(ttlSeconds > 0)) throw invalid(`a lifetime of ${ttlSeconds} s is not positive`);
	if (!(createdAtSeconds + ttlSeconds > nowSeconds))
		throw invalid(`expired ${nowSeconds - createdAtSeconds - ttlSeconds} s ago`);
}

/** @throws FlowerError invalid-argument when `reply` does not answer `instruction` in the way receivers demand. */
export function checkReply(
	reply: MessageMetadata,
	instruction: MessageMetadata,
	instructionId: ObjectId,
): void {
	if (reply.replyToMessageId !== instructionId) throw invalid("it answers another message");
	if (reply.runId !== instruction.runId) throw invalid("it belongs to another run");
	if (reply.srcNodeId !== instruction.dstNodeId) throw invalid("it comes from another node");
	if (reply.dstNodeId !== instruction.srcNodeId) throw invalid("it goes to another node");
	if (reply.groupId !== instruction.groupId) throw invalid("it belongs to another group");
	if (reply.messageType !== instruction.messageType) throw invalid("its type differs from the instruction's");
	const endSeconds = instruction.createdAtSeconds + instruction.ttlSeconds;
	if (!(reply.createdAtSeconds + reply.ttlSeconds <= endSeconds + TTL_TOLERANCE_SECONDS))
		throw invalid("it outlives its instruction");
}

/** The metadata on the wire. */
export function wireMetadata(
	metadata: MessageMetadata,
	messageId: string,
): MessageInitShape<typeof MetadataSchema> {
	const { ttlSeconds, createdAtSeconds, ...rest } = metadata;
	return { ...rest, messageId, ttl: ttlSeconds, createdAt: createdAtSeconds };
}

/** @throws FlowerError invalid-argument when the message has no metadata. */
export function readMetadata(message: WireMessage): MessageMetadata {
	const { metadata } = message;
	if (metadata === undefined) throw invalid("it has no metadata");
	return {
		runId: metadata.runId,
		srcNodeId: metadata.srcNodeId,
		dstNodeId: metadata.dstNodeId,
		replyToMessageId: metadata.replyToMessageId,
		groupId: metadata.groupId,
		ttlSeconds: metadata.ttl,
		messageType: metadata.messageType,
		createdAtSeconds: metadata.createdAt,
	};
}

/** The body of a Message object: no id and no content, which its child holds. */
export function encodeMessageBody(
	metadata: MessageMetadata,
	error: MessageError | undefined,
): Uint8Array<ArrayBuffer> {
	return encodeProtobuf(WireMessageSchema, {
		metadata: wireMetadata(metadata, ""),
		...(error === undefined ? {} : { error: wireError(error) }),
	});
}

/** @throws FlowerError invalid-argument when the body is malformed. */
export function decodeMessageBody(body: Uint8Array): {
	readonly metadata: MessageMetadata;
	readonly error: MessageError | undefined;
} {
	const message = decodeProtobuf(WireMessageSchema, body);
	const error =
		message.error === undefined
			? undefined
			: { code: Number(message.error.code), reason: message.error.reason };
	return { metadata: readMetadata(message), error };
}

/** An error on the wire. */
export function wireError(error: MessageError): { code: bigint; reason: string } {
	return { code: BigInt(error.code), reason: error.reason };
}

function invalid(reason: string): FlowerError {
	return new FlowerError("invalid-argument", `Message refused: ${reason}.`);
}
