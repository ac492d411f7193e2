import { mkdtemp, readdir, readFile, rm, truncate, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { hashTensors } from "@zk0/arrays/node";
import { AutodiffError } from "@zk0/autodiff";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { createMicroBatching, type MicroBatchShrunk, microBatchesOf } from "./micro-batch.ts";
import type { PolicyEngine } from "./policy-engine.ts";
import { createPool, type Pool } from "./pool.ts";
import type { Site } from "./site.ts";
import { tinyEngine, tinyLearning, tinyModel, tinySite, tinyWeights } from "./testing/tiny-site.ts";
import { microWeights } from "./train-locally.ts";
import { type SiteTraining, trainOnSite } from "./train-on-site.ts";
import { openTrainingCheckpoints, type TrainingCheckpoints } from "./training-checkpoints.ts";

const model = tinyModel();
const BATCH = 8;
const STEPS = 6;
let dir = "";
let engine: PolicyEngine;
let pool: Pool<PolicyEngine>;
let site: Site;

beforeAll(async () => {
	dir = await mkdtemp(join(tmpdir(), "zk0-train-"));
	engine = await tinyEngine(model);
	pool = createPool([engine]);
	site = await tinySite(dir, model, { recording: { episodes: 4 } });
});
afterAll(async () => {
	await site[Symbol.asyncDispose]();
	await pool[Symbol.asyncDispose]();
	await rm(dir, { recursive: true });
});

function training(change: Partial<SiteTraining> = {}): SiteTraining {
	return {
		weights: tinyWeights(model),
		learning: { ...tinyLearning, batchSize: BATCH, keepOptimizerState: true },
		numSteps: STEPS,
		globalStep: 0,
		totalSteps: STEPS,
		from: { samplesConsumed: 0, optimizer: null },
		proximalMu: 0.1,
		seed: 3,
		...change,
	};
}

function checkpointsIn(folder: string, change: { runId?: string; site?: string } = {}): TrainingCheckpoints {
	return openTrainingCheckpoints(join(dir, folder), { runId: "run", site: "lab", numKept: 2, ...change });
}

/** Trains until the step `last` has been made, then stops as Ctrl-C does. */
async function stopAfter(last: number, checkpoints: TrainingCheckpoints, everySteps = 2): Promise<void> {
	const stopping = new AbortController();
	const stopped = trainOnSite(
		site,
		pool,
		training({
			saving: { checkpoints, everySteps },
			signal: stopping.signal,
			onProgress: ({ step }) => {
				if (step === last) stopping.abort(new RangeError("stopped"));
			},
		}),
	);
	await expect(stopped).rejects.toThrow("stopped");
}

describe("checkpoints", () => {
	test("a training that goes on ends at the bits and figures of an undisturbed one", async () => {
		const whole = await trainOnSite(site, pool, training());
		for (const last of [1, 4]) {
			const checkpoints = checkpointsIn(`stopped-${last}`);
			await stopAfter(last, checkpoints);
			expect((await checkpoints.latest())?.step).toBe(last);
			const resumed = await trainOnSite(site, pool, training({ saving: { checkpoints, everySteps: 2 } }));
			expect(hashTensors(resumed.weights)).toBe(hashTensors(whole.weights));
			const { samplesPerSecond: _, dataWaitShare: ___, weights: __, to, ...figures } = resumed;
			expect(whole).toMatchObject(figures);
			expect(to.samplesConsumed).toBe(whole.to.samplesConsumed);
		}
	});

	test("the last ones are kept, and files that a killed process left are removed", async () => {
		const checkpoints = checkpointsIn("kept");
		await stopAfter(3, checkpoints, 1);
		await writeFile(join(dir, "kept", "step_000004.safetensors.tmp-1-2"), "torn");
		const again = await trainOnSite(site, pool, training({ saving: { checkpoints, everySteps: 2 } }));
		expect((await readdir(join(dir, "kept"))).sort()).toEqual([
			"step_000004.safetensors",
			"step_000006.safetensors",
		]);
		const done = await trainOnSite(site, pool, training({ saving: { checkpoints, everySteps: 2 } }));
		expect(hashTensors(done.weights)).toBe(hashTensors(again.weights));
		expect(done.samplesPerSecond).toBeNull();
	});

	test("those of another training, renamed ones and damaged ones are refused by name", async () => {
		await stopAfter(2, checkpointsIn("refused"));
		const path = join(dir, "refused", "step_000002.safetensors");
		for (const change of [{ runId: "other" }, { site: "shop" }]) {
			await expect(checkpointsIn("refused", change).latest()).rejects.toMatchObject({
				code: "bad-training-state",
				message: expect.stringContaining(path),
			});
		}
		const bytes = await readFile(path);
		await writeFile(join(dir, "refused", "step_000004.safetensors"), bytes);
		await expect(checkpointsIn("refused").latest()).rejects.toThrow("belongs to run run, site lab, step 2");
		await truncate(join(dir, "refused", "step_000004.safetensors"), bytes.length - 4);
		await expect(checkpointsIn("refused").latest()).rejects.toThrow("cannot be read");
	});
});

describe("micro-batches", () => {
	test("a batch is divided evenly", () => {
		expect(microBatchesOf(12)).toEqual([12, 6, 4, 3, 2, 1]);
		expect(createMicroBatching({ microBatch: 5 }).sizeFor(12)).toBe(4);
		expect(createMicroBatching().sizeFor(7)).toBe(7);
		expect(microWeights([3, 0, 5])).toEqual([3 / 8, 1 / 8, 5 / 8]);
		expect(microWeights([0, 0])).toEqual([1, 1]);
	});

	test("gradients, loss and norm of a batch of 8 are those of its micro-batches", async () => {
		const one = { numSteps: 1, proximalMu: 0, learning: { ...training().learning, gradClipNorm: null } };
		const whole = await trainOnSite(site, pool, training(one));
		for (const microBatch of [4, 2]) {
			const microBatching = createMicroBatching({ microBatch });
			const parts = await trainOnSite(site, pool, training({ ...one, microBatching }));
			expect(parts.microBatch).toBe(microBatch);
			expect(Math.abs(parts.loss / whole.loss - 1)).toBeLessThan(1e-6);
			expect(Math.abs(parts.gradNorm / whole.gradNorm - 1)).toBeLessThan(1e-5);
			// The first step's first moments are the gradients times 1 - beta1.
			expect(relativeDistance(parts.to.optimizer?.moments, whole.to.optimizer?.moments)).toBeLessThan(1e-5);
		}
	});

	test("shrink when memory is short, in the middle, and say so; the result stays up to rounding", async () => {
		const whole = await trainOnSite(site, pool, training());
		const events: MicroBatchShrunk[] = [];
		let numAsked = 0;
		const microBatching = createMicroBatching({
			microBatch: null,
			availableBytes: () => (++numAsked === 3 ? 10 : 1000),
			marginBytes: 100,
			onShrink: (event) => events.push(event),
		});
		const shrunk = await trainOnSite(site, pool, training({ microBatching }));
		expect(events).toMatchObject([
			{ site: "lab", from: 8, to: 4, why: expect.stringContaining("--micro-batch") },
		]);
		expect(shrunk.microBatch).toBe(4);
		expect(shrunk.numSamples).toBe(whole.numSamples);
		expect(relativeDistance(shrunk.weights, whole.weights)).toBeLessThan(1e-4);
		expect(hashTensors(shrunk.weights)).not.toBe(hashTensors(whole.weights));
	});

	test("shrink when a step finds no memory, down to one sample, which then is an error", async () => {
		const shared = { releaseTrainer: async () => undefined, [Symbol.asyncDispose]: async () => undefined };
		const narrow: PolicyEngine["trainerFor"] = async (shape, settings) => {
			const compiled = await engine.trainerFor(shape, settings);
			if (shape.batchSize < 3) return compiled;
			const step = (): never => {
				throw new AutodiffError("out-of-memory", "bad_alloc");
			};
			return { ...compiled, trainer: { ...compiled.trainer, step } };
		};
		const microBatching = createMicroBatching();
		const small = createPool([{ ...engine, ...shared, trainerFor: narrow }]);
		const result = await trainOnSite(site, small, training({ microBatching }));
		expect(result.microBatch).toBe(2);
		expect(microBatching.sizeFor(BATCH)).toBe(2);
		const full: PolicyEngine["trainerFor"] = () => {
			throw new AutodiffError("out-of-memory", "bad_alloc");
		};
		const none = createPool([{ ...engine, ...shared, trainerFor: full }]);
		await expect(trainOnSite(site, none, training())).rejects.toMatchObject({ code: "memory-pressure" });
	});

	test("a checkpoint keeps the micro-batch it was made with", async () => {
		const checkpoints = checkpointsIn("micro");
		const small = (): SiteTraining =>
			training({
				microBatching: createMicroBatching({ microBatch: 2 }),
				saving: { checkpoints, everySteps: 3 },
			});
		const stopped = { ...small(), numSteps: 3 };
		await trainOnSite(site, pool, stopped);
		const resumed = await trainOnSite(site, pool, training({ saving: { checkpoints, everySteps: 3 } }));
		expect(resumed.microBatch).toBe(2);
	});
});

type Arrays = ReadonlyMap<string, { readonly data: unknown }> | undefined;

/** L2 norm of the difference over that of `b`, all arrays together. */
function relativeDistance(a: Arrays, b: Arrays): number {
	let [difference, norm] = [0, 0];
	for (const [name, { data }] of b ?? []) {
		const other = a?.get(name)?.data;
		if (!(data instanceof Float32Array && other instanceof Float32Array)) throw new TypeError(`no ${name}`);
		for (const [index, value] of data.entries()) {
			difference += (value - (other[index] ?? Number.NaN)) ** 2;
			norm += value ** 2;
		}
	}
	return Math.sqrt(difference / norm);
}
