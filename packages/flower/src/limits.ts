// Every bound on what a peer may make this side hold, count or parse, with its reason.

/** Chunk size of arrays that this side sends: Flower's own, so that equal arrays get equal object ids. */
export const ARRAY_CHUNK_BYTES: number = 5 * 1024 * 1024;

/**
 * Default bound on one RPC message, both ways. A chunk object is 5 MiB and a head; app bundles are at most 10 MiB.
 * A peer whose chunk size is larger needs this raised.
 */
export const MAX_RPC_MESSAGE_BYTES: number = 16 * 1024 * 1024;

/** Bound on the text before an object's body: 65,536 children of 65 characters fit. */
export const MAX_OBJECT_HEAD_BYTES: number = 4_400_000;

/** Bound on the body of every object that is not a chunk: they hold names, ids and scalars, never tensors. */
export const MAX_INDEX_BODY_BYTES: number = 8 * 1024 * 1024;

/** Bound on the chunks of one array: 320 GiB at Flower's chunk size; blocks tiny bodies that claim huge arrays. */
export const MAX_ARRAY_CHUNKS = 65_536;

/** Bound on an array's dimensions: NumPy's own. */
export const MAX_ARRAY_RANK = 64;

/** Bound on one array that is read into memory at once (see `toNdArray`); larger ones are streamed. */
export const MAX_ARRAY_BYTES: number = 1024 * 1024 * 1024;

/** Bound on the objects of one message: a model of 10,000 tensors in 5 MiB chunks stays far below. */
export const MAX_TREE_OBJECTS = 262_144;

/** Bound on the nesting of an object tree: Message, RecordDict, ArrayRecord, Array, ArrayChunk. */
export const MAX_TREE_DEPTH = 5;

/** Bound on protobuf nesting: the deepest message is an object tree inside a list inside a request. */
export const MAX_PROTOBUF_DEPTH = 16;

/** Bound on a public key's text: PEM of P-521, the largest NIST curve, is 268 bytes. */
export const MAX_PUBLIC_KEY_BYTES = 1024;

/** Bound on an ECDSA signature in DER: P-521 needs 139 bytes. */
export const MAX_SIGNATURE_BYTES = 256;

/** Bound on the parsed public keys that a server keeps: more than nodes that call within minutes of each other. */
export const MAX_REMEMBERED_KEYS = 4096;

/** Bound on an app bundle: Flower's own. */
export const MAX_BUNDLE_BYTES: number = 10 * 1024 * 1024;

/** Bounds on what an app bundle unpacks to: code and configuration, never weights. */
export const MAX_UNPACKED_BUNDLE_BYTES: number = 50 * 1024 * 1024;
/** See MAX_UNPACKED_BUNDLE_BYTES. */
export const MAX_BUNDLE_FILES = 10_000;

/**
 * Bound on the request that announces a reply: up to 1 MiB of small objects, and 70 bytes for each object of its tree, so
 * some 40,000 objects; a model of 500 tensors and 2 GB has 1,500.
 */
export const MAX_ANNOUNCEMENT_BYTES: number = 4 * 1024 * 1024;

/** Bound on every other request: a key, a node's details (64 KiB), a hundred ids. */
export const MAX_SMALL_REQUEST_BYTES: number = 128 * 1024;

/** Bound on the messages inside one request: an empty one costs 2 bytes on the wire and a hundred in memory. */
export const MAX_PROTOBUF_MESSAGES = 65_536;
