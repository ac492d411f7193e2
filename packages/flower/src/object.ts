// One content-addressed object: `TYPE SP CHILDREN SP BODYLEN NUL BODY`. The id is the SHA-256 of all of it.
import { allocateBytes } from "./chunk-source.ts";
import { FlowerError } from "./errors.ts";
import { isObjectId, type ObjectId } from "./ids.ts";
import { MAX_INDEX_BODY_BYTES, MAX_OBJECT_HEAD_BYTES } from "./limits.ts";

const OBJECT_TYPES = [
	"ArrayChunk",
	"Array",
	"ArrayRecord",
	"MetricRecord",
	"ConfigRecord",
	"RecordDict",
	"Message",
] as const;

/** The seven kinds of objects. */
export type ObjectType = (typeof OBJECT_TYPES)[number];

/** An object taken apart; `body` is a view of the given bytes. */
export interface ParsedObject {
	readonly type: ObjectType;
	/** Direct children, without repetition, in order of first use. */
	readonly children: readonly ObjectId[];
	readonly body: Uint8Array;
}

/** What comes before an object's body; `children` must be free of repetitions. */
export function objectHead(type: ObjectType, children: readonly ObjectId[], bodyBytes: number): Uint8Array {
	return new TextEncoder().encode(`${type} ${children.join(",")} ${bodyBytes}\0`);
}

/** An object's bytes; `children` must be free of repetitions. */
export function encodeObject(
	type: ObjectType,
	children: readonly ObjectId[],
	body: Uint8Array,
): Uint8Array<ArrayBuffer> {
	const head = objectHead(type, children, body.length);
	const bytes = allocateBytes(head.length + body.length);
	bytes.set(head);
	bytes.set(body, head.length);
	return bytes;
}

/**
 * Takes an object apart and checks its head.
 * @throws FlowerError failed-precondition (Flower's status for it) when the bytes are not an object,
 * resource-exhausted when the head or the body of an index object is over its limit.
 */
export function parseObject(bytes: Uint8Array, objectId?: ObjectId): ParsedObject {
	const malformed = (reason: string): FlowerError =>
		new FlowerError("failed-precondition", `Malformed object: ${reason}.`, { objectId });
	const headBytes = bytes.subarray(0, MAX_OBJECT_HEAD_BYTES).indexOf(0);
	if (headBytes < 0) {
		if (bytes.length <= MAX_OBJECT_HEAD_BYTES) throw malformed("no head");
		throw new FlowerError("resource-exhausted", `An object's head is over ${MAX_OBJECT_HEAD_BYTES} bytes.`, {
			objectId,
		});
	}
	// Latin-1 keeps one character per byte, so bytes outside ASCII cannot pass the checks below.
	const head = Buffer.from(bytes.buffer, bytes.byteOffset, headBytes).toString("latin1");
	const [typeText, childrenText, lengthText, ...rest] = head.split(" ");
	const type = OBJECT_TYPES.find((known) => known === typeText);
	if (type === undefined || childrenText === undefined || lengthText === undefined || rest.length > 0)
		throw malformed("the head is not a known type, children and a length");
	const body = bytes.subarray(headBytes + 1);
	if (lengthText !== String(body.length))
		throw malformed(`the head says ${lengthText.slice(0, 20)} bytes, the body has ${body.length}`);
	const children = childrenText === "" ? [] : childrenText.split(",");
	if (!children.every(isObjectId)) throw malformed("a child is not an object id");
	if (new Set(children).size !== children.length) throw malformed("a child is named twice");
	if (type !== "ArrayChunk" && body.length > MAX_INDEX_BODY_BYTES)
		throw new FlowerError(
			"resource-exhausted",
			`A ${type} of ${body.length} bytes; at most ${MAX_INDEX_BODY_BYTES} are read.`,
			{ objectId },
		);
	return { type, children, body };
}

/**
 * The parsed object, which must be of `type`.
 * @throws FlowerError invalid-argument when it is of another type; the errors of `parseObject`.
 */
export function expectObject(bytes: Uint8Array, type: ObjectType, objectId: ObjectId): ParsedObject {
	const parsed = parseObject(bytes, objectId);
	if (parsed.type === type) return parsed;
	throw new FlowerError("invalid-argument", `Expected a ${type} object, got ${parsed.type}.`, { objectId });
}
