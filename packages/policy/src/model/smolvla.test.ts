// What the golden values cannot show: independence of samples, masks, caches, options, refusals.
import { type NamedArrays, type NdArray, toFloat32 } from "@zk0/arrays";
import { feedsOf, type Graph, parametersOf } from "@zk0/autodiff";
import { createOrtRuntime, type OrtRuntime } from "@zk0/autodiff/node";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { PolicyError } from "../errors.ts";
import { prepareBatch } from "../inputs/batch.ts";
import type { Frame } from "../inputs/frame.ts";
import { tinyFrame, tinyPolicy } from "../testing/tiny-model.ts";
import { trainableNames } from "../weights/tensor-shapes.ts";
import { memoryTensors } from "../weights/tensor-source.ts";
import { buildLossGraph, buildTrainGraph, composeForward, type GraphOptions, openStages } from "./smolvla.ts";

let runtime: OrtRuntime;
beforeAll(async () => {
	runtime = await createOrtRuntime({ threads: 1 });
});
afterAll(async () => {
	await runtime[Symbol.asyncDispose]();
});

async function run(graph: Graph, feeds: NamedArrays): Promise<Map<string, NdArray>> {
	await using session = await runtime.compile(graph);
	const wanted = feedsOf(graph);
	return session.run(new Map([...feeds].filter(([name]) => wanted.has(name))));
}

function floats(outputs: ReadonlyMap<string, NdArray>, name: string): number[] {
	const array = outputs.get(name);
	if (array === undefined) throw new RangeError(`no output ${name}`);
	return [...toFloat32(array)];
}

const tiny = tinyPolicy();
const frames = [0, 1, 2].map((seed) => tinyFrame(seed));

async function lossesOf(batch: readonly Frame[], policy = tiny, options: Partial<GraphOptions> = {}) {
	const graph = buildLossGraph(policy.model, { batchSize: batch.length, ...options });
	const feeds = prepareBatch(batch, { ...policy.context(batch.length), ...options });
	const outputs = await run(graph, feeds);
	return { loss: floats(outputs, "loss")[0] ?? Number.NaN, perSample: floats(outputs, "loss_per_sample") };
}

describe("a batch", () => {
	test("gives each sample the loss it has alone", async () => {
		const { perSample } = await lossesOf(frames);
		const { noise, time } = tiny.context(3);
		for (const [index, frame] of frames.entries()) {
			const graph = buildLossGraph(tiny.model, { batchSize: 1 });
			const own = { noise: noise.slice(index * 20, (index + 1) * 20), time: time.slice(index, index + 1) };
			const outputs = await run(graph, prepareBatch([frame], { ...tiny.context(1), ...own }));
			expect(floats(outputs, "loss")[0]).toBeCloseTo(perSample[index] ?? Number.NaN, 5);
		}
	});

	test("averages over valid actions, whatever their distribution over samples", async () => {
		const pads = [Uint8Array.of(0, 1, 1, 1), Uint8Array.of(0, 0, 0, 0), Uint8Array.of(1, 1, 1, 1)];
		const padded = frames.map((frame, index) => ({
			...frame,
			actionIsPad: pads[index] ?? new Uint8Array(4),
		}));
		const { loss, perSample } = await lossesOf(padded);
		expect(loss).toBeCloseTo(((perSample[0] ?? 0) * 1 + (perSample[1] ?? 0) * 4) / 5, 5);
		expect(perSample[2]).toBe(0);
	});

	test("of padding only has loss 0 and zero gradients", async () => {
		const frame = { ...tinyFrame(1), actionIsPad: new Uint8Array(4).fill(1) };
		const feeds = prepareBatch([frame], tiny.context(1));
		const outputs = await run(
			buildTrainGraph(tiny.model, { batchSize: 1 }),
			new Map([...feeds, ...tiny.weights]),
		);
		expect(floats(outputs, "loss")).toEqual([0]);
		expect(floats(outputs, "grad:model.state_proj.weight").every((value) => value === 0)).toBe(true);
	});
});

describe("what is masked has no influence", () => {
	test("the pixels of a camera that a frame lacks", async () => {
		const top = ["observation.images.top"];
		const frame = tinyFrame(4, top);
		const { loss } = await lossesOf([frame]);
		const without = await lossesOf([frame], tiny, { cameras: top });
		expect(without.loss).toBeCloseTo(loss, 5);
	});

	test("unused language slots", async () => {
		const short = await lossesOf(frames.slice(0, 2));
		const long = await lossesOf(frames.slice(0, 2), tiny, { languageLength: 20 });
		expect(long.loss).toBeCloseTo(short.loss, 5);
	});

	test("prefix padding and cameras that were never there", async () => {
		const padded = tinyPolicy({ prefix_length: 40, empty_cameras: 2 });
		expect((await lossesOf(frames, padded)).loss).toBeCloseTo((await lossesOf(frames)).loss, 6);
	});
});

