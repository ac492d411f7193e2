// Names, shapes and trained tensors against the reference lists of the full-size model (golden/README.md).
import { readFileSync } from "node:fs";
import { numElements, type Shape } from "@zk0/arrays";
import { hashTensors } from "@zk0/arrays/node";
import { describe, expect, test } from "vitest";
import { z } from "zod";
import { smolvlaBasePreset } from "../config/base-preset.ts";
import { parsePolicyConfig, type SmolVLAConfig } from "../config/policy-config.ts";
import { smallPreset } from "../config/small-preset.ts";
import { smolvlm2Config } from "../config/vlm-config.ts";
import { initTensors, initWeights } from "./init-weights.ts";
import { tensorShapes, trainableNames } from "./tensor-shapes.ts";

function golden(file: string): unknown {
	return JSON.parse(readFileSync(new URL(`../../../../golden/${file}`, import.meta.url), "utf8"));
}

function fullConfig(overrides: Record<string, unknown> = {}): SmolVLAConfig {
	return parsePolicyConfig({
		input_features: { "observation.state": { type: "STATE", shape: [6] } },
		output_features: { action: { type: "ACTION", shape: [6] } },
		...overrides,
	});
}

function count(shapes: Iterable<Shape>): number {
	return [...shapes].reduce((sum, shape) => sum + numElements(shape), 0);
}

describe("the full-size model", () => {
	const shapes = tensorShapes(fullConfig(), smolvlm2Config());

	test("has the 500 reference tensors and 450,046,176 parameters", () => {
		const reference = z.record(z.string(), z.array(z.number())).parse(golden("full_shapes.json"));
		expect(shapes.size).toBe(500);
		expect(Object.fromEntries(shapes)).toEqual(reference);
		expect(count(shapes.values())).toBe(450_046_176);
	});

	test("trains the 155 reference tensors, 99,880,992 parameters", () => {
		const names = trainableNames(fullConfig(), smolvlm2Config());
		expect([...names].sort()).toEqual(z.array(z.string()).parse(golden("full_trainable.json")).sort());
		expect(count(names.map((name) => shapes.get(name) ?? []))).toBe(99_880_992);
	});

	test("is what the smolvla-base preset describes, drawn one tensor at a time", () => {
		const { config, vlm } = smolvlaBasePreset();
		expect(tensorShapes(config, vlm)).toEqual(shapes);
		const source = initTensors(config, vlm, 1);
		expect(source.names).toEqual([...shapes.keys()]);
		const name = "model.action_in_proj.weight";
		expect(source.read(name)).toEqual(source.readFloat32(name));
		expect(source.read(name).shape).toEqual([720, 32]);
		expect(source.dtypeOf("model.no")).toBeUndefined();
		expect(() => source.read("model.no")).toThrow(/missing-tensor/);
	});

	test("leaves out state_proj when it is not trained", () => {
		const names = trainableNames(fullConfig({ train_state_proj: false }), smolvlm2Config());
		expect(names).toHaveLength(153);
		expect(names.some((name) => name.includes("state_proj"))).toBe(false);
	});

	test("trains the backbone without its last layer, head, final norm and frozen vision tower", () => {
		const vlm = smolvlm2Config();
		const frozenVision = trainableNames(fullConfig({ train_expert_only: false }), vlm);
		const all = trainableNames(fullConfig({ train_expert_only: false, freeze_vision_encoder: false }), vlm);
		// 500 minus lm_head, final norm and 9 tensors of layer 15; the vision tower has 3 + 12*16 + 2 tensors.
		expect(all).toHaveLength(500 - 11);
		expect(frozenVision).toHaveLength(500 - 11 - 197);
		const halved = { train_expert_only: false, num_expert_layers: 8, self_attn_every_n_layers: 8 };
		expect(() => trainableNames(fullConfig(halved), vlm)).toThrow(/language layer 8/);
	});
});

describe("the small preset", () => {
	const { config, vlm } = smallPreset();

	test("stays under 1.15 M parameters", () => {
		expect(count(tensorShapes(config, vlm).values())).toBeLessThanOrEqual(1_150_000);
	});

	test("draws reproducible weights of the right shapes and scales", () => {
		const weights = initWeights(config, vlm, 1);
		expect(new Map([...weights].map(([name, { shape }]) => [name, shape]))).toEqual(
			tensorShapes(config, vlm),
		);
		expect(hashTensors(initWeights(config, vlm, 1))).toBe(hashTensors(weights));
		expect(hashTensors(initWeights(config, vlm, 2))).not.toBe(hashTensors(weights));
		const gate =
			weights.get("model.vlm_with_expert.lm_expert.layers.0.mlp.gate_proj.weight")?.data ??
			new Float32Array();
		const meanSquare = gate.reduce((sum, value) => sum + value * value, 0) / gate.length;
		expect(Math.sqrt(meanSquare)).toBeCloseTo(0.1, 2);
		const head = weights.get("model.action_out_proj.weight")?.data ?? [];
		expect(Math.max(...head)).toBeLessThanOrEqual(1 / Math.sqrt(72));
		expect(weights.get("model.vlm_with_expert.lm_expert.norm.weight")?.data.every((w) => w === 1)).toBe(true);
	});
});
