import { smallPreset } from "@zk0/policy";
import { describe, expect, test } from "vitest";
import { resolveConfig } from "../config/resolve.ts";
import { learningOf, machineChoices, strategyOf } from "./federation-options.ts";

const { config } = resolveConfig({}, {});
const policy = smallPreset().config;

describe("strategyOf", () => {
	test("passes the settings on", () => {
		expect(strategyOf({ ...config, proximalMu: 0.5, siteFraction: 0.5 })).toMatchObject({
			name: "fedprox",
			options: { mu: 0.5, fraction: 0.5 },
		});
		expect(strategyOf({ ...config, strategy: "fedavg" }).name).toBe("fedavg");
	});
});

describe("learningOf", () => {
	test("what is left open is the policy's own", () => {
		const own = learningOf({ ...config, learningRate: null, warmupSteps: null }, policy);
		expect(own).toMatchObject({
			peakLr: policy.optimizer_lr,
			decayLr: policy.scheduler_decay_lr,
			warmupSteps: policy.scheduler_warmup_steps,
			betas: policy.optimizer_betas,
		});
	});

	test("the end of the schedule moves with its peak", () => {
		const doubled = learningOf({ ...config, learningRate: 2 * policy.optimizer_lr }, policy);
		expect(doubled.decayLr).toBeCloseTo(2 * policy.scheduler_decay_lr, 12);
		expect(doubled.keepOptimizerState).toBe(false);
	});
});

describe("machineChoices", () => {
	const device = "cpu" as const;

	test("given numbers stay, no more sites work than there are", async () => {
		expect(await machineChoices({ threads: 3, concurrency: 2, sites: 4, device })).toEqual({
			threads: 3,
			concurrency: 2,
			device,
		});
		expect((await machineChoices({ threads: 1, concurrency: 8, sites: 2, device })).concurrency).toBe(2);
	});

	test("open numbers are at least one", async () => {
		const chosen = await machineChoices({ threads: null, concurrency: null, sites: 1000, device });
		expect(chosen.threads).toBeGreaterThanOrEqual(1);
		expect(chosen.concurrency).toBeGreaterThanOrEqual(1);
	});
});
