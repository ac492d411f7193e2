import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { createGuide, guidanceWeight, prefixWeights, type RtcGuidance } from "./rtc.ts";

describe("prefixWeights", () => {
	test("LINEAR is one before the delay, falls evenly, and is zero after the horizon", () => {
		expect([...prefixWeights("LINEAR", 2, 6, 8)]).toEqual([
			1,
			1,
			...[0.8, 0.6, 0.4, 0.2].map(Math.fround),
			0,
			0,
		]);
	});

	test("EXP falls faster, ZEROS stops at the delay, ONES lasts to the horizon", () => {
		const linear = prefixWeights("LINEAR", 1, 4, 5);
		const exponential = prefixWeights("EXP", 1, 4, 5);
		expect(exponential[1]).toBeLessThan(linear[1] ?? 0);
		expect(exponential[1]).toBeCloseTo((0.75 * Math.expm1(0.75)) / (Math.E - 1), 6);
		expect([...prefixWeights("ZEROS", 2, 4, 5)]).toEqual([1, 1, 0, 0, 0]);
		expect([...prefixWeights("ONES", 2, 4, 5)]).toEqual([1, 1, 1, 1, 0]);
	});

	test("never increase along the chunk and stay in [0, 1]", () => {
		const schedule = fc.constantFrom("ZEROS", "ONES", "LINEAR", "EXP");
		const small = fc.integer({ min: 0, max: 12 });
		fc.assert(
			fc.property(schedule, small, small, small, (kind, delay, end, extra) => {
				const weights = [...prefixWeights(kind, delay, end, end + extra)];
				weights.forEach((weight, index) => {
					expect(weight).toBeGreaterThanOrEqual(0);
					expect(weight).toBeLessThanOrEqual(weights[index - 1] ?? 1);
				});
			}),
		);
	});
});

describe("guidanceWeight", () => {
	test("is the maximum at pure noise and follows the formula later", () => {
		expect(guidanceWeight(1, 10)).toBe(10);
		expect(guidanceWeight(0.5, 10)).toBeCloseTo(2, 6);
		expect(guidanceWeight(0.5, 1.5)).toBe(1.5);
	});
});

describe("createGuide", () => {
	const rtc: RtcGuidance = {
		previous: Float32Array.of(5, 6),
		previousLength: 1,
		previousDim: 2,
		inferenceDelay: 1,
		executionHorizon: 10,
		schedule: "LINEAR",
		maxGuidanceWeight: 10,
	};

	test("corrects the known actions by the weighted error and leaves the others", () => {
		const velocity = Float32Array.of(1, 1, 1, 1, 1, 1);
		createGuide(rtc, 2, 3)(velocity, new Float32Array(6), 0.5);
		// denoised = 0 - 0.5 * 1; the third number is padded with 0
		expect([...velocity]).toEqual([1 - 2 * 5.5, 1 - 2 * 6.5, 1 - 2 * 0.5, 1, 1, 1]);
	});

	test("refuses a previous chunk that does not fit", () => {
		expect(() => createGuide({ ...rtc, previousLength: 3 }, 2, 3)).toThrow(/bad-frame/);
		expect(() => createGuide({ ...rtc, previousDim: 4 }, 2, 3)).toThrow(/bad-frame/);
		expect(() => createGuide({ ...rtc, previous: new Float32Array(3) }, 2, 3)).toThrow(/bad-frame/);
	});
});
