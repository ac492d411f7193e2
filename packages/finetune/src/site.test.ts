import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { NamedArrays } from "@zk0/arrays";
import { hashTensors } from "@zk0/arrays/node";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { PolicyEngine } from "./policy-engine.ts";
import { createPool, type Pool } from "./pool.ts";
import type { PrefixCache } from "./prefix-cache/prefix-cache.ts";
import { shuffledLosses } from "./shuffled-loss.ts";
import type { Site } from "./site.ts";
import {
	tinyCache,
	tinyEngine,
	tinyLearning,
	tinyModel,
	tinySite,
	tinyWeights,
} from "./testing/tiny-site.ts";
import { evaluateOnSite, type SiteTraining, trainOnSite } from "./train-on-site.ts";

const model = tinyModel();
const weights = tinyWeights(model);
let dir = "";
let engine: PolicyEngine;
let cache: PrefixCache;
let pool: Pool<PolicyEngine>;
let site: Site;

beforeAll(async () => {
	dir = await mkdtemp(join(tmpdir(), "zk0-site-"));
	cache = await tinyCache(model, dir);
	engine = await tinyEngine(model, 1, cache);
	pool = createPool([engine]);
	site = await tinySite(dir, model, { recording: { episodes: 10 }, evalFrames: 13 });
});
afterAll(async () => {
	await site[Symbol.asyncDispose]();
	await pool[Symbol.asyncDispose]();
	await cache[Symbol.asyncDispose]();
	await rm(dir, { recursive: true });
});

function training(change: Partial<SiteTraining> = {}): SiteTraining {
	return {
		weights,
		learning: tinyLearning,
		numSteps: 6,
		globalStep: 0,
		totalSteps: 12,
		from: { samplesConsumed: 0, optimizer: null },
		proximalMu: 0,
		seed: 3,
		...change,
	};
}

async function hashAfter(change: Partial<SiteTraining>, at = site, on = pool): Promise<string> {
	return hashTensors((await trainOnSite(at, on, training(change))).weights);
}

