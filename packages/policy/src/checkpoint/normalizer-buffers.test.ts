// Checkpoints as LeRobot 0.3 wrote them: statistics among the weights, no processor files.
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { float32Array, float32ToBfloat16, type NamedArrays, type NdArray, ndArray } from "@zk0/arrays";
import { writeSafetensorsFile } from "@zk0/arrays/node";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { smallPreset } from "../config/small-preset.ts";
import { initTensors, initWeights } from "../weights/init-weights.ts";
import { trainableNames } from "../weights/tensor-shapes.ts";
import { bindCheckpoint } from "./bind.ts";
import { assertDeployable, openCheckpoint } from "./open.ts";
import { writeCheckpoint } from "./write.ts";

const directory = mkdtempSync(join(tmpdir(), "zk0-buffers-"));
const tokenizerDir = new URL("../../assets/small/tokenizer", import.meta.url).pathname;
const { config, vlm } = smallPreset();
const weights = initWeights(config, vlm, 1);

function vector(...values: number[]): NdArray<"float32"> {
	return float32Array([values.length], Float32Array.from(values));
}

const mean = vector(1, 2, 3, 4, 5, 6);
const std = vector(2, 2, 2, 2, 2, 2);
const infinite = vector(...Array.from({ length: 6 }, () => Number.POSITIVE_INFINITY));
const buffers: Readonly<Record<string, NdArray>> = {
	"normalize_inputs.buffer_observation_state.mean": mean,
	"normalize_inputs.buffer_observation_state.std": std,
	"normalize_targets.buffer_action.mean": mean,
	"normalize_targets.buffer_action.std": std,
	"unnormalize_outputs.buffer_action.mean": mean,
	"unnormalize_outputs.buffer_action.std": std,
};

beforeAll(async () => {
	await writeCheckpoint(directory, { config, vlm, tensors: initTensors(config, vlm, 1), tokenizerDir });
	for (const name of readdirSync(directory)) {
		if (/^policy_|^zk0\.json$/.test(name)) rmSync(join(directory, name));
	}
});
afterAll(() => rmSync(directory, { recursive: true }));

async function openWith(extra: Readonly<Record<string, NdArray>>, base: NamedArrays = weights) {
	await writeSafetensorsFile(
		join(directory, "model.safetensors"),
		new Map([...base, ...Object.entries(extra)]),
	);
	return await openCheckpoint(directory);
}

describe("statistics among the weights", () => {
	test("bind the checkpoint", async () => {
		using checkpoint = await openWith(buffers);
		assertDeployable(checkpoint);
		expect(checkpoint.statsFrom).toBe("weights");
		expect(checkpoint.stats).toEqual({
			"observation.state": { mean: mean.data, std: std.data },
			action: { mean: mean.data, std: std.data },
		});
	});

	test("give way to processor files", async () => {
		(await openWith(buffers))[Symbol.dispose]();
		const bound = join(directory, "bound");
		const ones = [1, 1, 1, 1, 1, 1];
		const stats = { "observation.state": { mean: ones, std: ones }, action: { mean: ones, std: ones } };
		await bindCheckpoint(directory, bound, { stats });
		using checkpoint = await openCheckpoint(bound);
		expect(checkpoint.statsFrom).toBe("processors");
		expect(checkpoint.stats["action"]?.["mean"]).toEqual(Float32Array.from(ones));
		expect([...checkpoint.file.entries.keys()].some((name) => name.includes("buffer"))).toBe(false);
	});

	test("that were never filled do not count", async () => {
		using checkpoint = await openWith({
			...buffers,
			"normalize_inputs.buffer_observation_state.mean": infinite,
		});
		expect(() => assertDeployable(checkpoint)).toThrow(
			/not-bound.*no statistics of observation\.state\.mean;/,
		);
	});

	test("under a data set's name are named with the cure", async () => {
		using checkpoint = await openWith({ "unnormalize_outputs.so100-blue_buffer_action.mean": mean });
		expect(Object.keys(checkpoint.stats)).toEqual(["so100-blue.buffer.action"]);
		expect(() => assertDeployable(checkpoint)).toThrow(
			/it has so100-blue\.buffer\.action\.mean, which nothing reads\); join .*zk0 model bind/,
		);
	});

	test("that contradict each other are refused", async () => {
		const both = { ...buffers, "unnormalize_outputs.buffer_action.mean": std };
		await expect(openWith(both)).rejects.toThrow(/bad-checkpoint.*contradicts/);
	});

	test("none at all: not bound", async () => {
		using checkpoint = await openWith({});
		expect(checkpoint.statsFrom).toBe("none");
		expect(() => assertDeployable(checkpoint)).toThrow(/not-bound/);
	});
});

describe("bfloat16 weights", () => {
	test("are read as float32, the trained ones included", async () => {
		const half = new Map(
			[...weights].map(([name, { shape, data }]): [string, NdArray] => [
				name,
				ndArray("bfloat16", shape, float32ToBfloat16(data)),
			]),
		);
		using checkpoint = await openWith(buffers, half);
		for (const name of trainableNames(config, vlm)) {
			const { dtype, data } = checkpoint.model.tensors.readFloat32(name);
			expect(dtype).toBe("float32");
			const [first = 0] = data;
			expect(Math.abs(first - (weights.get(name)?.data[0] ?? 0))).toBeLessThanOrEqual(Math.abs(first) / 128);
		}
	});
});
