import { float32Array, type NdArray, ndArray } from "@zk0/arrays";
import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { type FeedRow, gatherRows, pickArrays, stackRows } from "./feed-rows.ts";
import { fullBatches } from "./held-out.ts";
import { spread } from "./site.ts";

function row(values: readonly number[], id: bigint): FeedRow {
	return new Map<string, NdArray>([
		["x", float32Array([1, values.length], values)],
		["id", ndArray("int64", [1], BigInt64Array.of(id))],
	]);
}

describe("feed rows", () => {
	test("stack in order and keep their bytes", () => {
		const samples = fc.array(fc.array(fc.float({ noNaN: true }), { minLength: 3, maxLength: 3 }), {
			minLength: 1,
		});
		fc.assert(
			fc.property(samples, (values) => {
				const stacked = stackRows(values.map((numbers, index) => row(numbers, BigInt(index))));
				expect(stacked.get("x")).toEqual(float32Array([values.length, 3], values.flat()));
				expect(stacked.get("id")?.shape).toEqual([values.length]);
			}),
		);
	});

	test("of different names or sizes are refused, as is nothing at all", () => {
		expect(() => stackRows([])).toThrow(RangeError);
		expect(() => stackRows([row([1], 0n), row([1, 2], 1n)])).toThrow(/row 1 has no x/);
		expect(() => stackRows([row([1], 0n), new Map()])).toThrow(RangeError);
		expect(() => stackRows([new Map([["b", ndArray("bool", [1], Uint8Array.of(1))]])])).toThrow(TypeError);
	});

	test("can be gathered from a batch, several times, and picked from", () => {
		const stacked = stackRows([row([1, 2], 10n), row([3, 4], 11n), row([5, 6], 12n)]);
		const expected = stackRows([row([5, 6], 12n), row([1, 2], 10n), row([5, 6], 12n)]);
		expect(gatherRows(stacked, [2, 0, 2])).toEqual(expected);
		expect([...pickArrays(row([1], 0n), new Set(["id", "absent"])).keys()]).toEqual(["id"]);
	});
});

describe("fullBatches", () => {
	test("holds every item once, in order, and marks what only fills up", () => {
		fc.assert(
			fc.property(fc.integer({ min: 0, max: 40 }), fc.integer({ min: 1, max: 9 }), (numItems, size) => {
				const items = Array.from({ length: numItems }, (_, index) => ({ index }));
				const batches = fullBatches(items, size);
				expect(batches.every((batch) => batch.length === size)).toBe(true);
				const own = batches.flat().filter(({ isFiller }) => !isFiller);
				expect(own.map(({ index }) => index)).toEqual(items.map(({ index }) => index));
			}),
		);
	});
});

describe("spread", () => {
	test("takes distinct items in order from the whole length", () => {
		fc.assert(
			fc.property(fc.integer({ min: 1, max: 200 }), fc.integer({ min: 1, max: 50 }), (length, count) => {
				const items = Array.from({ length }, (_, index) => index * 2);
				const taken = spread(items, count);
				expect(taken.length).toBe(Math.min(length, count));
				expect(new Set(taken).size).toBe(taken.length);
				expect([...taken].sort((a, b) => a - b)).toEqual(taken);
				const widest = Math.ceil(length / taken.length);
				expect(taken[0]).toBeLessThan(2 * widest);
				expect(taken.at(-1)).toBeGreaterThanOrEqual(2 * (length - 1 - widest));
			}),
		);
		expect(spread([], 5)).toEqual([]);
	});
});
