import { describe, expect, test } from "vitest";
import { liveliestItem } from "./previews.ts";

/** Chunks of three steps of two joints. */
function site(chunks: Readonly<Record<number, { actions: number[]; actionIsPad: number[] }>>) {
	return {
		sampledItems: Object.keys(chunks).map(Number),
		chunkOf: (item: number) => ({
			actions: Float32Array.from(chunks[item]?.actions ?? []),
			actionIsPad: Uint8Array.from(chunks[item]?.actionIsPad ?? []),
		}),
	};
}

describe("liveliestItem", () => {
	test("picks the frame before the most motion, and does not count what lies beyond the episode", () => {
		const still = { actions: [5, 5, 5, 5, 5, 5], actionIsPad: [0, 0, 0] };
		const moving = { actions: [0, 0, 3, -3, 6, -6], actionIsPad: [0, 0, 0] };
		const padded = { actions: [0, 0, 90, 90, 0, 0], actionIsPad: [0, 1, 1] };
		expect(liveliestItem(site({ 4: still, 7: moving, 9: padded }))).toBe(7);
	});

	test("a site without held-out frames has none", () => {
		expect(liveliestItem(site({}))).toBeUndefined();
	});
});
