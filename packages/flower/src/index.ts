// Public names of @zk0/flower (gRPC, certificates and files are in @zk0/flower/node).
export { type AppBundle, readAppBundle } from "./app-bundle.ts";
export { type ByteSource, type ChunkSource, chunked, memoryBytes } from "./chunk-source.ts";
export { type Clock, systemClock } from "./clock.ts";
export type { ObjectSource, ObjectSources } from "./deflate.ts";
export {
	type DeflatedContent,
	type DeflatedMessage,
	deflateContent,
	deflateMessage,
	deflateRecord,
	joinRecords,
} from "./deflate.ts";
export { FlowerError, type FlowerErrorCode, type RefusalReason } from "./errors.ts";
export {
	authenticated,
	type FleetCaller,
	type FleetGuard,
	type FleetHandlers,
	type FleetOptions,
	fleetRoutes,
} from "./fleet.ts";
export {
	type AnnouncedMessage,
	announcedMessage,
	confirmMessage,
	type PulledMessage,
	type PullMessageOptions,
	pullMessage,
	pushMessage,
	type ReplyRefusal,
} from "./fleet-client.ts";
export { Fleet, type PushMessagesResponse } from "./gen/flwr/proto/fleet_pb.ts";
export type { Message, MessageSchema, ObjectTree } from "./gen/flwr/proto/message_pb.ts";
export { ServerAppIo } from "./gen/flwr/proto/serverappio_pb.ts";
export { healthRoutes } from "./health.ts";
export { isObjectId, type ObjectId, objectIdOf, parseObjectId, SUPERLINK_NODE_ID } from "./ids.ts";
export { inflateContent, inflateMessage, type ObjectReader } from "./inflate.ts";
export { inlineObjects } from "./inline-objects.ts";
export { ARRAY_CHUNK_BYTES, MAX_RPC_MESSAGE_BYTES } from "./limits.ts";
export { type MemoryTransportOptions, memoryTransport } from "./memory-transport.ts";
export type { FlowerMessage, MessageError, MessageMetadata, MessagePayload } from "./message.ts";
export {
	checkMetadata,
	checkReply,
	instructionMetadata,
	MESSAGE_ERROR_CODES,
	readMetadata,
	replyMetadata,
} from "./message.ts";
export {
	claimedKey,
	createNodeIdentity,
	isSignedBy,
	loadNodeIdentity,
	type NodeIdentity,
	parsePublicKey,
} from "./node-auth.ts";
export { type ArrayStream, flowerArray, openArray, streamedArray, toNdArray } from "./numpy.ts";
export { parseObject } from "./object.ts";
export { createObjectRegistry, type ObjectRegistry, type StoredObject } from "./object-registry.ts";
export { memoryObjects, type ObjectStore } from "./object-store.ts";
export { type ObjectLink, pullObjects, pushObjects, type TransferOptions } from "./object-transfer.ts";
export { chunkIds, type TreeNode, treeNodes } from "./object-tree.ts";
export { addressOf } from "./peer-address.ts";
export { openSshPublicKey, readPublicKeyFile } from "./public-key-file.ts";
export { createRateLimit, type Rate } from "./rate-limit.ts";
export type {
	ArrayRecord,
	ConfigRecord,
	ConfigValue,
	FlowerArray,
	FlowerRecord,
	MetricRecord,
	MetricValue,
	RecordDict,
} from "./record.ts";
export { arrayRecord, configRecord, metricRecord } from "./record.ts";
export { type RetryPolicy, retrying } from "./retry.ts";
export type { BodyHandler, CallContext, CallInfo } from "./service.ts";
export {
	createRoutes,
	type Route,
	type Routes,
	type ServiceHandlers,
	type ServiceOptions,
} from "./service.ts";
export { type CallHeaders, type CallOptions, methodPath, type Traffic, type Transport } from "./transport.ts";
