import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { CliError } from "../cli-error.ts";
import { parseConfig, readConfigFile } from "./config-file.ts";
import { PRESETS } from "./presets.ts";
import { resolveConfig } from "./resolve.ts";
import { RUN_OPTIONS } from "./run-options.ts";

function failure(act: () => unknown): CliError {
	try {
		act();
	} catch (error) {
		if (error instanceof CliError) return error;
		throw error;
	}
	throw new RangeError("no error was thrown");
}

describe("presets", () => {
	test("every preset gives every option a default that its own row accepts", () => {
		for (const preset of Object.values(PRESETS)) {
			expect(new Set(["preset", ...Object.keys(preset)])).toEqual(new Set(Object.keys(RUN_OPTIONS)));
			const set = Object.fromEntries(
				Object.entries(preset).filter(
					([key, value]) => value !== null && !(key === "init" && value === "bundled"),
				),
			);
			expect(parseConfig(set, "preset")).toEqual(set);
		}
	});
});

describe("resolveConfig", () => {
	test("flags win over the file, the file over the preset, and the source is kept", () => {
		const { config, sources } = resolveConfig({ rounds: 7 }, { rounds: 3, seed: 5, preset: "tiny" });
		expect(config).toMatchObject({ rounds: 7, seed: 5, preset: "tiny", localSteps: PRESETS.tiny.localSteps });
		expect(sources).toMatchObject({ rounds: "flag", seed: "file", preset: "file", localSteps: "preset" });
	});

	test.each(["fedprox", "fedavg"] as const)(
		"a resolved configuration of %s reads back as itself",
		(strategy) => {
			const { config } = resolveConfig({ imageSize: [480, 640], data: { a: "sim:x" }, strategy }, {});
			const written = Object.fromEntries(Object.entries(config).filter(([, value]) => value !== null));
			expect(resolveConfig(parseConfig(written, "config.json"), {}).config).toEqual(config);
			expect(config.sites).toBe(1);
		},
	);

	test.each([
		[{ preset: "full" as const }, "no start of its own"],
		[{ data: {} }, "no site has data"],
		[{ data: { a: "sim:x" }, sites: 3 }, "does not match"],
		[{ strategy: "fedavg" as const, proximalMu: 0.1 }, "no meaning with fedavg"],
		[{ sites: 2, minSites: 3 }, "--min-sites"],
		[{ batchSize: 12, microBatch: 5 }, "a batch of 12 is not made of micro-batches of 5"],
	])("%j is refused", (flags, text) => {
		const error = failure(() => resolveConfig(flags, {}));
		expect(error.code).toBe("bad-config");
		expect(error.message).toContain(text);
		expect(error.cure).toBeDefined();
	});
});

describe("parseConfig", () => {
	test("an unknown key suggests the right one", () => {
		const error = failure(() => parseConfig({ "local-step": 3 }, "zk0.json"));
		expect(error.code).toBe("unknown-config-key");
		expect(error.message).toContain('zk0.json: unknown key "local-step"');
		expect(error.cure).toBe('did you mean "localSteps"?');
		expect(failure(() => parseConfig({ wandbApiKey: 1 }, "zk0.json")).cure).toContain("rounds");
	});

	test.each([
		[{ rounds: 0 }, '"rounds"'],
		[{ rounds: "5" }, '"rounds"'],
		[{ strategy: "fedsgd" }, '"strategy"'],
		[{ data: { "bad/name": "sim:x" } }, '"data'],
		[{ imageSize: 8 }, "<side> or <height>x<width>"],
		[{ imageSize: "9x9x9" }, "<side> or <height>x<width>"],
		[[], "expected object"],
	])("%j is refused", (json, text) => {
		const error = failure(() => parseConfig(json, "zk0.json"));
		expect(error.code).toBe("bad-config");
		expect(error.message).toContain(text);
	});

	test.each([
		["96", [96, 96]],
		["480x640", [480, 640]],
		[
			[64, 80],
			[64, 80],
		],
	])("image size %j is %j", (value, expected) => {
		expect(parseConfig({ imageSize: value }, "zk0.json").imageSize).toEqual(expected);
	});
});

describe("readConfigFile", () => {
	let dir = "";
	beforeAll(async () => {
		dir = await mkdtemp(join(tmpdir(), "zk0-config-"));
	});
	afterAll(() => rm(dir, { recursive: true }));

	test("reads a file", async () => {
		await writeFile(join(dir, "good.json"), '{"rounds": 2}');
		expect(await readConfigFile(join(dir, "good.json"))).toEqual({ rounds: 2 });
	});

	test("a missing file and a file that is not JSON are named", async () => {
		await writeFile(join(dir, "bad.json"), "{rounds: 2}");
		for (const name of ["absent.json", "bad.json"]) {
			await expect(readConfigFile(join(dir, name))).rejects.toMatchObject({
				code: "bad-config",
				message: expect.stringContaining(name),
			});
		}
	});
});

test("held-out episodes: a fraction, or a list of their numbers", () => {
	const heldOut = (value: unknown) =>
		resolveConfig(parseConfig({ heldOut: value }, "zk0.json"), {}).config.heldOut;
	expect(heldOut(0.1)).toBe(0.1);
	expect(heldOut("0.25")).toBe(0.25);
	expect(heldOut("3,7,20-22")).toEqual([3, 7, 20, 21, 22]);
	expect(heldOut([4])).toEqual([4]);
	for (const wrong of [0, 0.6, "0.6", "many", [], [-1]]) expect(() => heldOut(wrong)).toThrow(/heldOut/);
});
