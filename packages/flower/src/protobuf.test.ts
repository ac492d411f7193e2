import { create, toBinary } from "@bufbuild/protobuf";
import { expect, test } from "vitest";
import { PushObjectRequestSchema } from "./gen/flwr/proto/message_pb.ts";
import { decodeProtobuf, encodeProtobuf } from "./protobuf.ts";

test.each([0, 1, 65_535, 65_536, 300_000])(
	"%i bytes of content are encoded as the encoder would",
	(length) => {
		const request = {
			node: { nodeId: 2n ** 64n - 1n },
			runId: 7n,
			objectId: "a".repeat(64),
			objectContent: Uint8Array.from({ length }, (_, index) => index),
		};
		const bytes = encodeProtobuf(PushObjectRequestSchema, request);
		const expected = toBinary(PushObjectRequestSchema, create(PushObjectRequestSchema, request));
		expect(Buffer.compare(bytes, expected)).toBe(0);
		const { objectContent } = decodeProtobuf(PushObjectRequestSchema, bytes);
		expect(objectContent.length).toBe(length);
		const isView = objectContent.buffer === bytes.buffer;
		expect(isView || length === 0).toBe(true);
	},
);
