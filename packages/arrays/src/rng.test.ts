import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { rng } from "./rng.ts";

describe("rng", () => {
	test("a stream is a function of its path alone", () => {
		const draw = (...path: (string | number)[]): number[] => {
			const stream = rng(...path);
			return [stream.uniform(), stream.normal(), stream.below(10)];
		};
		expect(draw(7, "site-a", 3)).toEqual(draw(7, "site-a", 3));
		expect(draw(7, "site-a", 3)).not.toEqual(draw(7, "site-b", 3));
		expect(draw("7")).not.toEqual(draw(7));
		const parent = rng("p");
		parent.uniform();
		expect(parent.fork("child").uniform()).toBe(rng("p", "child").uniform());
	});

	test("moments are those of the distributions", () => {
		const stream = rng("moments");
		const numDraws = 40_000;
		const mean = (draw: () => number): number => {
			let total = 0;
			for (let index = 0; index < numDraws; index++) total += draw();
			return total / numDraws;
		};
		expect(mean(() => stream.uniform())).toBeCloseTo(0.5, 1.9);
		expect(mean(() => stream.normal())).toBeCloseTo(0, 1.6);
		expect(mean(() => stream.normal() ** 2)).toBeCloseTo(1, 1.4);
		expect(mean(() => stream.beta15())).toBeCloseTo(0.6, 1.9); // a/(a+b) for Beta(1.5, 1)
		expect(mean(() => stream.beta15() ** 2)).toBeCloseTo(1.5 / 3.5, 1.9);
	});

	test("permutations hold every index once; below stays in range", () => {
		fc.assert(
			fc.property(fc.nat(60), fc.integer({ min: 1, max: 2 ** 32 }), fc.string(), (length, bound, name) => {
				const stream = rng(name);
				expect([...stream.permutation(length)].sort((a, b) => a - b)).toEqual([...Array(length).keys()]);
				const value = stream.below(bound);
				expect(value >= 0 && value < bound && Number.isInteger(value)).toBe(true);
			}),
		);
		expect(() => rng("x").below(0)).toThrow(RangeError);
	});
});
