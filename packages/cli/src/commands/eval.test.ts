import { describe, expect, test } from "vitest";
import { EXIT_CODES } from "../exit-codes.ts";
import { runCli } from "../run-cli.ts";
import { captureHost } from "../testing/capture-host.ts";
import { COMMANDS } from "./index.ts";

async function run(line: string) {
	const host = captureHost({ cwd: "/nowhere" });
	const code = await runCli(line.split(" "), host, { commands: COMMANDS, version: "0" });
	return { code, err: host.err() };
}

describe("zk0 eval", () => {
	test.each([
		["eval ckpt data --episodes 3", "--episodes has no meaning"],
		["eval ckpt data --all-episodes --held-out 0.2", "--held-out has no meaning"],
		["eval ckpt sim:reach-red --frames 3", "--frames has no meaning"],
		["eval ckpt sim:reach-red --all-episodes", "--all-episodes has no meaning"],
		["eval ckpt sim:reach-rde", 'did you mean "reach-red"'],
	])("%s is refused before anything is read", async (line, text) => {
		const { code, err } = await run(line);
		expect(err).toContain(text);
		expect(code).toBe(EXIT_CODES.usage.code);
	});

	test.each([
		["hf:nobody", "bad-reference", "usage"],
		["hf:nobody/nothing", "hub-offline", "hub"],
	] as const)("%s ends with %s", async (name, error, exit) => {
		const host = captureHost({ cwd: "/nowhere", env: { HF_HUB_OFFLINE: "1", HF_HOME: "/nowhere" } });
		const words = ["eval", name, "sim:reach-red"];
		expect(await runCli(words, host, { commands: COMMANDS, version: "0" })).toBe(EXIT_CODES[exit].code);
		expect(host.err()).toContain(`error[${error}]`);
	});

	test("a checkpoint that is not there is named", async () => {
		const { code, err } = await run("eval ckpt sim:reach-red");
		expect(err).toContain("error[model-not-found]: there is no checkpoint at /nowhere/ckpt");
		expect(code).toBe(EXIT_CODES.model.code);
	});
});

describe("zk0 model bind", () => {
	test("needs to know where the result goes", async () => {
		const { code, err } = await run("model bind ckpt data");
		expect(err).toContain("missing --out <dir>");
		expect(code).toBe(EXIT_CODES.usage.code);
	});

	test("does not overwrite", async () => {
		expect((await run("model bind ckpt data --out /tmp")).err).toContain("--out /tmp exists");
	});
});

describe("zk0 train", () => {
	test.each([
		["train sim:reach-red --name a/b", "--name a/b"],
		["train sim:reach-red --steps 0", "--steps 0"],
		["train sim:reach-red --rounds 3", "unknown flag --rounds"],
		["train", "missing <data>"],
	])("%s is refused", async (line, text) => {
		const { code, err } = await run(line);
		expect(err).toContain(text);
		expect(code).toBe(EXIT_CODES.usage.code);
	});
});
