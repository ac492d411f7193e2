import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { sha256File } from "@zk0/arrays/node";
import { openCheckpoint } from "@zk0/policy";
import { afterAll, describe, expect, test } from "vitest";
import { EXIT_CODES } from "../exit-codes.ts";
import { runCli } from "../run-cli.ts";
import { captureHost } from "../testing/capture-host.ts";
import { COMMANDS } from "./index.ts";

const cwd = mkdtempSync(join(tmpdir(), "zk0-model-init-"));
afterAll(() => rmSync(cwd, { recursive: true }));

async function run(line: string) {
	const host = captureHost({ cwd });
	const code = await runCli(["model", "init", ...line.split(" ")], host, {
		commands: COMMANDS,
		version: "0",
	});
	return { code, out: host.out(), err: host.err() };
}

describe("zk0 model init", () => {
	test("writes a checkpoint that opens, the same bytes for the same seed", async () => {
		const { code, out } = await run("--seed 3 --out first --json");
		expect(code).toBe(0);
		expect(JSON.parse(out)).toMatchObject({ checkpoint: join(cwd, "first"), preset: "small", seed: 3 });
		await run("--preset small --seed 3 --out again");
		await run("--seed 4 --out other");
		const [first, again, other] = await Promise.all(
			["first", "again", "other"].map((dir) => sha256File(join(cwd, dir, "model.safetensors"))),
		);
		expect(again).toBe(first);
		expect(other).not.toBe(first);
		using checkpoint = await openCheckpoint(join(cwd, "first"));
		expect(checkpoint.isBound).toBe(false);
	});

	test("says how many parameters there are and are trained", async () => {
		const { out } = await run("--out counted");
		expect(out).toMatch(/^\d+ tensors, [\d,]+ parameters, [\d,]+ of them trained: .*counted\n$/);
	});

	test.each([
		["--preset smal --out x", '--preset "smal"', "usage"],
		["--seed 1", "missing --out <dir>", "usage"],
		["--out first", "first exists", "usage"],
		["--out x --tokenizer nowhere", "error[bad-tokenizer]", "model"],
	] as const)("%s is refused and nothing is written", async (line, text, exit) => {
		const { code, err } = await run(line);
		expect(err).toContain(text);
		expect(code).toBe(EXIT_CODES[exit].code);
		expect(existsSync(join(cwd, "x"))).toBe(false);
	});

	test("an interrupt leaves nothing behind", async () => {
		const host = captureHost({ cwd });
		host.interrupt(new DOMException("stop", "AbortError"));
		const words = ["model", "init", "--preset", "smolvla-base", "--out", "stopped"];
		expect(await runCli(words, host, { commands: COMMANDS, version: "0" })).toBe(EXIT_CODES.interrupted.code);
		expect(host.out()).toContain("tokenizer: the bundled small one, not SmolVLM2's");
		expect(readdirSync(cwd).filter((name) => name.includes("stopped"))).toEqual([]);
	});

	test("the tokenizer can be one's own", async () => {
		const own = join(cwd, "first", "tokenizer");
		expect((await run(`--out mine --tokenizer ${own}`)).code).toBe(0);
		const text = (dir: string): string => readFileSync(join(dir, "tokenizer.json"), "utf8");
		expect(text(join(cwd, "mine", "tokenizer"))).toBe(text(own));
	});
});
