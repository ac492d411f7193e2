// Statistics against LeRobot's own (golden/make-lerobot-stats.py) and against brute force.
import { readFileSync } from "node:fs";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { z } from "zod";
import { createHistogram } from "./histogram.ts";
import {
	aggregateFeatureStats,
	aggregateStats,
	collectImageStats,
	type FeatureStats,
	sampledFrames,
	VALUE_KEYS,
	vectorStats,
} from "./stats.ts";
import { encodeStats, parseStats } from "./stats-json.ts";

const numbers = z.array(z.number());
const golden = z
	.object({
		vectors: z.array(z.object({ rows: z.number(), values: numbers, stats: z.record(z.string(), numbers) })),
		images: z.array(z.object({ shape: numbers, pixels: numbers, stats: z.record(z.string(), numbers) })),
		aggregated: z.record(z.string(), numbers),
		sampledFrames: z.record(z.string(), numbers),
	})
	.parse(JSON.parse(readFileSync(new URL("../golden/lerobot-stats.json", import.meta.url), "utf8")));

/** Largest relative difference; both sides are float64 and differ in the order of sums only. */
function difference(stats: FeatureStats, wanted: Readonly<Record<string, readonly number[]>>): number {
	const differences = VALUE_KEYS.flatMap((key) => {
		const values = stats[key] ?? [];
		if (values.length !== wanted[key]?.length) return [Number.POSITIVE_INFINITY];
		return values.map((value, at) => {
			const other = wanted[key]?.[at] ?? Number.NaN;
			return Math.abs(value - other) / Math.max(1, Math.abs(other));
		});
	});
	return Math.max(...differences, Math.abs(stats.count - (wanted["count"]?.[0] ?? 0)));
}

describe("as LeRobot", () => {
	test.each(golden.vectors)("vectors of $rows rows", ({ values, stats }) => {
		expect(difference(vectorStats(Float32Array.from(values), 3), stats)).toBeLessThan(1e-9);
	});

	test.each(golden.images)("pictures $shape", ({ shape, pixels, stats }) => {
		const [count = 0, height = 0, width = 0] = shape;
		const collector = collectImageStats();
		for (let image = 0; image < count; image++) {
			const size = height * width * 3;
			collector.add({ height, width, rgb: Uint8Array.from(pixels.slice(image * size, (image + 1) * size)) });
		}
		const result = collector.finish();
		expect(result.shape).toEqual([3, 1, 1]);
		expect(difference(result, stats)).toBeLessThan(1e-9);
	});

	test("joining episodes", () => {
		const parts = golden.vectors.map(({ values }) => vectorStats(Float32Array.from(values), 3));
		expect(difference(aggregateFeatureStats(parts), golden.aggregated)).toBeLessThan(1e-9);
	});

	test("the frames that picture statistics look at", () => {
		for (const [length, frames] of Object.entries(golden.sampledFrames)) {
			expect(sampledFrames(Number(length))).toEqual(frames);
		}
	});
});

const values = fc.array(fc.float({ noNaN: true, noDefaultInfinity: true, min: -1000, max: 1000 }), {
	minLength: 1,
	maxLength: 60,
});

test("mean and population deviation are those of all rows, however they are divided", () => {
	fc.assert(
		fc.property(fc.array(values, { minLength: 1, maxLength: 6 }), (parts) => {
			const joined = aggregateFeatureStats(parts.map((part) => vectorStats(part, 1)));
			const all = parts.flat();
			const mean = all.reduce((sum, value) => sum + value, 0) / all.length;
			const std = Math.sqrt(all.reduce((sum, value) => sum + (value - mean) ** 2, 0) / all.length);
			expect(joined.count).toBe(all.length);
			expect(joined.mean[0]).toBeCloseTo(mean, 6);
			expect(joined.std[0]).toBeCloseTo(std, 6);
			expect(joined.min[0]).toBe(Math.min(...all));
			expect(joined.max[0]).toBe(Math.max(...all));
		}),
	);
});

test("a quantile is within a bin of a value that splits the data there", () => {
	fc.assert(
		fc.property(values, fc.double({ min: 0.01, max: 0.99, noNaN: true }), (list, fraction) => {
			const min = Math.min(...list);
			const max = Math.max(...list);
			const histogram = createHistogram(min, max);
			for (const value of list) histogram.add(value);
			const quantile = histogram.quantile(fraction);
			const bin = (max - min) / 5000 + 1e-6;
			const below = list.filter((value) => value < quantile - bin).length;
			const notAbove = list.filter((value) => value <= quantile + bin).length;
			expect(below).toBeLessThanOrEqual(fraction * list.length);
			expect(notAbove).toBeGreaterThanOrEqual(Math.min(list.length, fraction * list.length) - 1e-9);
		}),
	);
});

test("a file gives back what was written, with quantiles or without", () => {
	const image = collectImageStats();
	image.add({ height: 2, width: 2, rgb: Uint8Array.from({ length: 12 }, (_, at) => at * 20) });
	const { q01: _, q10: __, q50: ___, q90: ____, q99: _____, ...plain } = vectorStats([1, 2, 3, 4], 2);
	const stats = { action: vectorStats([1, 2, 3, 4], 2), old: plain, picture: image.finish() };
	expect(parseStats(JSON.parse(encodeStats(stats)), "stats.json")).toEqual(stats);
});

test("features that only some episodes have, and quantiles that some lack, are joined as far as they go", () => {
	const whole = vectorStats([1, 2], 1);
	const { q50: _, ...partial } = vectorStats([5], 1);
	const joined = aggregateStats([{ a: whole }, { a: partial, b: whole }]);
	expect(Object.keys(joined)).toEqual(["a", "b"]);
	expect(joined["a"]?.q50).toBeUndefined();
	expect(joined["a"]?.q99).toEqual([5]);
});

test("nothing, and parts of different size, are refused", () => {
	expect(() => vectorStats([], 2)).toThrow(RangeError);
	expect(() => vectorStats([1, 2, 3], 2)).toThrow(RangeError);
	expect(() => aggregateFeatureStats([])).toThrow(RangeError);
	expect(() => aggregateFeatureStats([vectorStats([1], 1), vectorStats([1, 2], 2)])).toThrow(RangeError);
	expect(() => collectImageStats().finish()).toThrow(RangeError);
});
