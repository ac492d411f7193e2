import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { didYouMean, editDistance, nearest } from "./nearest.ts";

describe("editDistance", () => {
	test.each([
		["rounds", "rounds", 0],
		["ronuds", "rounds", 1],
		["round", "rounds", 1],
		["", "abc", 3],
		["kitten", "sitting", 3],
	])("%s to %s is %i", (from, to, expected) => {
		expect(editDistance(from, to)).toBe(expected);
	});

	test("is symmetric and zero only for equal words", () => {
		fc.assert(
			fc.property(fc.string({ maxLength: 12 }), fc.string({ maxLength: 12 }), (a, b) => {
				const distance = editDistance(a, b);
				expect(distance).toBe(editDistance(b, a));
				expect(distance === 0).toBe(a === b);
			}),
		);
	});
});

describe("nearest", () => {
	const known = ["rounds", "localSteps", "proximalMu", "seed"];

	test.each([
		["round", "rounds"],
		["local-steps", "localSteps"],
		["local_step", "localSteps"],
		["proximal", "proximalMu"],
		["sede", "seed"],
	])("%s suggests %s", (word, expected) => {
		expect(nearest(word, known)).toBe(expected);
	});

	test("suggests nothing for a word unlike any other", () => {
		expect(nearest("wandb-api-key", known)).toBeUndefined();
		expect(nearest("x", ["y"])).toBeUndefined();
	});

	test("the end of a message names the word, or is only its end", () => {
		expect(didYouMean("sede", known)).toBe('; did you mean "seed"?');
		expect(didYouMean("wandb-api-key", known)).toBe(".");
	});
});
