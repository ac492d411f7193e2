// Counts the messages inside encoded bytes before they are decoded: memory for each is spent only after that.
import type { DescField, DescMessage } from "@bufbuild/protobuf";
import { BinaryReader, WireType } from "@bufbuild/protobuf/wire";
import { FlowerError } from "./errors.ts";
import { MAX_PROTOBUF_DEPTH, MAX_PROTOBUF_MESSAGES } from "./limits.ts";

/**
 * Looks at encoded bytes of `schema`.
 * @throws FlowerError resource-exhausted over MAX_PROTOBUF_MESSAGES; whatever the reader throws for broken bytes
 */
export function checkMessageCount(schema: DescMessage, bytes: Uint8Array): void {
	let numMessages = 0;
	const walk = (message: DescMessage, part: Uint8Array, depth: number): void => {
		numMessages++;
		if (numMessages > MAX_PROTOBUF_MESSAGES || depth > MAX_PROTOBUF_DEPTH)
			throw new FlowerError(
				"resource-exhausted",
				`A request of over ${MAX_PROTOBUF_MESSAGES} parts or ${MAX_PROTOBUF_DEPTH} levels.`,
				{ reason: "over-limit" },
			);
		const inner = innerMessages(message);
		const reader = new BinaryReader(part);
		while (reader.pos < reader.len) {
			const [number, wireType] = reader.tag();
			const found = wireType === WireType.LengthDelimited ? inner.get(number) : undefined;
			if (found === undefined) reader.skip(wireType, number);
			else walk(found, reader.bytes(), depth + 1);
		}
	};
	walk(schema, bytes, 1);
}

/** The message types of fields that hold messages, by field number. A map's entries are counted as their bytes: no request has one. */
function innerMessages({ fields }: DescMessage): Map<number, DescMessage> {
	const inner = new Map<number, DescMessage>();
	for (const field of fields) {
		const message = messageOf(field);
		if (message !== undefined) inner.set(field.number, message);
	}
	return inner;
}

function messageOf(field: DescField): DescMessage | undefined {
	if (field.fieldKind === "message" || field.fieldKind === "list") return field.message;
	return undefined;
}
