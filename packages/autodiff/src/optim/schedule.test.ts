// The schedule against values computed independently from the formula of LeRobot's CosineDecayWithWarmup.
import { describe, expect, test } from "vitest";
import { type CosineSchedule, learningRateAt } from "./schedule.ts";

const smolvla: CosineSchedule = { peakLr: 1e-4, warmupSteps: 1000, decaySteps: 30000, decayLr: 2.5e-6 };
const short: CosineSchedule = { ...smolvla, totalSteps: 20000 };

describe("learningRateAt", () => {
	test.each<[string, number, CosineSchedule, number]>([
		["starts above zero", 0, smolvla, 9.990009990009991e-8],
		["warms up", 1, smolvla, 1.9980019980019304e-7],
		["warms up", 500, smolvla, 5.0049950049950055e-5],
		["ends the warm-up just below the peak", 999, smolvla, 9.990009990009991e-5],
		["decays from step 0, not from the end of the warm-up", 1000, smolvla, 9.973294239920334e-5],
		["is halfway in the middle", 15000, smolvla, 5.125e-5],
		["reaches the floor", 30000, smolvla, 2.5e-6],
		["stays at the floor", 99999, smolvla, 2.5e-6],
		["shrinks the warm-up to 666 steps in a shorter run", 665, short, 9.985007496251875e-5],
		["shrinks the warm-up to 666 steps in a shorter run", 666, short, 9.973347576037485e-5],
		["shrinks the decay in a shorter run", 10000, short, 5.125e-5],
		["reaches the floor at the end of a shorter run", 20000, short, 2.5e-6],
		["does not stretch in a longer run", 10, { ...smolvla, totalSteps: 40000 }, 1.098901098901095e-6],
		[
			"needs no warm-up",
			3,
			{ peakLr: 1e-3, warmupSteps: 0, decaySteps: 200, decayLr: 1e-4 },
			0.0009995004437328865,
		],
	])("%s (step %i)", (_what, step, schedule, expected) => {
		expect(Math.abs(learningRateAt(step, schedule) / expected - 1)).toBeLessThan(1e-12);
	});

	test.each([-1, 0.5, Number.NaN, Number.POSITIVE_INFINITY])("refuses step %d", (step) => {
		expect(() => learningRateAt(step, smolvla)).toThrow(RangeError);
	});

	test("refuses a schedule that is none", () => {
		expect(() => learningRateAt(0, { ...smolvla, peakLr: 0 })).toThrow(/peakLr 0 must be above 0/);
		expect(() => learningRateAt(0, { ...smolvla, decayLr: -1 })).toThrow(/decayLr -1/);
		expect(() => learningRateAt(0, { ...smolvla, decaySteps: 0 })).toThrow(/decaySteps at least 1/);
	});
});
