import { describe, expect, test } from "vitest";
import { parseObjectId } from "./ids.ts";
import { checkMetadata, checkReply, instructionMetadata, replyMetadata } from "./message.ts";

const nowSeconds = 1_764_000_000;
const instructionId = parseObjectId("a".repeat(64));
const instruction = instructionMetadata({
	runId: 7n,
	dstNodeId: 9n,
	messageType: "train",
	createdAtSeconds: nowSeconds,
	groupId: "3",
	ttlSeconds: 60,
});

describe("checkMetadata", () => {
	test.each([
		"train",
		"evaluate",
		"query",
		"train.fedprox",
		"query.hello_1",
		"system",
		"get_parameters",
		"get_properties",
		"reconnect",
	])("type %s", (messageType) => {
		expect(() => checkMetadata({ ...instruction, messageType }, nowSeconds)).not.toThrow();
	});

	test.each(["", "Train", "train.", "train.1a", "train.a.b", "fit", "train ", "system.x"])(
		"not %j",
		(messageType) => {
			expect(() => checkMetadata({ ...instruction, messageType }, nowSeconds)).toThrow(/message type/);
		},
	);

	test("age and lifetime", () => {
		expect(() => checkMetadata(instruction, nowSeconds + 59)).not.toThrow();
		expect(() => checkMetadata(instruction, nowSeconds + 61)).toThrow(/expired 1 s ago/);
		expect(() => checkMetadata({ ...instruction, createdAtSeconds: 1_740_700_799 }, 0)).toThrow(/clock/);
		expect(() => checkMetadata({ ...instruction, ttlSeconds: 0 }, nowSeconds)).toThrow(/lifetime/);
		expect(() => checkMetadata({ ...instruction, ttlSeconds: Number.NaN }, nowSeconds)).toThrow(/lifetime/);
		expect(() => checkMetadata({ ...instruction, createdAtSeconds: Number.NaN }, nowSeconds)).toThrow(
			/clock/,
		);
	});
});

describe("checkReply", () => {
	const reply = replyMetadata(instruction, instructionId, nowSeconds + 10.5);

	test("a reply expires with its instruction", () => {
		expect(reply).toMatchObject({
			srcNodeId: 9n,
			dstNodeId: 1n,
			ttlSeconds: 49.5,
			replyToMessageId: instructionId,
		});
		expect(() => checkReply(reply, instruction, instructionId)).not.toThrow();
		const longer = { ...reply, ttlSeconds: reply.ttlSeconds + 0.09 };
		expect(() => checkReply(longer, instruction, instructionId)).not.toThrow();
	});

	test.each([
		[{ replyToMessageId: "b".repeat(64) }, "another message"],
		[{ runId: 8n }, "another run"],
		[{ srcNodeId: 10n }, "from another node"],
		[{ dstNodeId: 2n }, "to another node"],
		[{ groupId: "" }, "another group"],
		[{ messageType: "evaluate" }, "type differs"],
		[{ ttlSeconds: 49.7 }, "outlives"],
	])("not with %o", (change, reason) => {
		expect(() => checkReply({ ...reply, ...change }, instruction, instructionId)).toThrow(reason);
	});
});
