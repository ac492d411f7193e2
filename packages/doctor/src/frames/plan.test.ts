import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { budgetPerVideo, FRAME_BUDGET, planFrames } from "./plan.ts";

describe("planFrames", () => {
	test("keeps to the budget, in order, with the last frame, and its stretch is whole", () => {
		fc.assert(
			fc.property(fc.integer({ min: 1, max: 2000 }), fc.integer({ min: 3, max: 120 }), (length, budget) => {
				const speed = Float32Array.from({ length }, (_, at) => (at % 97) / 10);
				const { frames, from, to } = planFrames({ length, speed, budget });
				expect(frames.length).toBeLessThanOrEqual(Math.max(budget, Math.min(length, budget)));
				expect([...new Set(frames)].sort((a, b) => a - b)).toEqual(frames);
				expect(frames.at(-1)).toBe(length - 1);
				for (let frame = from; frame < to; frame++) expect(frames).toContain(frame);
			}),
			{ numRuns: 100 },
		);
	});

	test("looks where the arm starts or stops", () => {
		const speed = Float32Array.from({ length: 600 }, (_, at) => (at >= 400 && at < 430 ? 5 : 0));
		const { from, to } = planFrames({ length: 600, speed, budget: 72 });
		expect(from).toBeLessThanOrEqual(400);
		expect(to).toBeGreaterThanOrEqual(430);
	});

	test("decodes no more of a large dataset than of a small one, unless everything is asked for", () => {
		expect(budgetPerVideo(2, false)).toBe(72);
		expect(budgetPerVideo(1000, false) * 1000).toBeLessThanOrEqual(FRAME_BUDGET);
		expect(budgetPerVideo(1_000_000, false)).toBe(3);
		expect(budgetPerVideo(1_000_000, true)).toBe(Number.POSITIVE_INFINITY);
	});
});
