import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { wilsonInterval } from "./interval.ts";

describe("wilsonInterval", () => {
	test.each([
		// Published worked values of the Wilson score interval (Newcombe 1998, table I, method 3).
		[81, 263, 0.2553, 0.3662],
		[15, 148, 0.0624, 0.1605],
		[0, 20, 0, 0.1611],
		[1, 29, 0.0061, 0.1718],
	])("%i of %i", (successes, episodes, low, high) => {
		const interval = wilsonInterval(successes, episodes);
		expect(interval.low).toBeCloseTo(low, 4);
		expect(interval.high).toBeCloseTo(high, 4);
	});

	test("encloses the rate, stays in [0, 1] and narrows with more episodes", () => {
		fc.assert(
			fc.property(
				fc.integer({ min: 1, max: 400 }),
				fc.double({ min: 0, max: 1, noNaN: true }),
				(n, share) => {
					const successes = Math.round(n * share);
					const one = wilsonInterval(successes, n);
					const ten = wilsonInterval(successes * 10, n * 10);
					expect(one.low).toBeGreaterThanOrEqual(0);
					expect(one.high).toBeLessThanOrEqual(1);
					expect(one.low).toBeLessThanOrEqual(one.rate);
					expect(one.high).toBeGreaterThanOrEqual(one.rate);
					expect(ten.high - ten.low).toBeLessThan(one.high - one.low);
				},
			),
		);
	});

	test.each([
		[1, 0],
		[-1, 3],
		[4, 3],
		[0.5, 3],
	])("refuses %d of %d", (successes, episodes) => {
		expect(() => wilsonInterval(successes, episodes)).toThrow(RangeError);
	});
});
