import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { addSignals, bestLag, joinSums, lagSums } from "./correlation.ts";

describe("bestLag", () => {
	test("finds how far a signal was shifted", () => {
		fc.assert(
			fc.property(
				fc.array(fc.double({ min: -1, max: 1, noNaN: true }), { minLength: 60, maxLength: 60 }),
				fc.integer({ min: -5, max: 5 }),
				(noise, shift) => {
					// Distinct everywhere, so that only one shift fits.
					const signal = noise.map((value, at) => value + 3 * Math.sin(at * at * 0.05));
					const late = signal.map((_, at) => signal[at - shift] ?? 0);
					const sums = lagSums(8);
					addSignals(sums, signal, late);
					expect(bestLag(sums)?.lag).toBe(shift);
				},
			),
			{ numRuns: 60 },
		);
	});

	test("is null without motion, and adds up over episodes", () => {
		const still = lagSums(3);
		addSignals(still, [1, 1, 1, 1, 1, 1, 1, 1], [0, 1, 2, 3, 4, 5, 6, 7]);
		expect(bestLag(still)).toBeNull();
		const moving = lagSums(3);
		addSignals(moving, [0, 0, 5, 0, 0, 0, 0, 0], [0, 0, 0, 0, 5, 0, 0, 0]);
		joinSums(still, moving);
		expect(bestLag(still)?.lag).toBe(2);
	});
});
