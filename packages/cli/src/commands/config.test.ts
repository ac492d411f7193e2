import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { runPaths, writeRunRecord } from "@zk0/records";
import { sampleRecord } from "@zk0/records/testing";
import { afterAll, beforeAll, expect, test } from "vitest";
import { EXIT_CODES } from "../exit-codes.ts";
import { runCli } from "../run-cli.ts";
import { captureHost } from "../testing/capture-host.ts";
import { COMMANDS } from "./index.ts";

let cwd = "";
beforeAll(async () => {
	cwd = await mkdtemp(join(tmpdir(), "zk0-config-command-"));
});
afterAll(() => rm(cwd, { recursive: true }));

async function run(line: string, env: Record<string, string> = {}) {
	const host = captureHost({ cwd, env });
	const code = await runCli(["config", ...line.split(" ")], host, { commands: COMMANDS, version: "0" });
	return { code, out: host.out(), err: host.err() };
}

test("init writes a file that is good, with its schema, and does not replace one", async () => {
	expect((await run("init")).code).toBe(0);
	expect((await run("validate zk0.json")).out).toContain("is good: it sets preset");
	expect(JSON.parse(await readFile(join(cwd, "zk0.schema.json"), "utf8"))).toHaveProperty(
		"properties.rounds",
	);
	const again = await run("init");
	expect(again.code).toBe(EXIT_CODES.storage.code);
	expect(again.err).toContain("error[target-exists]");
	expect((await run("init --preset full --force")).code).toBe(0);
	expect(await readFile(join(cwd, "zk0.json"), "utf8")).toContain('"preset": "full"');
});

test("validate names every problem with its line", async () => {
	await writeFile(
		join(cwd, "bad.json"),
		'{\n "rounds": 0, // none\n "local_steps": 3,\n "data": {"a/b": "x"},\n}\n',
	);
	const { code, out, err } = await run("validate bad.json");
	expect(code).toBe(EXIT_CODES.config.code);
	expect(out.split("\n").map((line) => line.slice(0, 10))).toEqual([
		"bad.json:2",
		"bad.json:3",
		"bad.json:4",
		"",
	]);
	expect(err).toContain("3 problems");
	expect(err).toContain('did you mean "localSteps"?');
	await writeFile(join(cwd, "cut.json"), '{"rounds": 2,\n "seed"');
	expect((await run("validate cut.json")).out).toContain("cut.json:2: not JSON");
	await writeFile(join(cwd, "clash.json"), '{"sites": 2, "minSites": 3}');
	expect((await run("validate clash.json")).err).toContain("--min-sites");
});

test("flags win over variables, variables over the file, the file over the preset", async () => {
	await writeFile(join(cwd, "four.json"), '{"preset": "tiny", "rounds": 3, "seed": 3, "localSteps": 3}');
	const env = { ZK0_CONFIG: "four.json", ZK0_SEED: "4", ZK0_LOCAL_STEPS: "4", ZK0_DATA: "a=x; b=y" };
	const { config, sources } = JSON.parse((await run("show --json --local-steps 5", env)).out);
	expect(config).toMatchObject({
		evalFrames: 8,
		rounds: 3,
		seed: 4,
		localSteps: 5,
		data: { a: "x", b: "y" },
	});
	expect(sources).toMatchObject({
		evalFrames: "preset",
		rounds: "file",
		seed: "variable",
		localSteps: "flag",
	});
	const shown = (await run("show", { ...env, ZK0_SEEDS: "1" })).out;
	expect(shown).toMatch(/localSteps +4 +ZK0_LOCAL_STEPS/);
	expect(shown).toContain("ZK0_SEEDS is set and nothing reads it; did you mean ZK0_SEED?");
});

test.each([
	[{ ZK0_ROUNDS: "many" }, "ZK0_ROUNDS needs a number"],
	[{ ZK0_ROUNDS: "0" }, "ZK0_ROUNDS 0:"],
	[{ ZK0_LORA_FREEZE_A: "maybe" }, "ZK0_LORA_FREEZE_A is a switch"],
	[{ ZK0_DATA: "kitchen" }, "ZK0_DATA needs <site>=<uri>"],
])("a wrong variable is named: %j", async (env, text) => {
	const { code, err } = await run("show", env);
	expect(code).toBe(EXIT_CODES.usage.code);
	expect(err).toContain(text);
});

test("explain says names, values, defaults and what is set", async () => {
	const { out } = await run("explain --json localSteps", { ZK0_LOCAL_STEPS: "4" });
	expect(JSON.parse(out)).toMatchObject({ key: "localSteps", value: 4, source: "variable" });
	expect((await run("explain ZK0_DEVICE")).out).toContain("cpu, webgpu, cuda");
	expect((await run("explain roudns")).err).toContain("did you mean rounds?");
});

test("diff compares presets, files and runs, and shows only what differs", async () => {
	await writeFile(join(cwd, "seven.json"), '{"rounds": 7}');
	const { changes } = JSON.parse((await run("diff small seven.json --json")).out);
	expect(changes).toEqual({ rounds: [6, 7] });
	const paths = runPaths(join(cwd, "runs"), "20261123-0000-aaaa");
	await writeRunRecord(paths.config, sampleRecord(paths.id));
	expect((await run("diff seven.json latest")).out).toMatch(/rounds +7 +3/);
	expect((await run("diff small small")).out).toContain("set the same");
});

test("a run of a server takes a file, too, with nothing in it that sites decide", async () => {
	await writeFile(join(cwd, "server.json"), '{"rounds": 3, "threads": 2}');
	const host = captureHost({ cwd, env: { ZK0_HOME: join(cwd, "home") } });
	const program = { commands: COMMANDS, version: "0" };
	expect(await runCli(["run", "--config", "server.json"], host, program)).toBe(EXIT_CODES.config.code);
	expect(host.err()).toContain("threads: not for the federation to set");
	await writeFile(join(cwd, "server.json"), '{"rounds": 3}');
	await runCli(["run", "--config", "server.json"], host, program);
	expect(host.err()).toContain("error[not-running]");
});

test("schema prints what editors read", async () => {
	expect(JSON.parse((await run("schema")).out)).toHaveProperty("additionalProperties", false);
});
