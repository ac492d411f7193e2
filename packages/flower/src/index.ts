// Public names of @zk0/flower (gRPC, certificates and files are in @zk0/flower/node).
export {
	type ByteSource,
	type ChunkSource,
	chunked,
	concatBytes,
	memoryBytes,
	type ReadOptions,
	readAllChunks,
} from "./chunk-source.ts";
export {
	type DeflatedContent,
	type DeflatedMessage,
	deflateContent,
	deflateMessage,
	type ObjectSource,
	type ObjectSources,
} from "./deflate.ts";
export { codeOfStatus, FlowerError, type FlowerErrorCode, statusOfCode } from "./errors.ts";
export { isObjectId, type ObjectId, objectIdOf, parseObjectId, SUPERLINK_NODE_ID } from "./ids.ts";
export { inflateContent, inflateMessage, type ObjectReader } from "./inflate.ts";
