import { describe, expect, test } from "vitest";
import { defaultLearning, type Learning, learningRate, parseLearning } from "./learning.ts";

const learning: Learning = {
	batchSize: 4,
	peakLr: 1e-3,
	warmupSteps: 5,
	decaySteps: 100,
	decayLr: 1e-5,
	betas: [0.9, 0.95],
	eps: 1e-8,
	weightDecay: 0,
	gradClipNorm: 10,
	keepOptimizerState: false,
};

describe("parseLearning", () => {
	test("accepts what JSON carries", () => {
		expect(parseLearning(JSON.parse(JSON.stringify(learning)))).toEqual(learning);
	});

	test.each([
		["an unknown key", { ...learning, momentum: 0.9 }],
		["a batch of nothing", { ...learning, batchSize: 0 }],
		["a fractional batch", { ...learning, batchSize: 1.5 }],
		["a learning rate of zero", { ...learning, peakLr: 0 }],
		["a beta of one", { ...learning, betas: [1, 0.9] }],
		["a missing key", { ...learning, eps: undefined }],
		["nothing", null],
	])("refuses %s", (_, json) => {
		expect(() => parseLearning(json, "lab")).toThrow(
			expect.objectContaining({ code: "bad-learning-config", site: "lab" }),
		);
	});
});

describe("learningRate", () => {
	test("goes on over the rounds instead of restarting", () => {
		const rates = Array.from({ length: 40 }, (_, step) => learningRate(learning, step, 40));
		const peak = rates.indexOf(Math.max(...rates));
		expect(peak).toBe(2); // warm-up of int(5 * 40/100) steps
		for (let step = peak + 1; step < 40; step++) {
			expect(rates[step]).toBeLessThan(rates[step - 1] ?? 0);
		}
	});

	test("defaults are the policy's optimizer fields", () => {
		const defaults = defaultLearning({
			optimizer_lr: 1e-4,
			optimizer_betas: [0.9, 0.95],
			optimizer_eps: 1e-8,
			optimizer_weight_decay: 1e-10,
			optimizer_grad_clip_norm: 10,
			scheduler_warmup_steps: 1000,
			scheduler_decay_steps: 30000,
			scheduler_decay_lr: 2.5e-6,
		});
		expect(defaults).toMatchObject({ batchSize: 8, peakLr: 1e-4, decaySteps: 30000, gradClipNorm: 10 });
		expect(parseLearning(defaults)).toEqual(defaults);
	});
});
