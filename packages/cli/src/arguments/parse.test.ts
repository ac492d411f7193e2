import { describe, expect, test } from "vitest";
import { z } from "zod";
import { CliError } from "../cli-error.ts";
import { flagOf, type OptionTable } from "./option.ts";
import { parseArguments } from "./parse.ts";

const TABLE = {
	localSteps: { kind: "number", schema: z.number().int().min(1), value: "<n>", summary: "steps" },
	strategy: { kind: "text", schema: z.enum(["fedavg", "fedprox"]), value: "<name>", summary: "strategy" },
	data: { kind: "pairs", schema: z.record(z.string(), z.string()), value: "<site>=<uri>", summary: "data" },
	quiet: { kind: "switch", schema: z.boolean(), summary: "quiet" },
} satisfies OptionTable;

function failure(words: string[]): CliError {
	try {
		parseArguments(words, TABLE);
	} catch (error) {
		if (error instanceof CliError) return error;
		throw error;
	}
	throw new RangeError(`no error for ${words.join(" ")}`);
}

describe("flagOf", () => {
	test("writes camelCase in kebab-case", () => {
		expect(flagOf("proximalMu")).toBe("--proximal-mu");
		expect(flagOf("seed")).toBe("--seed");
	});
});

describe("parseArguments", () => {
	test("reads numbers, text, switches, pairs and positionals in any order", () => {
		const { values, positionals } = parseArguments(
			[
				"ckpt",
				"--local-steps=12",
				"--data",
				"a=sim:x?seed=1",
				"--quiet",
				"--data",
				"b=/d",
				"out",
				"--strategy",
				"fedavg",
			],
			TABLE,
		);
		expect(values).toEqual({
			localSteps: 12,
			data: { a: "sim:x?seed=1", b: "/d" },
			quiet: true,
			strategy: "fedavg",
		});
		expect(positionals).toEqual(["ckpt", "out"]);
	});

	test("an option that was not given is absent", () => {
		expect(parseArguments([], TABLE).values).toEqual({});
	});

	test("--no-<switch> says false, the last one wins", () => {
		expect(parseArguments(["--quiet", "--no-quiet"], TABLE).values).toEqual({ quiet: false });
	});

	test("words after -- are positionals", () => {
		expect(parseArguments(["--", "--quiet"], TABLE)).toEqual({ values: {}, positionals: ["--quiet"] });
	});

	test("an unknown flag suggests the nearest", () => {
		const error = failure(["--local-step", "3"]);
		expect(error.code).toBe("unknown-flag");
		expect(error.message).toContain("--local-step");
		expect(error.cure).toBe("did you mean --local-steps?");
		expect(failure(["--no-strategy"]).code).toBe("unknown-flag");
		expect(failure(["-x"]).cure).toContain("--help");
	});

	test.each([
		[["--local-steps"], "needs a value <n>"],
		[["--local-steps", "--quiet"], "needs a value <n>"],
		[["--local-steps", "ten"], 'needs a number, got "ten"'],
		[["--local-steps", "0"], "--local-steps 0"],
		[["--local-steps", "1.5"], "--local-steps 1.5"],
		[["--strategy", "fedsgd"], '--strategy "fedsgd"'],
		[["--quiet=yes"], "takes no value"],
		[["--data", "sim:x"], "needs <site>=<uri>"],
		[["--data", "a=1", "--data", "a=2"], 'names "a" twice'],
	])("%j is refused", (words, text) => {
		const error = failure(words);
		expect(error.code).toBe("bad-flag");
		expect(error.message).toContain(text);
	});
});
