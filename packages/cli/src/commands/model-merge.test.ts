// Adapters through the commands: started, inspected, merged, refused. Training of adapters is tested in finetune.
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { hashTensors } from "@zk0/arrays/node";
import { openCheckpoint } from "@zk0/policy";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { resolveConfig } from "../config/resolve.ts";
import { EXIT_CODES } from "../exit-codes.ts";
import { runCli } from "../run-cli.ts";
import { writeStartCheckpoint } from "../simulation/start-model.ts";
import { captureHost } from "../testing/capture-host.ts";
import { COMMANDS } from "./index.ts";

const cwd = mkdtempSync(join(tmpdir(), "zk0-model-merge-"));
const place = captureHost({ cwd });

async function run(line: string) {
	const host = captureHost({ cwd });
	const code = await runCli(line.split(" "), host, { commands: COMMANDS, version: "0" });
	return { code, out: host.out(), err: host.err() };
}

async function start(dir: string, settings: Parameters<typeof resolveConfig>[0]): Promise<void> {
	await writeStartCheckpoint(
		join(cwd, dir),
		resolveConfig({ preset: "tiny", ...settings }, {}).config,
		place,
	);
}

beforeAll(async () => {
	await run("model init --seed 3 --out base");
	await run("model init --seed 4 --out other");
	await start("adapter", { init: "base", loraRank: 2, loraFreezeA: true });
});
afterAll(() => rmSync(cwd, { recursive: true }));

describe("a run that starts with --lora-rank", () => {
	test("starts from an adapter on the weights where they are", async () => {
		expect(existsSync(join(cwd, "adapter", "model.safetensors"))).toBe(false);
		const { code, out } = await run("model inspect adapter");
		expect(code).toBe(0);
		expect(out).toContain("LoRA of rank 2, alpha 8, on 13 modules, of which only B is trained");
		expect(out).toMatch(/^base {8}.*base$/m);
	});

	test("goes on from an adapter, which keeps its base", async () => {
		await start("further", { init: "adapter" });
		using checkpoint = await openCheckpoint(join(cwd, "further"));
		expect(checkpoint.base?.directory).toBe(join(cwd, "base"));
		expect(checkpoint.model.adapter?.trains).toBe("B");
	});

	test("names a published base as LeRobot does", async () => {
		const bundled = resolveConfig({ preset: "tiny", loraRank: 1 }, {}).config;
		await writeStartCheckpoint(join(cwd, "bundled"), bundled, place);
		const text = readFileSync(join(cwd, "bundled", "adapter_config.json"), "utf8");
		expect(JSON.parse(text)).toMatchObject({ base_model_name_or_path: expect.stringMatching(/small-base$/) });
	});

	test.each([
		[
			"a rank for an adapter that has one",
			{ init: "adapter", loraRank: 4 },
			"already has an adapter, of rank 2",
		],
		["a frozen A without an adapter", { init: "base", loraFreezeA: true }, "--lora-freeze-a has no meaning"],
		["alpha without a rank", { init: "base", loraAlpha: 4 }, "--lora-alpha has no meaning"],
		["random weights", { init: "random", loraRank: 4 }, "random weights"],
	])("refuses %s", async (_, settings, text) => {
		await expect(start("refused", settings)).rejects.toThrow(text);
	});
});

describe("zk0 model merge", () => {
	test("writes a full checkpoint", async () => {
		const { code, out } = await run("model merge base adapter --out merged --json");
		expect(code).toBe(0);
		expect(JSON.parse(out)).toMatchObject({ checkpoint: join(cwd, "merged"), modules: 13 });
		using merged = await openCheckpoint(join(cwd, "merged"));
		using base = await openCheckpoint(join(cwd, "base"));
		const hash = ({ model: { tensors } }: typeof merged) =>
			hashTensors(new Map(tensors.names.map((name) => [name, tensors.read(name)])));
		expect(hash(merged)).toBe(hash(base)); // a fresh adapter adds nothing
	});

	test.each([
		["model merge base adapter", "missing --out <dir>", "usage"],
		["model merge base adapter --out base", "base exists", "usage"],
		["model merge other adapter --out x", "error[wrong-base]", "model"],
		["model merge nowhere adapter --out x", "error[model-not-found]", "model"],
		["model merge adapter adapter --out x", "error[missing-base]", "model"],
		["model merge base other --out x", "is a full model, not an adapter", "model"],
	] as const)("%s is refused", async (line, text, exit) => {
		const { code, err } = await run(line);
		expect(err).toContain(text);
		expect(code).toBe(EXIT_CODES[exit].code);
		expect(existsSync(join(cwd, "x"))).toBe(false);
	});
});
