import { describe, expect, test } from "vitest";
import { parsePolicyConfig } from "../config/policy-config.ts";
import { smallPreset } from "../config/small-preset.ts";
import type { Stats } from "./normalizer.ts";
import { describeGap, statsCoverage } from "./stats-coverage.ts";

const { config } = smallPreset();
const six = Array.from({ length: 6 }, () => 1);
const full: Stats = { "observation.state": { mean: six, std: six }, action: { mean: six, std: six } };

describe("statsCoverage", () => {
	test("needs mean and std of state and action", () => {
		expect(statsCoverage(config, full)).toEqual({
			features: [
				{ key: "observation.state", mode: "MEAN_STD", present: ["mean", "std"], missing: [] },
				{ key: "action", mode: "MEAN_STD", present: ["mean", "std"], missing: [] },
			],
			prefixed: [],
			isComplete: true,
		});
		const partial = statsCoverage(config, { ...full, action: { mean: six } });
		expect(partial.isComplete).toBe(false);
		expect(describeGap(partial)).toBe("no statistics of action.std");
		expect(statsCoverage(config, {}).isComplete).toBe(false);
	});

	test("names the keys of smolvla_base, which are nobody's", () => {
		const base = { "so100.buffer.action": { mean: six, std: six } };
		const coverage = statsCoverage(config, base);
		expect(coverage.prefixed).toEqual(["so100.buffer.action.mean", "so100.buffer.action.std"]);
		expect(describeGap(coverage)).toMatch(/observation\.state\.mean.*it has so100\.buffer\.action\.mean/);
	});

	test("follows the normalisation modes", () => {
		const modes = { STATE: "MIN_MAX", ACTION: "IDENTITY" };
		const other = parsePolicyConfig({ ...config, normalization_mapping: modes });
		expect(describeGap(statsCoverage(other, full))).toBe(
			"no statistics of observation.state.min, observation.state.max",
		);
		expect(statsCoverage(parsePolicyConfig({ ...config, normalization_mapping: {} }), {}).isComplete).toBe(
			true,
		);
	});

	test("refuses statistics of a wrong length", () => {
		const short = { ...full, action: { mean: [1], std: [1] } };
		expect(() => statsCoverage(config, short)).toThrow(/bad-stats/);
	});
});
