import { type NdArray, toFloat32 } from "@zk0/arrays";
import { createOrtRuntime, type OrtRuntime } from "@zk0/autodiff/node";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { tinyFrame, tinyPolicy } from "../testing/tiny-model.ts";
import { trainableNames } from "../weights/tensor-shapes.ts";
import { buildSamplerGraphs, createSampler, samplerOn } from "./sampler.ts";
import { buildTrainGraph } from "./smolvla.ts";

let runtime: OrtRuntime;
beforeAll(async () => {
	runtime = await createOrtRuntime({ threads: 1 });
});
afterAll(async () => {
	await runtime[Symbol.asyncDispose]();
});

const tiny = tinyPolicy();
const frames = [tinyFrame(0), tinyFrame(1)];
const { tokenizer, stats, noise } = tiny.context(2);
const options = { batchSize: 2, tokenizer, stats };

describe("createSampler", () => {
	test("returns raw-unit actions of the true length and the normalised chunk", async () => {
		await using sampler = await createSampler(runtime, tiny.model, options);
		const { actions, normalized } = await sampler.sampleActions(frames, { noise });
		expect([actions.length, normalized.length]).toEqual([2 * 4 * 3, 2 * 4 * 5]);
		expect(actions[0]).toBeCloseTo((normalized[0] ?? 0) * 2 + 1, 5);
		expect(actions[5]).toBeCloseTo((normalized[7] ?? 0) * 2 + 3, 5);
		expect(await sampler.sampleActions(frames, { noise })).toEqual({ actions, normalized });
	});

	test("one Euler step subtracts the velocity, more steps follow the flow", async () => {
		await using sampler = await createSampler(runtime, tiny.model, options);
		const one = await sampler.sampleActions(frames, { noise, numSteps: 1 });
		const many = await sampler.sampleActions(frames, { noise, numSteps: 8 });
		expect(one.normalized).not.toEqual(many.normalized);
	});

	test("runs on a trainer's current parameters", async () => {
		const graphs = buildSamplerGraphs(tiny.model, { ...options, parameters: true });
		await using trainer = await runtime.createTrainer({
			trainGraph: buildTrainGraph(tiny.model, { batchSize: 2 }),
			evalGraphs: { ...graphs },
			adamw: { beta1: 0.9, beta2: 0.95, eps: 1e-8, weightDecay: 0 },
			clipNorm: null,
		});
		const names = trainableNames(tiny.model.config, tiny.model.vlm);
		const trained = new Map<string, NdArray>([...tiny.weights].filter(([name]) => names.includes(name)));
		await trainer.loadParameters(trained);
		const evaluated = samplerOn(
			(graph, feeds, run) => trainer.evaluate(graph, feeds, run),
			graphs,
			tiny.model,
			options,
		);
		await using sampler = await createSampler(runtime, tiny.model, options);
		const expected = await sampler.sampleActions(frames, { noise });
		const actual = await evaluated.sampleActions(frames, { noise });
		actual.normalized.forEach((value, index) => {
			expect(value).toBeCloseTo(expected.normalized[index] ?? Number.NaN, 5);
		});
		await trainer.loadParameters(
			new Map([...trained].map(([name, { shape }]) => [name, zeros(shape)] as const)),
		);
		const still = await evaluated.sampleActions(frames, { noise });
		expect(still.normalized).toEqual(noise);
	});

	test("is pulled towards the previous chunk", async () => {
		await using sampler = await createSampler(runtime, tiny.model, options);
		const previous = new Float32Array(2 * 3 * 3).fill(2);
		const rtc = {
			previous,
			previousLength: 3,
			previousDim: 3,
			inferenceDelay: 1,
			executionHorizon: 3,
			schedule: "LINEAR",
			maxGuidanceWeight: 10,
		} as const;
		const distance = (chunk: Float32Array): number => Math.abs((chunk[0] ?? 0) - 2);
		const free = await sampler.sampleActions(frames, { noise, numSteps: 10 });
		const guided = await sampler.sampleActions(frames, { noise, numSteps: 10, rtc });
		expect(distance(guided.normalized)).toBeLessThan(distance(free.normalized));
	});

	test("refuses other batch sizes, wrong noise and missing statistics", async () => {
		await using sampler = await createSampler(runtime, tiny.model, options);
		await expect(sampler.sampleActions(frames.slice(1), { noise })).rejects.toThrow(
			/1 frames for a sampler of 2/,
		);
		await expect(sampler.sampleActions(frames, { noise: noise.slice(1) })).rejects.toThrow(
			/noise has 39 numbers/,
		);
		await expect(createSampler(runtime, tiny.model, { ...options, stats: {} })).rejects.toThrow(
			/missing-stats/,
		);
		expect(runtime.numLiveHandles).toBe(2);
	});

	test("refuses to sample after dispose", async () => {
		const sampler = await createSampler(runtime, tiny.model, options);
		await sampler[Symbol.asyncDispose]();
		await sampler[Symbol.asyncDispose]();
		await expect(sampler.sampleActions(frames, { noise })).rejects.toThrow(/after dispose/);
	});
});

function zeros(shape: readonly number[]): NdArray<"float32"> {
	const size = shape.reduce((product, dim) => product * dim, 1);
	return {
		dtype: "float32",
		shape,
		data: toFloat32({ dtype: "float32", shape, data: new Float32Array(size) }),
	};
}

test("every session and trainer was disposed", () => {
	expect(runtime.numLiveHandles).toBe(0);
});
