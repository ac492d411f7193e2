import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { SimError } from "./errors.ts";
import { TASKS, tasksOf } from "./tasks.ts";
import { formatSimUri, isSimUri, parseSimUri } from "./uri.ts";

const codeOf = (uri: string): string => {
	try {
		parseSimUri(uri);
	} catch (error) {
		if (error instanceof SimError) return error.code;
		throw error;
	}
	return "accepted";
};

describe("parseSimUri", () => {
	test("fills in the defaults", () => {
		expect(parseSimUri("sim:reach-red")).toEqual({
			tasks: ["reach-red"],
			episodes: 12,
			seed: 0,
			image: { height: 96, width: 128 },
			fps: 10,
			domain: undefined,
			varyDomain: false,
		});
	});

	test("reads every key; size is width x height", () => {
		expect(
			parseSimUri("sim:reach-red,lift-blue?episodes=3&seed=9&size=640x480&fps=30&domain=lab&vary=1"),
		).toEqual({
			tasks: ["reach-red", "lift-blue"],
			episodes: 3,
			seed: 9,
			image: { height: 480, width: 640 },
			fps: 30,
			domain: "lab",
			varyDomain: true,
		});
	});

	test("a site stands for its tasks and its workplace, a split for its tasks", () => {
		const site = parseSimUri("sim:site-b?episodes=2");
		expect(site.tasks).toEqual(["push-blue-left", "push-blue-right"]);
		expect(site.domain).toBe("site-b");
		expect(parseSimUri("sim:site-b?domain=x").domain).toBe("x");
		expect(parseSimUri("sim:pretrain").tasks).toEqual(tasksOf("pretrain").map((task) => task.id));
	});

	test("what formatSimUri writes comes back unchanged", () => {
		const source = fc.record({
			tasks: fc.uniqueArray(fc.constantFrom(...TASKS.map((task) => task.id)), { minLength: 1, maxLength: 4 }),
			episodes: fc.integer({ min: 1, max: 100_000 }),
			seed: fc.maxSafeNat(),
			image: fc.record({
				height: fc.integer({ min: 32, max: 960 }).map((half) => 2 * half),
				width: fc.integer({ min: 32, max: 960 }).map((half) => 2 * half),
			}),
			fps: fc.integer({ min: 5, max: 60 }),
			domain: fc.option(fc.string({ unit: "grapheme" }), { nil: undefined }),
			varyDomain: fc.boolean(),
		});
		fc.assert(
			fc.property(source, (value) => {
				expect(parseSimUri(formatSimUri(value))).toEqual(value);
			}),
		);
	});

	test("any text is accepted or refused with a SimError", () => {
		fc.assert(
			fc.property(fc.string(), (text) => {
				expect(["accepted", "bad-uri", "unknown-task"]).toContain(codeOf(`sim:${text}`));
			}),
		);
	});

	test("refuses wrong forms and values", () => {
		for (const uri of ["", "reach-red", "sim:", "sim:?episodes=2", "sim:reach-red#x", "SIM:reach-red"]) {
			expect(codeOf(uri)).toBe("bad-uri");
		}
		const values = ["episodes=0", "episodes=-1", "episodes=1.5", "episodes=", "seed=x", "fps=4", "fps=1e1"];
		for (const query of [
			...values,
			"size=128",
			"size=127x96",
			"size=0x0",
			"size=32x32",
			"size=99999x96",
			"vary=2",
			"seed=1&seed=2",
		]) {
			expect(codeOf(`sim:reach-red?${query}`)).toBe("bad-uri");
		}
	});

	test("names what was probably meant", () => {
		expect(() => parseSimUri("sim:reach-red?episode=3")).toThrow(/did you mean "episodes"/);
		expect(() => parseSimUri("sim:reach-reed")).toThrow(/did you mean "reach-red"/);
		expect(() => parseSimUri("sim:site-x")).toThrow(/did you mean "site-/);
	});
});

test("isSimUri looks at the scheme only", () => {
	expect(isSimUri("sim:nonsense")).toBe(true);
	expect(isSimUri("data/sim")).toBe(false);
});