describe("what is seen has influence", () => {
	test.each([
		["a pixel", (frame: Frame) => ({ ...frame, images: tinyFrame(8).images })],
		["the state", (frame: Frame) => ({ ...frame, state: Float32Array.of(3, 2, 1) })],
		["the task", (frame: Frame) => ({ ...frame, task: "Push it away" })],
	])("%s", async (_, change) => {
		const frame = tinyFrame(0);
		expect((await lossesOf([change(frame)])).loss).not.toBeCloseTo((await lossesOf([frame])).loss, 4);
	});

	test("special tokens around images", async () => {
		const special = tinyPolicy({ add_image_special_tokens: true });
		expect((await lossesOf(frames, special)).loss).not.toBeCloseTo((await lossesOf(frames)).loss, 4);
	});
});

describe("the training graph", () => {
	test.each([
		["of the expert", {}],
		["of the backbone", { train_expert_only: false }],
		["of everything", { train_expert_only: false, freeze_vision_encoder: false }],
		["without state_proj", { train_state_proj: false }],
		["with self-attention only", { attention_mode: "self_attn" }],
		["with cross-attention only", { self_attn_every_n_layers: 0 }],
		["with a shallow expert", { num_expert_layers: 2, self_attn_every_n_layers: 4 }],
	])(
		"%s has the trained tensors as parameters, the loss graph's loss and finite gradients",
		async (_, overrides) => {
			const policy = tinyPolicy(overrides);
			const { config, vlm } = policy.model;
			const graph = buildTrainGraph(policy.model, { batchSize: 2 });
			const names = trainableNames(config, vlm);
			expect([...parametersOf(graph).keys()].sort()).toEqual([...names].sort());
			const trained = new Map([...policy.weights].filter(([name]) => names.includes(name)));
			const feeds = prepareBatch(frames.slice(0, 2), policy.context(2));
			const outputs = await run(graph, new Map<string, NdArray>([...feeds, ...trained]));
			expect(floats(outputs, "loss")[0]).toBeCloseTo((await lossesOf(frames.slice(0, 2), policy)).loss, 6);
			const dead = names.filter((name) => floats(outputs, `grad:${name}`).every((value) => value === 0));
			expect(dead).toEqual([]);
			expect(names.flatMap((name) => floats(outputs, `grad:${name}`)).every(Number.isFinite)).toBe(true);
		},
	);
});

describe("feeding a frozen stage's output", () => {
	async function stageOutputs(feeds: NamedArrays): Promise<Map<string, NdArray>> {
		const stages = openStages(tiny.model, { batchSize: 3 }, new Set());
		const { prefix } = composeForward(stages);
		if (prefix.imageTokens !== null) stages.graph.output("image_tokens", prefix.imageTokens);
		prefix.layers.forEach(({ key, value }, layer) => {
			stages.graph.output(`prefix_key.${layer}`, key);
			stages.graph.output(`prefix_value.${layer}`, value);
		});
		return run(stages.graph.build(), feeds);
	}

	test.each(["imageTokens", "prefixKv"] as const)(
		"%s gives the loss and gradients of pixels",
		async (from) => {
			const feeds = new Map<string, NdArray>([...prepareBatch(frames, tiny.context(3)), ...tiny.weights]);
			const fed = new Map([...feeds, ...(await stageOutputs(feeds))]);
			const plain = await run(buildTrainGraph(tiny.model, { batchSize: 3 }), feeds);
			const cached = await run(buildTrainGraph(tiny.model, { batchSize: 3, from }), fed);
			for (const [name, expected] of plain) {
				const actual = floats(cached, name);
				const scale = Math.max(...toFloat32(expected).map(Math.abs), 1e-6);
				toFloat32(expected).forEach((value, index) => {
					expect(Math.abs((actual[index] ?? Number.NaN) - value) / scale).toBeLessThan(1e-5);
				});
			}
		},
	);

	test("is refused when training changes it", () => {
		const trained = tinyPolicy({ train_expert_only: false });
		expect(() => buildTrainGraph(trained.model, { batchSize: 1, from: "imageTokens" })).toThrow(PolicyError);
	});
});

describe("building refuses", () => {
	test("missing and misshapen weights", () => {
		const name = "model.action_in_proj.bias";
		const rest = new Map<string, NdArray>([...tiny.weights].filter(([key]) => key !== name));
		const without = { ...tiny.model, tensors: memoryTensors(rest) };
		expect(() => buildLossGraph(without, { batchSize: 1 })).toThrow(/missing-tensor.*action_in_proj\.bias/);
		const wrong = rest.set(name, { dtype: "float32", shape: [3], data: new Float32Array(3) });
		expect(() => buildLossGraph({ ...tiny.model, tensors: memoryTensors(wrong) }, { batchSize: 1 })).toThrow(
			/wrong-shape.*\[3\].*\[12\]/,
		);
	});

	test("no camera", () => {
		expect(() => buildLossGraph(tiny.model, { batchSize: 1, cameras: [] })).toThrow(/no-camera/);
	});
});

test("every session and trainer was disposed", () => {
	expect(runtime.numLiveHandles).toBe(0);
});
