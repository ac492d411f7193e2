import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { smallPreset } from "@zk0/policy";
import { runPaths } from "@zk0/records";
import { sampleRecord } from "@zk0/records/testing";
import { describe, expect, test } from "vitest";
import { setupOf } from "../network/run-setup.ts";
import { learningOf, machineChoices, roundsOf } from "../simulation/federation-options.ts";
import { camerasOf } from "../simulation/open-sites.ts";
import { planSites } from "../simulation/site-plans.ts";
import { parseConfig } from "./config-file.ts";
import { configTemplate } from "./config-template.ts";
import { unreadVariables } from "./environment.ts";
import { type Given, resolveConfig } from "./resolve.ts";
import {
	configJsonSchema,
	defaultsText,
	describeSetting,
	SETTING_NAMES,
	settingNamed,
	settingText,
} from "./settings.ts";

/** Everything about a run that is decided before data and weights are touched. */
async function planOf(given: Given): Promise<string> {
	const { config } = resolveConfig({ preset: "tiny", ...given }, {});
	const record = sampleRecord("20261123-0000-aaaa");
	return JSON.stringify({
		sites: planSites(config),
		cameras: camerasOf("kitchen", config.camera),
		rounds: roundsOf(config, { paths: runPaths("runs", record.runId), record }),
		learning: learningOf(config, smallPreset().config),
		setup: setupOf(config, record, "files"),
		machine: await machineChoices(config),
	});
}

describe("every setting changes something", () => {
	test.each<[Given]>([
		[{ preset: "small" }],
		[{ data: { lab: "sim:push-blue-left" } }],
		[{ camera: { front: "camera1" } }],
		[{ sites: 3 }],
		[{ episodes: 9 }],
		[{ imageSize: [64, 64] }],
		[{ init: "random" }],
		[{ loraRank: 4 }],
		[{ loraRank: 4, loraAlpha: 3 }],
		[{ loraRank: 4, loraFreezeA: true }],
		[{ batchSize: 2 }],
		[{ learningRate: 1e-5 }],
		[{ warmupSteps: 7 }],
		[{ strategy: "fedavg" }],
		[{ proximalMu: 0.5 }],
		[{ siteFraction: 0.5 }],
		[{ minSites: 2 }],
		[{ quorum: 1 }],
		[{ roundDeadline: 60 }],
		[{ stallAfter: 60 }],
		[{ keepOptimizerState: true }],
		[{ heldOut: 0.5 }],
		[{ evalFrames: 1 }],
		[{ sampledFrames: 1 }],
		[{ evalLocal: true }],
		[{ seed: 1 }],
		[{ threads: 2 }],
		[{ sites: 64, concurrency: 63 }],
	])("%j", async (given) => {
		const keys = Object.entries(given);
		const without = Object.fromEntries(keys.slice(0, -1));
		const [last = ["", null]] = keys.slice(-1);
		// Of several keys the last is the one in question: the others make it mean something.
		expect(await planOf({ ...without, [last[0]]: last[1] })).not.toBe(await planOf(without));
	});

	test("a file outside config/ reads each key", () => {
		const folders = ["commands", "machine", "network", "simulation", "training"];
		const root = new URL("../", import.meta.url).pathname;
		const text = folders
			.flatMap((folder) => readdirSync(join(root, folder)).map((name) => join(root, folder, name)))
			.filter((path) => !path.endsWith(".test.ts"))
			.map((path) => readFileSync(path, "utf8").replaceAll(/\/\/.*|RUN_OPTIONS\.\w+/g, ""))
			.join("\n");
		const unread = [...SETTING_NAMES, "noSuchKey"].filter(
			(key) => !new RegExp(`(?:[cC]onfig|settings|values)\\.${key}\\b|[{,]\\s*${key}\\b(?!:)`).test(text),
		);
		expect(unread).toEqual(["noSuchKey"]);
	});
});

describe("the configuration file that `zk0 config init` writes", () => {
	test.each(["tiny", "small", "full"] as const)("%s: every line can be uncommented", async (preset) => {
		const text = configTemplate(preset, "zk0.schema.json");
		const lines = [...text.matchAll(/^\t\/\/ ("\w+": .*),$/gm)].map(([, line = ""]) => line);
		expect(lines.length).toBeGreaterThanOrEqual(SETTING_NAMES.length - 1);
		for (const line of lines) {
			const json: unknown = JSON.parse(`{${line}}`);
			expect(parseConfig(json, line)).toBeDefined();
		}
	});
});

describe("describeSetting", () => {
	test("says what a setting takes and its defaults", () => {
		expect(describeSetting("localSteps")).toMatchObject({
			flag: "--local-steps <n>",
			variable: "ZK0_LOCAL_STEPS",
			takes: "whole number, 1 to 10000000",
		});
		expect(describeSetting("strategy").takes).toContain("fedprox");
		expect(describeSetting("loraFreezeA")).toMatchObject({ flag: "--lora-freeze-a", takes: "true or false" });
		expect(describeSetting("loraAlpha").takes).toBe("number, above 0 to 100000");
		expect(describeSetting("seed").takes).toContain("2^53");
		expect(defaultsText(describeSetting("rounds"))).toBe("tiny 2, small 6, full 20");
		expect(defaultsText(describeSetting("codec"))).toBe("av1");
		expect(defaultsText(describeSetting("data"))).toBe("open");
	});

	test("values are written as after their flags", () => {
		expect(settingText("imageSize", [96, 80])).toBe("96x80");
		expect(settingText("heldOut", [1, 5])).toBe("1,5");
		expect(settingText("cacheBudget", 20e9)).toBe("20GB");
		expect(settingText("cacheBudget", 1234)).toBe("1234");
		expect(settingText("data", { a: "x", b: "y" })).toBe("a=x; b=y");
		expect(settingText("threads", null)).toBe("open");
	});

	test("a setting is found by key, flag and variable", () => {
		for (const name of ["localSteps", "--local-steps", "ZK0_LOCAL_STEPS"]) {
			expect(settingNamed(name)).toBe("localSteps");
		}
		expect(() => settingNamed("localStep")).toThrow(
			expect.objectContaining({ cure: "did you mean localSteps?" }),
		);
		expect(() => settingNamed("wandb")).toThrow(
			expect.objectContaining({ cure: expect.stringContaining("config show") }),
		);
	});
});

test("the JSON Schema knows every key and refuses others", () => {
	expect(configJsonSchema()).toMatchObject({
		additionalProperties: false,
		properties: {
			rounds: { type: "integer", minimum: 1 },
			strategy: { enum: expect.arrayContaining(["fedavg"]) },
		},
	});
	expect(JSON.stringify(configJsonSchema())).toContain("keepCheckpoints");
});

test("variables that nothing reads are named with what was meant", () => {
	const env = { ZK0_ROUND: "3", ZK0_ROUNDS: "3", ZK0_HOME: "/x", PATH: "/bin", ZK0_WXYZW: "1" };
	expect(unreadVariables(env)).toEqual([
		{ name: "ZK0_ROUND", meant: "ZK0_ROUNDS" },
		{ name: "ZK0_WXYZW", meant: undefined },
	]);
});
