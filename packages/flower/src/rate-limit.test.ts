import { create, toBinary } from "@bufbuild/protobuf";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { PushMessagesRequestSchema } from "./gen/flwr/proto/fleet_pb.ts";
import { MAX_PROTOBUF_MESSAGES } from "./limits.ts";
import { addressOf } from "./peer-address.ts";
import { decodeProtobuf } from "./protobuf.ts";
import { createRateLimit } from "./rate-limit.ts";

describe("a rate limit", () => {
	test("allows a burst, then so many a second, to each name", () => {
		const limit = createRateLimit({ burst: 2, perSecond: 4 });
		expect([limit.take("a", 0), limit.take("a", 0), limit.take("a", 0)]).toEqual([0, 0, 250]);
		expect(limit.take("b", 0)).toBe(0);
		expect([limit.waitMs("a", 100), limit.take("a", 250), limit.take("a", 250)]).toEqual([150, 0, 250]);
		expect([limit.take("a", 10_000), limit.take("a", 10_000), limit.take("a", 10_000)]).toEqual([0, 0, 250]);
	});

	test("never gives more than burst and rate, whenever it is asked", () => {
		fc.assert(
			fc.property(fc.array(fc.nat({ max: 400 }), { maxLength: 200 }), (steps) => {
				const limit = createRateLimit({ burst: 3, perSecond: 10 });
				let nowMs = 0;
				let numTaken = 0;
				for (const step of steps) {
					nowMs += step;
					if (limit.take("a", nowMs) === 0) numTaken++;
				}
				expect(numTaken).toBeLessThanOrEqual(3 + nowMs / 100 + 1e-6);
			}),
			{ numRuns: 50 },
		);
	});

	test("remembers a bounded number of names", () => {
		const limit = createRateLimit({ burst: 1, perSecond: 0.001 });
		expect([limit.take("first", 0), limit.waitMs("first", 0) > 0]).toEqual([0, true]);
		for (let index = 0; index < 16_384; index++) limit.take(`other ${index}`, 0);
		expect(limit.waitMs("first", 0)).toBe(0);
	});
});

test.each([
	["192.0.2.7:4433", "192.0.2.7"],
	["::ffff:192.0.2.7:4433", "192.0.2.7"],
	["2001:db8:1:2:3:4:5:6:4433", "2001:db8:1:2::/64"],
	["2001:db8::5:4433", "2001:db8:0:0::/64"],
	["::1:4433", "0:0:0:0::/64"],
	["fe80::1%eth0:1", "fe80:0:0:0::/64"],
	["memory", "memory"],
])("the address of %s is %s", (peer, address) => {
	expect(addressOf(peer)).toBe(address);
});

test("requests of very many empty parts are refused before they are decoded", () => {
	const some = create(PushMessagesRequestSchema, { messagesList: Array.from({ length: 50 }, () => ({})) });
	expect(decodeProtobuf(PushMessagesRequestSchema, toBinary(PushMessagesRequestSchema, some))).toEqual(some);
	const bytes = new Uint8Array(2 * MAX_PROTOBUF_MESSAGES);
	for (let at = 0; at < bytes.length; at += 2) bytes[at] = 0x12;
	expect(() => decodeProtobuf(PushMessagesRequestSchema, bytes)).toThrow("parts or");
});
