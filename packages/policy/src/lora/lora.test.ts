// Structure, initialisation and merging of adapters. Gradients against peft itself: tools/golden, golden/smolvla-a-lora.
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { float32Array, type NdArray, numElements, rng } from "@zk0/arrays";
import { hashTensors, writeSafetensorsFile } from "@zk0/arrays/node";
import { createOrtRuntime } from "@zk0/autodiff/node";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { smolvlaBasePreset } from "../config/base-preset.ts";
import { type PolicyModel, trainedNames } from "../model/policy-model.ts";
import { createSampler } from "../model/sampler.ts";
import { codeOf } from "../testing/error-code.ts";
import { tinyFrame, tinyPolicy } from "../testing/tiny-model.ts";
import { overlayTensors } from "../weights/tensor-source.ts";
import { adapterShapes, DEFAULT_TARGETS, defaultLoraModules, isAdapterTensor } from "./adapter.ts";
import { adapterConfigJson, parseAdapterConfig } from "./adapter-config.ts";
import { readAdapterConfig, readStoredAdapter } from "./adapter-files.ts";
import { withFreshAdapter } from "./init-adapter.ts";
import { mergedTensors } from "./merge.ts";

const tiny = tinyPolicy();
const fresh = withFreshAdapter(tiny.model, { rank: 2, alpha: 3, seed: 4 });
const dir = mkdtempSync(join(tmpdir(), "zk0-lora-"));
let runtime: Awaited<ReturnType<typeof createOrtRuntime>>;

beforeAll(async () => {
	runtime = await createOrtRuntime({ threads: 1 });
});
afterAll(async () => {
	await runtime[Symbol.asyncDispose]();
	rmSync(dir, { recursive: true });
});

/** The model with every tensor of its adapter drawn at random. */
function busy<Model extends PolicyModel>(model: Model): Model {
	const names = model.tensors.names.filter(isAdapterTensor);
	const drawn = names.map((name): [string, NdArray] => {
		const { shape } = model.tensors.read(name);
		const stream = rng(1, name);
		return [
			name,
			float32Array(
				shape,
				Float32Array.from({ length: numElements(shape) }, () => 0.3 * stream.normal()),
			),
		];
	});
	return { ...model, tensors: overlayTensors(model.tensors, new Map(drawn)) };
}

async function chunkOf(model: PolicyModel): Promise<Float32Array> {
	const { tokenizer, stats, noise } = tiny.context(1);
	await using sampler = await createSampler(runtime, model, { batchSize: 1, tokenizer, stats });
	return (await sampler.sampleActions([tinyFrame(1)], { noise })).normalized;
}

function gap(a: Float32Array, b: Float32Array): number {
	return a.reduce((worst, value, index) => Math.max(worst, Math.abs(value - (b[index] ?? Number.NaN))), 0);
}

describe("a fresh adapter", () => {
	test("is on the 37 modules that LeRobot targets in the full-size model, 742,656 numbers at rank 16", () => {
		const { config, vlm } = smolvlaBasePreset();
		const modules = defaultLoraModules(config, vlm);
		expect(modules).toHaveLength(2 * 16 + 5);
		const adapter = { rank: 16, alpha: 8, modules, savedModules: [], trains: "both" } as const;
		const shapes = [...adapterShapes(adapter, config, vlm).values()];
		expect(shapes).toHaveLength(74);
		expect(shapes.reduce((sum, shape) => sum + numElements(shape), 0)).toBe(742_656);
	});

	test("draws A within its bound, leaves B zero and the chunk as it was", async () => {
		const a = fresh.tensors.readFloat32("base_model.model.model.action_time_mlp_in.lora_A.weight");
		expect(a.shape).toEqual([2, 24]);
		expect(Math.max(...a.data.map(Math.abs))).toBeLessThanOrEqual(1 / Math.sqrt(24));
		expect(new Set(a.data).size).toBeGreaterThan(40);
		const b = fresh.tensors.readFloat32("base_model.model.model.action_time_mlp_in.lora_B.weight");
		expect(b.data.every((value) => value === 0)).toBe(true);
		expect(gap(await chunkOf(fresh), await chunkOf(tiny.model))).toBe(0);
		const again = withFreshAdapter(tiny.model, { rank: 2, alpha: 3, seed: 4 });
		const adapterOf = ({ tensors }: PolicyModel) =>
			hashTensors(new Map(tensors.names.filter(isAdapterTensor).map((name) => [name, tensors.read(name)])));
		expect(adapterOf(again)).toBe(adapterOf(fresh));
		expect(adapterOf(withFreshAdapter(tiny.model, { rank: 2, seed: 5 }))).not.toBe(adapterOf(fresh));
	});

	test("trains its factors and nothing else; with A frozen only B", () => {
		const names = trainedNames(fresh);
		expect(names.every(isAdapterTensor)).toBe(true);
		expect(names).toHaveLength(2 * (2 * 4 + 5));
		const half = trainedNames({ ...fresh, adapter: { ...fresh.adapter, trains: "B" } });
		expect(half).toEqual(names.filter((name) => name.includes("lora_B")));
	});
});

