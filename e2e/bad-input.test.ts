// What users get wrong, and what they are told: one line with a code, a cure, and a documented exit code.
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { EXIT_CODES } from "@zk0/cli";
import { describe, expect, test } from "vitest";
import { workplace, zk0, zk0Here } from "./zk0.ts";

const { usage, config, run, model, dataset } = EXIT_CODES;

describe("a wrong command line", () => {
	test.each([
		["simulat", usage, "unknown-command", "did you mean `zk0 simulate`?"],
		["simulate --round 3", usage, "unknown-flag", "did you mean --rounds?"],
		["simulate --rounds three", usage, "bad-flag", 'needs a number, got "three"'],
		["simulate --rounds 0", usage, "bad-flag", "--rounds 0"],
		["simulate --strategy fedsgd", usage, "bad-flag", '--strategy "fedsgd"'],
		["simulate --data kitchen", usage, "bad-flag", "needs <site>=<uri>"],
		["simulate --data kitchen=sim:reach-rde", usage, "unknown-task", 'did you mean "reach-red"?'],
		["simulate --data kitchen=sim:reach-red --sites 3", config, "bad-config", "leave --sites out"],
		["simulate --preset full", config, "bad-config", "--init <dir>"],
		["simulate --init nowhere", model, "", "nowhere"],
		["simulate --data kitchen=nowhere", dataset, "", "nowhere"],
		["simulate --config nowhere.json", config, "bad-config", "nowhere.json"],
		["eval", usage, "missing-argument", "checkpoint"],
		["run --resume 1 --rounds 3", usage, "bad-flag", "--rounds has no meaning with --resume"],
		["runs show nothing", run, "run-not-found", "zk0 simulate"],
		["runs resume nothing", run, "run-not-found", "zk0 simulate"],
	])("zk0 %s", async (line, exit, code, text) => {
		await using place = await workplace();
		const { code: status, stdout, stderr } = await zk0Here(line.split(" "), place.dir);
		expect(stderr).toContain(`error[${code}`);
		expect(stderr).toContain(text);
		expect(stdout).toBe("");
		expect(status).toBe(exit.code);
		expect(stderr).not.toContain("    at ");
	});
});

describe("a wrong configuration file", () => {
	test.each([
		['{"localstep": 3}', "unknown-config-key", 'did you mean "localSteps"?'],
		['{"rounds": "3"}', "bad-config", '"rounds"'],
		["{rounds: 3}", "bad-config", "not JSON"],
	])("%s", async (text, code, cure) => {
		await using place = await workplace();
		await writeFile(join(place.dir, "zk0.json"), text);
		const result = await zk0Here(["simulate", "--config", "zk0.json"], place.dir);
		expect(result.stderr).toContain(`error[${code}]`);
		expect(result.stderr).toContain(cure);
		expect(result.code).toBe(config.code);
	});
});

describe("a damaged run", () => {
	test("is a line of the list, and cannot be shown", async () => {
		await using place = await workplace();
		await mkdir(join(place.dir, "runs", "broken"), { recursive: true });
		await writeFile(join(place.dir, "runs", "broken", "config.json"), "{");
		expect((await zk0(["runs", "list"], place.dir)).stdout).toContain("damaged");
		const shown = await zk0(["runs", "show", "broken"], place.dir);
		expect(shown.stderr).toContain("error[run-damaged]");
		expect(shown.code).toBe(run.code);
	});
});
