import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { resolveSampling, sampleSites } from "./sampling.ts";
import { fedAvg } from "./strategies/fedavg.ts";
import { fedProx } from "./strategies/fedprox.ts";
import { describeStrategy } from "./strategies.contract.ts";

describeStrategy("fedavg", () => fedAvg());
describeStrategy("fedavg, half of the sites", () => fedAvg({ fraction: 0.5, minSites: 2 }));
describeStrategy("fedprox", () => fedProx({ mu: 0.01 }));

describe("fedAvg and fedProx", () => {
	const request = { round: 1, attempt: 1, seed: 0, sites: ["b", "a"] };
	const updates = [
		{ site: "a", numSamples: 3 },
		{ site: "b", numSamples: 1 },
	];

	test("weigh by samples and keep no state", () => {
		const average = { state: null, weights: [3, 1], serverStep: null };
		expect(fedAvg().aggregate(null, updates)).toEqual(average);
		expect(fedProx({ mu: 1 }).aggregate(null, updates)).toEqual(average);
	});

	test("differ in mu and name only", () => {
		expect(fedAvg().configure(null, request)).toEqual({ sites: ["a", "b"], proximalMu: 0 });
		expect(fedProx({ mu: 0.5 }).configure(null, request)).toEqual({ sites: ["a", "b"], proximalMu: 0.5 });
		expect(fedProx({ mu: 0.5 }).options).toEqual({ fraction: 1, minSites: 1, mu: 0.5 });
	});

	test.each([-1, Number.NaN, Number.POSITIVE_INFINITY])("refuse mu %d", (mu) => {
		expect(() => fedProx({ mu })).toThrow(RangeError);
	});
});

describe("sampleSites", () => {
	const sites = Array.from({ length: 20 }, (_, index) => `site-${index}`);

	test("takes max(floor(fraction n), minSites) sites, at most all", () => {
		fc.assert(
			fc.property(
				fc.integer({ min: 1, max: 20 }),
				fc.double({ min: 0.01, max: 1, noNaN: true }),
				fc.integer({ min: 1, max: 30 }),
				(numSites, fraction, minSites) => {
					const request = { round: 1, attempt: 1, seed: 1, sites: sites.slice(0, numSites) };
					const expected = Math.min(numSites, Math.max(Math.floor(fraction * numSites), minSites));
					expect(sampleSites(request, { fraction, minSites })).toHaveLength(expected);
				},
			),
		);
	});

	test("changes with the round, the attempt and the seed; every site gets its turn", () => {
		const options = resolveSampling({ fraction: 0.25 });
		const base = { round: 1, attempt: 1, seed: 1, sites };
		const sample = (change: object): string => sampleSites({ ...base, ...change }, options).join();
		expect(sample({})).toBe(sample({}));
		for (const change of [{ round: 2 }, { attempt: 2 }, { seed: 2 }])
			expect(sample(change)).not.toBe(sample({}));
		const seen = new Set(
			Array.from({ length: 40 }, (_, round) => sampleSites({ ...base, round }, options)).flat(),
		);
		expect(seen.size).toBe(sites.length);
	});

	test.each([
		{ fraction: 0 },
		{ fraction: 1.1 },
		{ fraction: Number.NaN },
		{ minSites: 0 },
		{ minSites: 1.5 },
	])("refuses %j", (options) => {
		expect(() => resolveSampling(options)).toThrow(RangeError);
	});
});
