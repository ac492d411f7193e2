import { cpSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { float32Array, float32ToBfloat16, type NdArray, ndArray } from "@zk0/arrays";
import { writeSafetensorsFile } from "@zk0/arrays/node";
import { bindCheckpoint, initWeights, smallPreset, tensorShapes } from "@zk0/policy";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { EXIT_CODES } from "../exit-codes.ts";
import { runCli } from "../run-cli.ts";
import { captureHost } from "../testing/capture-host.ts";
import { COMMANDS } from "./index.ts";

const cwd = mkdtempSync(join(tmpdir(), "zk0-model-inspect-"));
const { config, vlm } = smallPreset();
const weights = initWeights(config, vlm, 42);

async function run(...words: readonly string[]) {
	const host = captureHost({ cwd });
	const code = await runCli(["model", ...words], host, { commands: COMMANDS, version: "0" });
	return { code, out: host.out(), err: host.err() };
}

/** A copy of `source` whose weights or files were changed. */
async function changed(
	name: string,
	source: string,
	tensors?: ReadonlyMap<string, NdArray>,
): Promise<string> {
	const directory = join(cwd, name);
	cpSync(join(cwd, source), directory, { recursive: true });
	if (tensors !== undefined) await writeSafetensorsFile(join(directory, "model.safetensors"), tensors);
	return directory;
}

beforeAll(async () => {
	await run("init", "--out", "global", "--quiet");
	const six = [1, 1, 1, 1, 1, 1];
	const stats = { "observation.state": { mean: six, std: six }, action: { mean: six, std: six } };
	await bindCheckpoint(join(cwd, "global"), join(cwd, "bound"), { stats });
});
afterAll(() => rmSync(cwd, { recursive: true }));

describe("zk0 model inspect", () => {
	test("counts the parts of a bound checkpoint, which trains and runs", async () => {
		const { code, out } = await run("inspect", "bound", "--json");
		expect(code).toBe(0);
		const document = JSON.parse(out);
		expect(document).toMatchObject({
			checkpoint: join(cwd, "bound"),
			kind: "bound",
			tensors: tensorShapes(config, vlm).size,
			cameras: ["observation.images.top", "observation.images.wrist"],
			statistics: { from: "processors", prefixed: [] },
			missing: [],
			unexpected: [],
			problems: [],
			canTrain: true,
			canRun: true,
		});
		const parts: { part: string; tensors: number; trainedTensors: number }[] = document.parts;
		expect(parts.map(({ part }) => part)).toEqual(["vision", "connector", "language", "expert", "heads"]);
		expect(parts.slice(0, 3).every(({ trainedTensors }) => trainedTensors === 0)).toBe(true);
		expect(parts.slice(3).every(({ tensors, trainedTensors }) => tensors === trainedTensors)).toBe(true);
	});

	test("a global model passes, and says how it gets to run", async () => {
		const { code, out } = await run("inspect", "global");
		expect(code).toBe(0);
		expect(out).toMatch(/train +yes\nrun +no\n.*zk0 model bind/);
		expect(out).toContain("action: MEAN_STD, lacks mean, std");
	});

	test("the published base model's keys are named with the cure", async () => {
		const directory = await changed("prefixed", "bound");
		rmSync(join(directory, "zk0.json"));
		for (const file of readdirSync(directory).filter((name) => name.endsWith("processor.safetensors"))) {
			const base = new Map([["so100.buffer.action.mean", float32Array([6], new Float32Array(6))]]);
			await writeSafetensorsFile(join(directory, file), base);
		}
		const { code, out, err } = await run("inspect", "prefixed");
		expect(code).toBe(EXIT_CODES.model.code);
		expect(out).toContain("under another name, read by nothing: so100.buffer.action.mean");
		expect(err).toMatch(/^error\[model-unusable\]: it has no statistics of .*zk0 model bind/);
		expect(err).toContain("can be fine-tuned");
	});

	test("statistics among the weights are found, and dtypes counted", async () => {
		const six = float32Array([6], new Float32Array(6).fill(1));
		const old = new Map<string, NdArray>(weights);
		for (const key of ["normalize_inputs.buffer_observation_state", "unnormalize_outputs.buffer_action"]) {
			old.set(`${key}.mean`, six).set(`${key}.std`, six);
		}
		const name = "model.vlm_with_expert.lm_expert.norm.weight";
		old.set(name, ndArray("bfloat16", [72], float32ToBfloat16(new Float32Array(72))));
		const directory = await changed("old", "global", old);
		for (const file of ["zk0.json", "policy_preprocessor.json", "policy_postprocessor.json"]) {
			rmSync(join(directory, file));
		}
		const { code, out } = await run("inspect", "old");
		expect(code).toBe(0);
		expect(out).toContain("among the weights (LeRobot 0.3 and older)");
		expect(out).toMatch(/expert .*(bfloat16 1, float32|float32 \d+, bfloat16 1)/);
	});

	test("lists missing, unexpected and misshapen tensors", async () => {
		const broken = new Map<string, NdArray>(
			[...weights].filter(([name]) => !name.includes("lm_expert.layers.0.")),
		);
		broken.set("model.extra", float32Array([1], new Float32Array(1)));
		broken.set("model.state_proj.bias", float32Array([2], new Float32Array(2)));
		await changed("broken", "bound", broken);
		const { code, out, err } = await run("inspect", "broken");
		expect(code).toBe(EXIT_CODES.model.code);
		expect(out).toMatch(/missing +9 tensors\n.*\n.*\n.*\n.*\n.*\n {2}and 4 more/);
		expect(out).toMatch(/unexpected +1 tensors\n {2}model\.extra\n/);
		expect(out).toContain("model.state_proj.bias [2] instead of [96]");
		expect(err).toContain("neither training nor running");
	});

	test("a missing tokenizer is a finding, a missing configuration or directory is not", async () => {
		const directory = await changed("bare", "bound");
		for (const folder of ["tokenizer", "vlm"]) {
			for (const file of readdirSync(join(directory, folder))) {
				if (file.startsWith("tokenizer")) rmSync(join(directory, folder, file));
			}
		}
		const found = JSON.parse((await run("inspect", "bare", "--json")).out);
		expect(found).toMatchObject({
			tokenizerDir: null,
			canTrain: false,
			problems: [{ code: "bad-tokenizer" }],
		});
		rmSync(join(directory, "config.json"));
		expect((await run("inspect", "bare")).err).toContain("error[bad-checkpoint]");
		expect((await run("inspect", "nowhere")).err).toContain("error[model-not-found]");
	});
});