describe("training on a site", () => {
	test("lowers the held-out loss, and sampled chunks come closer than the mean action", async () => {
		const evaluate = (given: NamedArrays) =>
			evaluateOnSite(site, pool, { weights: given, learning: tinyLearning, seed: 3 });
		const before = await evaluate(weights);
		const trained = await trainOnSite(site, pool, training({ numSteps: 150, totalSteps: 150 }));
		const after = await evaluate(trained.weights);
		expect(after?.loss).toBeLessThan(0.25 * (before?.loss ?? 0));
		expect(after?.joints.meanDeg).toBeLessThan(0.6 * (after?.meanAction.meanDeg ?? 0));
		expect(trained.lastLoss).toBeLessThan(before?.loss ?? 0);
		expect(trained.numSamples).toBe(600);
		expect(trained.to).toEqual({ samplesConsumed: 600, optimizer: null });

		const { trainer } = await engine.trainerFor(site.shapeFor(tinyLearning.batchSize), tinyLearning);
		await trainer.loadParameters(trained.weights);
		const compiled = await engine.trainerFor(site.shapeFor(tinyLearning.batchSize), tinyLearning);
		const shuffled = await shuffledLosses(site, engine, compiled, { seed: 3 });
		expect(shuffled.lossTrue).toBe(after?.loss);
		expect(shuffled.lossShuffledStates).toBeGreaterThan(shuffled.lossTrue);
		expect(shuffled.lossShuffledImages).not.toBe(shuffled.lossTrue);
		expect(shuffled.lossShuffledTasks).not.toBe(shuffled.lossTrue);
	});

	test("is the same bits again, and different bits for another seed, position or step of the run", async () => {
		const hash = await hashAfter({});
		expect(await hashAfter({})).toBe(hash);
		expect(await hashAfter({ seed: 4 })).not.toBe(hash);
		expect(await hashAfter({ from: { samplesConsumed: 4, optimizer: null } })).not.toBe(hash);
		expect(await hashAfter({ globalStep: 1 })).not.toBe(hash);
		expect(await hashAfter({ proximalMu: 1 })).not.toBe(hash);
	});

	test("two halves with kept moments are one whole, fresh moments are not", async () => {
		const learning = { ...tinyLearning, keepOptimizerState: true };
		const whole = await trainOnSite(site, pool, training({ learning, numSteps: 12 }));
		const first = await trainOnSite(site, pool, training({ learning, numSteps: 6 }));
		const rest = training({ learning, weights: first.weights, globalStep: 6, numSteps: 6 });
		const second = await trainOnSite(site, pool, { ...rest, from: first.to });
		const fresh = await trainOnSite(site, pool, { ...rest, from: { ...first.to, optimizer: null } });
		expect(hashTensors(second.weights)).toBe(hashTensors(whole.weights));
		expect(second.to.samplesConsumed).toBe(whole.to.samplesConsumed);
		expect(hashTensors(fresh.weights)).not.toBe(hashTensors(whole.weights));
		expect((first.loss + second.loss) / 2).toBeCloseTo(whole.loss, 6);
	});

	test("does not depend on the number of threads or on who used the engine before", async () => {
		const expected = await hashAfter({});
		await using other = createPool([await tinyEngine(model, 3)]);
		const others = await hashAfter({ seed: 9, proximalMu: 0.5 }, site, other);
		expect(others).not.toBe(expected);
		expect(await hashAfter({}, site, other)).toBe(expected);
	});

	test("works on fewer frames than a batch", async () => {
		await using small = await tinySite(dir, model, {
			name: "small",
			recording: { episodes: 1, length: 3 },
		});
		expect(small.data.trainItems.length).toBe(3);
		const result = await trainOnSite(small, pool, training({ numSteps: 2 }));
		expect(result.numSamples).toBe(8);
		expect(await evaluateOnSite(small, pool, { weights, learning: tinyLearning, seed: 3 })).toBeNull();
	});

	test("trains the backbone too when the policy says so", async () => {
		const open = tinyModel({ train_expert_only: false, freeze_vision_encoder: false });
		await using all = createPool([await tinyEngine(open)]);
		await using same = await tinySite(dir, open, { name: "lab", recorded: true });
		const start = tinyWeights(open);
		const result = await trainOnSite(same, all, training({ weights: start }));
		const changed = [...result.weights].filter(([name, { data }]) => {
			return data.some((value, index) => value !== start.get(name)?.data[index]);
		});
		expect(changed.length).toBe(start.size);
		expect(changed.some(([name]) => name.includes("vision_model"))).toBe(true);
	});

	test("stops when aborted, and the engine serves the next one", async () => {
		const expected = await hashAfter({});
		const controller = new AbortController();
		const running = trainOnSite(
			site,
			pool,
			training({
				signal: controller.signal,
				onProgress: ({ step }) => {
					if (step === 2) controller.abort(new DOMException("enough", "AbortError"));
				},
			}),
		);
		await expect(running).rejects.toThrow("enough");
		expect(await hashAfter({})).toBe(expected);
	});

	test.each([
		["no steps", { numSteps: 0 }],
		["steps beyond the run", { globalStep: 10 }],
		["a negative position", { from: { samplesConsumed: -1, optimizer: null } }],
	])("refuses %s", async (_, change) => {
		await expect(trainOnSite(site, pool, training(change))).rejects.toThrow(RangeError);
	});

	test("a loss that is not finite is an error with a cure", async () => {
		const learning = { ...tinyLearning, peakLr: 1e30, gradClipNorm: null };
		await expect(trainOnSite(site, pool, training({ learning }))).rejects.toMatchObject({
			code: "non-finite",
			site: "lab",
		});
	});
});

describe("held-out evaluation", () => {
	test("uses the same noise and time whenever it runs, and other ones per seed", async () => {
		const loss = async (seed: number) =>
			(await evaluateOnSite(site, pool, { weights, learning: tinyLearning, seed }))?.loss;
		expect(await loss(3)).toBe(await loss(3));
		expect(await loss(3)).not.toBe(await loss(4));
	});

	test("does not depend on the training batch size", async () => {
		const loss = async (batchSize: number) => {
			const result = await evaluateOnSite(site, pool, {
				weights,
				learning: { ...tinyLearning, batchSize },
				seed: 3,
			});
			return result?.loss;
		};
		expect(await loss(2)).toBe(await loss(4));
	});

	test("never sees a frame that is trained on", () => {
		const trained = new Set(site.data.trainItems);
		expect(site.evalItems.some((item) => trained.has(item))).toBe(false);
		expect(site.evalItems.length).toBe(13);
		expect(site.evalItems.every((item) => site.data.heldOutItems.includes(item))).toBe(true);
	});
});
