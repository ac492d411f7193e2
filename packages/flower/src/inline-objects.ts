// Small objects that travel in the call that announces their message, zk0's own addition: a task of a small model needs
// three calls instead of sixteen. Flower skips the field, and its objects are then moved by the calls that it knows.
import type { MessageInitShape } from "@bufbuild/protobuf";
import type { ReadOptions } from "./chunk-source.ts";
import type { ObjectSource, ObjectSources } from "./deflate.ts";
import type { InlineObjectSchema } from "./gen/flwr/proto/fleet_pb.ts";
import type { Reserve } from "./service.ts";

/** Larger objects get a call of their own. */
const MAX_OBJECT_BYTES = 65_536;
/** Of one message: far from what one call may hold. */
const MAX_TOTAL_BYTES: number = 1 << 20;

/** The small objects of a message, indexes before chunks; `reserve` finds room for them before they are read. */
export async function inlineObjects(
	objects: ObjectSources,
	{ reserve, ...options }: ReadOptions & { readonly reserve?: Reserve } = {},
): Promise<MessageInitShape<typeof InlineObjectSchema>[]> {
	const isChunk = ({ type }: ObjectSource): boolean => type === "ArrayChunk";
	const sources = [...objects.values()];
	const inOrder = [...sources.filter((source) => !isChunk(source)), ...sources.filter(isChunk)];
	const small: ObjectSource[] = [];
	let totalBytes = 0;
	for (const source of inOrder) {
		if (source.sizeBytes > MAX_OBJECT_BYTES || totalBytes + source.sizeBytes > MAX_TOTAL_BYTES) continue;
		totalBytes += source.sizeBytes;
		small.push(source);
	}
	await reserve?.(totalBytes);
	const inline: MessageInitShape<typeof InlineObjectSchema>[] = [];
	for (const source of small) inline.push({ objectId: source.id, content: await source.read(options) });
	return inline;
}
