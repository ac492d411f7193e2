// Protobuf bytes in and out, with this package's limits and errors around the generated schemas.
import {
	create,
	type DescMessage,
	fromBinary,
	type MessageInitShape,
	type MessageShape,
	toBinary,
} from "@bufbuild/protobuf";
import { FlowerError } from "./errors.ts";
import { MAX_PROTOBUF_DEPTH } from "./limits.ts";

/** The bytes of a message; fields in the order of their numbers, so equal messages give equal bytes. */
export function encodeProtobuf<S extends DescMessage>(
	schema: S,
	init: MessageInitShape<S>,
): Uint8Array<ArrayBuffer> {
	return toBinary(schema, create(schema, init));
}

/**
 * The message in `bytes`; bytes fields are views of it. Unknown fields are dropped.
 * @throws FlowerError invalid-argument when the bytes are not that message.
 */
export function decodeProtobuf<S extends DescMessage>(schema: S, bytes: Uint8Array): MessageShape<S> {
	try {
		return fromBinary(schema, bytes, { readUnknownFields: false, recursionLimit: MAX_PROTOBUF_DEPTH });
	} catch (cause) {
		throw new FlowerError("invalid-argument", `${bytes.length} bytes are not a valid ${schema.typeName}.`, {
			cause,
		});
	}
}
