// What every strategy must hold to, run for each of them by strategies.test.ts.
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { canonicalJson, type JsonValue } from "./json.ts";
import type { Strategy } from "./strategy.ts";

const names = fc.uniqueArray(fc.stringMatching(/^[a-z]{1,6}$/), { minLength: 1, maxLength: 12 });
const requests = fc.record({
	round: fc.integer({ min: 1, max: 100 }),
	attempt: fc.integer({ min: 1, max: 3 }),
	seed: fc.integer(),
	sites: names,
});

/** Describes the contract for strategies made by `make`. */
export function describeStrategy(title: string, make: () => Strategy): void {
	describe(`strategy contract: ${title}`, () => {
		test("its options and state are plain JSON", () => {
			const strategy = make();
			const roundTrip = (value: JsonValue): unknown => JSON.parse(canonicalJson(value));
			expect(roundTrip(strategy.options)).toEqual(strategy.options);
			expect(roundTrip(strategy.init())).toEqual(strategy.init());
		});

		test("plans with online sites only, sorted, at least one, whatever order they are given in", () => {
			const strategy = make();
			fc.assert(
				fc.property(requests, (request) => {
					const plan = strategy.configure(strategy.init(), request);
					expect(plan.sites.length).toBeGreaterThan(0);
					expect(plan.sites).toEqual([...new Set(plan.sites)].sort());
					expect(plan.sites.every((site) => request.sites.includes(site))).toBe(true);
					expect(plan.proximalMu).toBeGreaterThanOrEqual(0);
					const reversed = { ...request, sites: [...request.sites].reverse() };
					expect(strategy.configure(strategy.init(), reversed)).toEqual(plan);
				}),
			);
		});

		test("gives each update a finite positive weight, twice the same, and a JSON state", () => {
			const strategy = make();
			const updates = fc.array(fc.integer({ min: 1, max: 1e9 }), { minLength: 1, maxLength: 8 });
			fc.assert(
				fc.property(updates, (counts) => {
					const summaries = counts.map((numSamples, index) => ({ site: `s${index}`, numSamples }));
					const first = strategy.aggregate(strategy.init(), summaries);
					expect(first.weights).toHaveLength(counts.length);
					expect(first.weights.every((weight) => Number.isFinite(weight) && weight > 0)).toBe(true);
					expect(strategy.aggregate(strategy.init(), summaries)).toEqual(first);
					expect(JSON.parse(canonicalJson(first.state))).toEqual(first.state);
				}),
			);
		});
	});
}