describe("merging", () => {
	test("gives the same chunk, with modules saved as a whole too", async () => {
		const adapter = {
			...fresh.adapter,
			modules: fresh.adapter.modules.filter((module) => module !== "model.state_proj"),
			savedModules: ["model.state_proj"],
		};
		const saved = new Map(
			["weight", "bias"].map((part) => {
				const { shape } = tiny.model.tensors.read(`model.state_proj.${part}`);
				return [
					`base_model.model.model.state_proj.${part}`,
					float32Array(shape, new Float32Array(numElements(shape))),
				];
			}),
		);
		const model = busy({ ...fresh, adapter, tensors: overlayTensors(fresh.tensors, saved) });
		const { config, vlm } = model;
		const merged = await chunkOf({ config, vlm, tensors: mergedTensors(model) });
		const unmerged = await chunkOf(model);
		expect(gap(unmerged, await chunkOf(tiny.model))).toBeGreaterThan(0.1);
		expect(gap(merged, unmerged)).toBeLessThanOrEqual(1e-5);
		expect(trainedNames(model)).toContain("base_model.model.model.state_proj.bias");
	});

	test("needs an adapter", async () => {
		expect(await codeOf(() => mergedTensors(tiny.model))).toBe("bad-config");
	});
});

describe("adapter files", () => {
	const base = { name: "lerobot/smolvla_base", revision: null };
	const arrays = (model: PolicyModel) =>
		new Map(model.tensors.names.filter(isAdapterTensor).map((name) => [name, model.tensors.read(name)]));

	async function written(json: unknown, tensors: ReadonlyMap<string, NdArray>): Promise<string> {
		writeFileSync(join(dir, "adapter_config.json"), JSON.stringify(json));
		await writeSafetensorsFile(join(dir, "adapter_model.safetensors"), tensors);
		return dir;
	}

	test("are read as they were written, the modules off the tensors' names", async () => {
		const json = adapterConfigJson(fresh.adapter, base, fresh);
		expect(json).toMatchObject({ r: 2, lora_alpha: 3, target_modules: DEFAULT_TARGETS, modules_to_save: [] });
		const config = await readAdapterConfig(await written(json, arrays(fresh)));
		expect(config).toEqual({ rank: 2, alpha: 3, baseName: "lerobot/smolvla_base", baseRevision: null });
		const found = await readStoredAdapter(dir, config, tiny.model);
		expect(found.adapter).toEqual(fresh.adapter);
		const fewer = { ...fresh.adapter, modules: fresh.adapter.modules.slice(3) };
		expect(adapterConfigJson(fewer, base, fresh)).toMatchObject({ target_modules: fewer.modules });
	});

	test.each([
		["another method", { peft_type: "IA3" }, "unsupported"],
		["DoRA", { use_dora: true }, "unsupported"],
		["trained biases", { bias: "all" }, "unsupported"],
		["ranks by module", { rank_pattern: { q_proj: 4 } }, "unsupported"],
		["a rank that is no number", { r: "x" }, "bad-checkpoint"],
	])("with %s are refused", async (_, change, code) => {
		const json = { peft_type: "LORA", r: 2, ...change };
		expect(await codeOf(() => parseAdapterConfig(json, "adapter_config.json"))).toBe(code);
	});

	const some = "base_model.model.model.state_proj.lora_A.weight";
	test.each([
		["without a factor", (all: Map<string, NdArray>) => all.delete(some), "missing-tensor"],
		[
			"with a factor of another rank",
			(all: Map<string, NdArray>) => all.set(some, float32Array([1, 4], new Float32Array(4))),
			"wrong-shape",
		],
		[
			"with a tensor of another model",
			(all: Map<string, NdArray>) =>
				all.set("base_model.model.model.x.lora_A.weight", float32Array([1], [0])),
			"bad-checkpoint",
		],
		[
			"with an adapted backbone",
			(all: Map<string, NdArray>) =>
				all.set(
					"base_model.model.model.vlm_with_expert.vlm.model.text_model.layers.0.mlp.up_proj.lora_A.weight",
					float32Array([2, 16], new Float32Array(32)),
				),
			"unsupported",
		],
	])("%s are refused", async (_, change, code) => {
		const all = arrays(fresh);
		change(all);
		const json = adapterConfigJson(fresh.adapter, base, fresh);
		const config = await readAdapterConfig(await written(json, all));
		expect(await codeOf(() => readStoredAdapter(dir, config, tiny.model))).toBe(code);
	});
});
