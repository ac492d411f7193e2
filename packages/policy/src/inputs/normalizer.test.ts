import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { parsePolicyConfig } from "../config/policy-config.ts";
import { smallPreset } from "../config/small-preset.ts";
import { PolicyError } from "../errors.ts";
import { createNormalizer, normalizedFeatures, type Stats } from "./normalizer.ts";

const finite = fc.float({ min: -1000, max: 1000, noNaN: true });
const spread = fc.float({ min: 0.125, max: 500, noNaN: true });

function codeOf(run: () => unknown): string {
	try {
		run();
	} catch (error) {
		if (error instanceof PolicyError) return `${error.code} ${error.key}`;
		throw error;
	}
	return "no error";
}

describe("createNormalizer", () => {
	test.each(["IDENTITY", "MEAN_STD", "MIN_MAX", "QUANTILES", "QUANTILE10"] as const)(
		"%s comes back to the raw values",
		(mode) => {
			fc.assert(
				fc.property(fc.array(fc.tuple(finite, finite, spread), { minLength: 1, maxLength: 8 }), (rows) => {
					const low = rows.map(([, offset]) => offset);
					const high = rows.map(([, offset, size]) => offset + size);
					const std = rows.map(([, , size]) => size);
					const stats = {
						x: { mean: low, std, min: low, max: high, q01: low, q99: high, q10: low, q90: high },
					};
					const normalizer = createNormalizer({ key: "x", mode, length: rows.length }, stats);
					const raw = rows.map(([value]) => value);
					const back = normalizer.unnormalize(normalizer.normalize(raw));
					back.forEach((value, index) => {
						expect(Math.abs(value - (raw[index] ?? 0))).toBeLessThan(5e-3);
					});
				}),
			);
		},
	);

	test("MEAN_STD standardises, MIN_MAX maps the interval to [-1, 1]", () => {
		const stats: Stats = { x: { mean: [1, 2], std: [2, 0], min: [0, 5], max: [10, 5] } };
		const standard = createNormalizer({ key: "x", mode: "MEAN_STD", length: 2 }, stats);
		expect([...standard.normalize([5, 2, 1, 2])]).toEqual([2, 0, 0, 0]);
		const interval = createNormalizer({ key: "x", mode: "MIN_MAX", length: 2 }, stats);
		expect([...interval.normalize([0, 5, 10, 5])]).toEqual([-1, -1, 1, -1]);
	});

	test.each([
		[{}, "missing-stats x.mean"],
		[{ x: { mean: [0, 0] } }, "missing-stats x.std"],
		[{ x: { mean: [0, Number.NaN], std: [1, 1] } }, "bad-stats x.mean"],
		[{ x: { mean: [0, 0, 0], std: [1, 1] } }, "bad-stats x.mean"],
		[{ "so100.buffer.x": { mean: [0, 0], std: [1, 1] } }, "missing-stats x.mean"],
	])("refuses the statistics %j", (stats, code) => {
		expect(codeOf(() => createNormalizer({ key: "x", mode: "MEAN_STD", length: 2 }, stats))).toBe(code);
	});

	test("refuses vectors of another length", () => {
		const normalizer = createNormalizer({ key: "x", mode: "IDENTITY", length: 3 }, {});
		expect(codeOf(() => normalizer.normalize([1, 2, 3, 4]))).toBe("bad-frame x");
	});
});

describe("normalizedFeatures", () => {
	test("refuses normalised images", () => {
		const { config } = smallPreset();
		const visual = parsePolicyConfig({ ...config, normalization_mapping: { VISUAL: "MEAN_STD" } });
		expect(codeOf(() => normalizedFeatures(visual))).toBe("unsupported normalization_mapping");
	});
});
