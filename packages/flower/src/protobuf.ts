// Protobuf bytes in and out, with this package's limits and errors around the generated schemas.
import {
	create,
	type DescField,
	type DescMessage,
	fromBinary,
	type Message,
	type MessageInitShape,
	type MessageShape,
	ScalarType,
	toBinary,
} from "@bufbuild/protobuf";
import { BinaryWriter, WireType } from "@bufbuild/protobuf/wire";
import { allocateBytes } from "./chunk-source.ts";
import { FlowerError } from "./errors.ts";
import { MAX_PROTOBUF_DEPTH } from "./limits.ts";
import { checkMessageCount } from "./protobuf-count.ts";

/** Contents from this size on skip the encoder, which would clear and copy them once more. */
const MIN_APPENDED_BYTES = 65_536;

/** The bytes of a message; fields in the order of their numbers, so equal messages give equal bytes. */
export function encodeProtobuf<S extends DescMessage>(
	schema: S,
	init: MessageInitShape<S>,
): Uint8Array<ArrayBuffer> {
	const anySchema: DescMessage = schema;
	const message: Message = create(schema, init);
	const content = trailingBytes(schema, message);
	if (content === undefined || content.value.length < MIN_APPENDED_BYTES) return toBinary(anySchema, message);
	const rest = toBinary(anySchema, { ...message, [content.field.localName]: new Uint8Array(0) });
	const tag = new BinaryWriter().tag(content.field.number, WireType.LengthDelimited);
	const prefix = tag.uint32(content.value.length).finish();
	const bytes = allocateBytes(rest.length + prefix.length + content.value.length);
	bytes.set(rest);
	bytes.set(prefix, rest.length);
	bytes.set(content.value, rest.length + prefix.length);
	return bytes;
}

/**
 * The message in `bytes`; bytes fields are views of it. Unknown fields are dropped.
 * @throws FlowerError invalid-argument when the bytes are not that message, resource-exhausted for too many parts.
 */
export function decodeProtobuf<S extends DescMessage>(schema: S, bytes: Uint8Array): MessageShape<S> {
	try {
		checkMessageCount(schema, bytes);
		return fromBinary(schema, bytes, { readUnknownFields: false, recursionLimit: MAX_PROTOBUF_DEPTH });
	} catch (cause) {
		if (cause instanceof FlowerError) throw cause;
		throw new FlowerError("invalid-argument", `${bytes.length} bytes are not a valid ${schema.typeName}.`, {
			cause,
		});
	}
}

/** The value of a message's last field when that is a plain bytes field (an object's content). */
function trailingBytes(
	schema: DescMessage,
	message: object,
): { readonly field: DescField; readonly value: Uint8Array } | undefined {
	const field = schema.fields.at(-1);
	if (field?.fieldKind !== "scalar" || field.scalar !== ScalarType.BYTES) return undefined;
	const value: unknown = Object.entries(message).find(([name]) => name === field.localName)?.[1];
	return value instanceof Uint8Array ? { field, value } : undefined;
}
