import { nearest } from "@zk0/arrays";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { PolicyError } from "../errors.ts";
import { modelDims } from "./dims.ts";
import { cameraKeys, POLICY_CONFIG_KEYS, parsePolicyConfig, stateLength } from "./policy-config.ts";
import { smallPreset } from "./small-preset.ts";
import { parseVlmConfig, smolvlm2Config } from "./vlm-config.ts";

function codeOf(run: () => unknown): string {
	try {
		run();
	} catch (error) {
		if (error instanceof PolicyError) return `${error.code}${error.key === undefined ? "" : ` ${error.key}`}`;
		throw error;
	}
	return "no error";
}

const vectors = {
	input_features: { "observation.state": { type: "STATE", shape: [6] } },
	output_features: { action: { type: "ACTION", shape: [6] } },
};

describe("parsePolicyConfig", () => {
	test("fills in LeRobot's defaults", () => {
		expect(parsePolicyConfig({ type: "smolvla" })).toMatchObject({
			chunk_size: 50,
			max_state_dim: 32,
			resize_imgs_with_padding: [512, 512],
			num_vlm_layers: 16,
			optimizer_betas: [0.9, 0.95],
			scheduler_decay_lr: 2.5e-6,
			normalization_mapping: { VISUAL: "IDENTITY", STATE: "MEAN_STD", ACTION: "MEAN_STD" },
		});
	});

	test("its output parses to itself", () => {
		const { config } = smallPreset();
		expect(parsePolicyConfig(JSON.parse(JSON.stringify(config)))).toEqual(config);
	});

	test.each([
		["chunk_sise", "chunk_size"],
		["train_state_projection", "train_state_proj"],
		["num_vlm_layer", "num_vlm_layers"],
	])("refuses the unknown key %s and names %s", (key, nearest) => {
		expect(() => parsePolicyConfig({ [key]: 1 })).toThrow(new RegExp(`unknown-key.*"${nearest}"`));
	});

	test.each([
		[{ chunk_size: 0 }, "bad-config"],
		[{ chunk_size: "50" }, "bad-config"],
		[{ n_action_steps: 51 }, "bad-config n_action_steps"],
		[{ adapt_to_pi_aloha: true }, "unsupported adapt_to_pi_aloha"],
		[{ attention_mode: "sliding" }, "unsupported attention_mode"],
		[{ n_obs_steps: 2 }, "unsupported n_obs_steps"],
		[{ rtc_config: { mode: "trained" } }, "unsupported rtc_config"],
		[{ normalization_mapping: { STATE: "ZSCORE" } }, "bad-config"],
		[[], "bad-config"],
		[null, "bad-config"],
	])("refuses %j", (json, code) => {
		expect(codeOf(() => parsePolicyConfig(json))).toBe(code);
	});

	test("any single-letter slip in a key is led back to it", () => {
		fc.assert(
			fc.property(
				fc.constantFrom(...POLICY_CONFIG_KEYS.filter((key) => key.length > 7)),
				fc.nat(),
				(key, at) => {
					const place = at % key.length;
					const slipped = `${key.slice(0, place)}${key.slice(place + 1)}`;
					fc.pre(!POLICY_CONFIG_KEYS.includes(slipped));
					expect(nearest(slipped, POLICY_CONFIG_KEYS)).toBe(key);
				},
			),
		);
	});
});

describe("features", () => {
	test("cameras keep the order of input_features; placeholders come last, once", () => {
		const image = { type: "VISUAL", shape: [3, 8, 8] };
		const config = parsePolicyConfig({
			empty_cameras: 2,
			input_features: { b: image, "observation.state": { type: "STATE", shape: [2] }, a: image },
		});
		const placeholders = ["observation.images.empty_camera_0", "observation.images.empty_camera_1"];
		expect(cameraKeys(config)).toEqual(["b", "a", ...placeholders]);
		const saved = parsePolicyConfig({
			...config,
			input_features: { ...config.input_features, "observation.images.empty_camera_0": image },
		});
		expect(cameraKeys(saved)).toEqual(["b", "a", ...placeholders]);
	});

	test.each([
		["absent", {}],
		["too long", { "observation.state": { type: "STATE", shape: [33] } }],
		["of two dimensions", { "observation.state": { type: "STATE", shape: [2, 3] } }],
		["of another type", { "observation.state": { type: "ENV", shape: [6] } }],
	])("a state that is %s is refused", (_, input_features) => {
		expect(codeOf(() => stateLength(parsePolicyConfig({ input_features })))).toBe(
			"bad-config observation.state",
		);
	});
});

describe("modelDims", () => {
	test("gives the published sizes of smolvla_base", () => {
		const dims = modelDims(parsePolicyConfig(vectors), smolvlm2Config());
		expect(dims.expert).toEqual({ width: 720, mlpWidth: 2048, numLayers: 16 });
		expect(dims.vision).toMatchObject({ gridHeight: 32, tokensPerImage: 64 });
		expect(dims.layers.slice(0, 2)).toEqual([
			{ path: "self", expertIndex: 0 },
			{ path: "cross", expertIndex: 1 },
		]);
	});

	test("with fewer expert layers the others pass the actions through", () => {
		const config = parsePolicyConfig({ ...vectors, num_vlm_layers: 6, num_expert_layers: 2 });
		expect(modelDims(config, smolvlm2Config()).layers.map((layer) => layer.expertIndex)).toEqual([
			0,
			null,
			null,
			1,
			null,
			null,
		]);
	});

	test("self_attn_every_n_layers <= 0 makes every layer a cross layer, self_attn every layer a self layer", () => {
		const paths = (overrides: Record<string, unknown>) =>
			new Set(
				modelDims(parsePolicyConfig({ ...vectors, ...overrides }), smolvlm2Config()).layers.map(
					(l) => l.path,
				),
			);
		expect(paths({ self_attn_every_n_layers: 0 })).toEqual(new Set(["cross"]));
		expect(paths({ attention_mode: "self_attn" })).toEqual(new Set(["self"]));
	});

	test.each([
		[{ num_expert_layers: 5 }, "unsupported num_expert_layers"],
		[{ num_expert_layers: 8 }, "unsupported self_attn_every_n_layers"],
		[{ resize_imgs_with_padding: [512, 256] }, "unsupported resize_imgs_with_padding"],
		[{ resize_imgs_with_padding: [80, 80] }, "unsupported resize_imgs_with_padding"],
	])("refuses %j", (overrides, code) => {
		expect(codeOf(() => modelDims(parsePolicyConfig({ ...vectors, ...overrides }), smolvlm2Config()))).toBe(
			code,
		);
	});

	test("refuses a backbone of another architecture", () => {
		expect(codeOf(() => parseVlmConfig({ model_type: "idefics3", vision_config: {}, text_config: {} }))).toBe(
			"bad-config",
		);
		expect(codeOf(() => parseVlmConfig({ vision_config: {}, text_config: { hidden_act: "gelu" } }))).toBe(
			"bad-config",
		);
	});
});
