import fc from "fast-check";
import { expect, test } from "vitest";
import { createSampler } from "./sampler.ts";
import { splitEpisodes } from "./split.ts";

const items = fc.integer({ min: 1, max: 60 });

test("every epoch is a permutation of all items", () => {
	fc.assert(
		fc.property(items, fc.nat(1000), fc.nat(5), (numItems, seed, epoch) => {
			const sampler = createSampler(numItems, [seed, "site"]);
			const seen = Array.from({ length: numItems }, (_, index) => sampler(epoch * numItems + index));
			expect(seen.toSorted((a, b) => a - b)).toEqual(Array.from({ length: numItems }, (_, index) => index));
		}),
	);
});

test("the item depends on seed path and position only, not on what was asked before", () => {
	fc.assert(
		fc.property(
			items,
			fc.nat(1000),
			fc.array(fc.nat(300), { maxLength: 40 }),
			(numItems, seed, positions) => {
				const used = createSampler(numItems, [seed, "site"]);
				for (const position of positions)
					expect(used(position)).toBe(createSampler(numItems, [seed, "site"])(position));
			},
		),
	);
});

test("epochs and seeds give different orders", () => {
	const order = (seed: number, epoch: number): string => {
		const sampler = createSampler(30, [seed]);
		return Array.from({ length: 30 }, (_, index) => sampler(epoch * 30 + index)).join();
	};
	expect(new Set([order(1, 0), order(1, 1), order(2, 0), order(2, 1)]).size).toBe(4);
});

test("fewer items than a batch repeat within it, in the order of epochs", () => {
	const sampler = createSampler(3, ["tiny"]);
	const batch = Array.from({ length: 8 }, (_, position) => sampler(position));
	expect([0, 1, 2].map((item) => batch.slice(0, 6).filter((value) => value === item).length)).toEqual([
		2, 2, 2,
	]);
});

test("nothing to draw from, and positions out of range, are refused", () => {
	expect(() => createSampler(0, ["x"])).toThrow(RangeError);
	expect(() => createSampler(3, ["x"])(-1)).toThrow(RangeError);
	expect(() => createSampler(3, ["x"])(0.5)).toThrow(RangeError);
});

const fraction = fc.double({ min: 0.01, max: 0.5, noNaN: true });

test("the parts are disjoint, complete and, from two episodes on, not empty", () => {
	fc.assert(
		fc.property(fc.integer({ min: 1, max: 300 }), fraction, fc.nat(99), (numEpisodes, fraction, seed) => {
			const all = Array.from({ length: numEpisodes }, (_, index) => index);
			const { train, heldOut } = splitEpisodes(all, { heldOut: fraction, seed });
			expect([...train, ...heldOut].sort((a, b) => a - b)).toEqual(all);
			expect(train.length).toBeGreaterThan(0);
			expect(heldOut.length > 0 || numEpisodes === 1).toBe(true);
			expect(Math.abs(heldOut.length - numEpisodes * fraction)).toBeLessThanOrEqual(1);
		}),
	);
});

test("adding or leaving out episodes moves none of the others", () => {
	fc.assert(
		fc.property(
			fc.uniqueArray(fc.nat(200), { minLength: 1 }),
			fraction,
			fc.nat(99),
			(some, fraction, seed) => {
				const all = Array.from({ length: 201 }, (_, index) => ({ index }));
				const whole = new Set(splitEpisodes(all, { heldOut: fraction, seed }).heldOut);
				const { train, heldOut } = splitEpisodes(some, { heldOut: fraction, seed });
				for (const index of heldOut) expect(whole.has(index)).toBe(true);
				for (const index of train) expect(whole.has(index)).toBe(false);
			},
		),
	);
});

test("one episode is for training, of two the second is held out", () => {
	for (const seed of [1, 2, 3]) {
		expect(splitEpisodes([0], { heldOut: 0.2, seed })).toEqual({ train: [0], heldOut: [] });
		expect(splitEpisodes([0, 1], { heldOut: 0.2, seed })).toEqual({ train: [0], heldOut: [1] });
	}
});

test("a seed chooses which episodes; no fraction holds out none; half is the most", () => {
	const all = Array.from({ length: 50 }, (_, index) => index);
	const heldOut = (seed: number): string => splitEpisodes(all, { heldOut: 0.2, seed }).heldOut.join();
	expect(heldOut(1)).not.toBe(heldOut(2));
	expect(splitEpisodes(all, { heldOut: 0, seed: 1 }).heldOut).toEqual([]);
	for (const wrong of [-0.1, 0.6, Number.NaN]) {
		expect(() => splitEpisodes(all, { heldOut: wrong, seed: 1 })).toThrow(RangeError);
		const part = [
			{ index: 0, recordedIndex: 4 },
			{ index: 1, recordedIndex: 9 },
		];
		expect(splitEpisodes(part, { heldOut: [9], seed: 1 })).toEqual({ train: [0], heldOut: [1] });
		expect(splitEpisodes([0, 1, 2], { heldOut: [], seed: 1 }).heldOut).toEqual([]);
		expect(() => splitEpisodes(part, { heldOut: [1], seed: 1 })).toThrow("episode 1 is to be held out");
	}
});
