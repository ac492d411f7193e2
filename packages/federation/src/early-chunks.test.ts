import { objectIdOf } from "@zk0/flower";
import { describe, expect, test } from "vitest";
import { earlyChunkRoom } from "./early-chunks.ts";

const chunk = (text: string) => {
	const bytes = new TextEncoder().encode(text);
	return { id: objectIdOf(bytes), bytes };
};

describe("early chunks", () => {
	test("are given back once, while the room that all replies share lasts", () => {
		const open = earlyChunkRoom(8);
		using one = open();
		using other = open();
		const [a, b, c] = [chunk("aaaa"), chunk("bbbb"), chunk("c")];
		one.offer(a.id, a.bytes);
		other.offer(b.id, b.bytes);
		other.offer(c.id, c.bytes);
		expect(other.take(c.id)).toBeUndefined();
		expect(one.take(a.id)).toBe(a.bytes);
		expect(one.take(a.id)).toBeUndefined();
		other.offer(c.id, c.bytes);
		expect(other.take(c.id)).toBe(c.bytes);
		expect(other.take(b.id)).toBe(b.bytes);
	});

	test("of a reply that ends leave their room, and a chunk that is offered twice takes room once", () => {
		const open = earlyChunkRoom(4);
		const one = open();
		const a = chunk("aaaa");
		one.offer(a.id, a.bytes);
		one.offer(a.id, a.bytes);
		one[Symbol.dispose]();
		using other = open();
		other.offer(a.id, a.bytes);
		expect(other.take(a.id)).toBe(a.bytes);
	});
});
