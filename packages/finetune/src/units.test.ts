import { type BatchContext, createNormalizer } from "@zk0/policy";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { foldUnits } from "./units.ts";

const MODES = ["MEAN_STD", "MIN_MAX", "QUANTILES", "QUANTILE10"] as const;

/** Statistics of `scale * x + offset`, given those of x. */
function inDegrees(
	own: Readonly<Record<string, number>>,
	scale: number,
	offset: number,
): Record<string, number[]> {
	const at = (name: string): number => scale * (own[name] ?? 0) + offset;
	const ends = (low: string, high: string): [number, number] =>
		scale > 0 ? [at(low), at(high)] : [at(high), at(low)];
	const [[min, max], [q01, q99], [q10, q90]] = [ends("min", "max"), ends("q01", "q99"), ends("q10", "q90")];
	return {
		mean: [at("mean")],
		std: [Math.abs(scale) * (own["std"] ?? 0)],
		min: [min],
		max: [max],
		q01: [q01],
		q99: [q99],
		q10: [q10],
		q90: [q90],
	};
}

describe("foldUnits", () => {
	const number = fc.double({ min: -200, max: 200, noNaN: true });
	test("normalises recorded numbers as degrees would be, and back to recorded numbers", () => {
		fc.assert(
			fc.property(
				fc.record({ x: number, mean: number, std: fc.double({ min: 0.5, max: 90, noNaN: true }) }),
				fc.tuple(fc.constantFrom(-1, 1), fc.double({ min: 0.05, max: 60, noNaN: true }), number),
				fc.constantFrom(...MODES),
				({ x, mean, std }, [sign, size, offset], mode) => {
					const scale = sign * size;
					const own = {
						mean,
						std,
						min: mean - 3 * std,
						max: mean + 2 * std,
						q01: mean - 2 * std,
						q99: mean + std,
						q10: mean - std,
						q90: mean + std / 2,
					};
					const raw: BatchContext["stats"] = {
						action: Object.fromEntries(Object.entries(own).map(([name, value]) => [name, [value]])),
					};
					const folded = foldUnits(raw, { action: { scale: [scale], offset: [offset] } });
					const feature = { key: "action", mode, length: 1 };
					const site = createNormalizer(feature, folded);
					const degrees = createNormalizer(feature, { action: inDegrees(own, scale, offset) });
					const seen = site.normalize([x]);
					const [wanted = 0] = degrees.normalize([scale * x + offset]);
					expect(Math.abs((seen[0] ?? 0) - wanted)).toBeLessThan(1e-2 * Math.max(1, Math.abs(wanted)));
					expect(Math.abs((site.unnormalize(seen)[0] ?? 0) - x)).toBeLessThan(
						1e-3 * Math.max(1, Math.abs(x), std),
					);
				},
			),
		);
	});

	test("leaves alone what has no map, and refuses a map of another arm", () => {
		const stats = { action: { mean: [1, 2], std: [3, 4] }, "observation.state": { mean: [5], std: [6] } };
		expect(foldUnits(stats, {})).toEqual(stats);
		const mirrored = foldUnits(stats, { action: { scale: [1, -2], offset: [0, 90] } });
		expect(mirrored).toEqual({ ...stats, action: { mean: [1, 2], std: [3, -4] } });
		expect(() => foldUnits(stats, { state: { scale: [1, 1], offset: [0, 0] } })).toThrow(
			/observation.state has 1/,
		);
	});
});
