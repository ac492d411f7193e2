import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { rng } from "@zk0/arrays";
import { overlayTensors } from "@zk0/policy";
import { expect, test } from "vitest";
import { type Environment, evaluateClosedLoop, type Observation } from "./closed-loop.ts";
import { createPolicyActor } from "./policy-actor.ts";
import { createPool } from "./pool.ts";
import {
	tinyCache,
	tinyEngine,
	tinyLearning,
	tinyModel,
	tinySite,
	tinyWeights,
} from "./testing/tiny-site.ts";
import { trainOnSite } from "./train-on-site.ts";

const GOAL_DEG = 25;

/** The tiny recordings' arm: solved when its first joint is near the goal of "Go right". */
function tinyWorld(): Environment {
	let pose: Float32Array = new Float32Array(3);
	const picture = { height: 64, width: 64, rgb: new Uint8Array(64 * 64 * 3).fill(128 + 3 * GOAL_DEG) };
	const images = new Map(["observation.images.top", "observation.images.wrist"].map((key) => [key, picture]));
	return {
		reset: (seed) => {
			const random = rng(seed, "pose");
			pose = Float32Array.from({ length: 3 }, () => 10 * random.normal());
		},
		observe: (): Observation => ({ images, state: Float32Array.from(pose), task: "Go right" }),
		step: (action) => {
			pose = Float32Array.from(action);
		},
		success: () => Math.abs((pose[0] ?? 0) - GOAL_DEG) < 10,
	};
}

test("a trained policy solves more episodes than an untrained one, and the same ones again", async () => {
	const dir = await mkdtemp(join(tmpdir(), "zk0-actor-"));
	const model = tinyModel();
	const evaluate = async (weights: Parameters<typeof overlayTensors>[1]) => {
		await using engine = await tinyEngine({ ...model, tensors: overlayTensors(model.tensors, weights) });
		const actor = createPolicyActor(engine, { context: site.data.context });
		const options = { env: tinyWorld(), actor, episodes: 10, maxSteps: 4, nActionSteps: 2, seed: 1 };
		return await evaluateClosedLoop(options);
	};
	await using site = await tinySite(dir, model, { recording: { episodes: 8 } });
	await using cache = await tinyCache(model, dir);
	await using pool = createPool([await tinyEngine(model, 1, cache)]);
	const weights = tinyWeights(model);
	const trained = await trainOnSite(site, pool, {
		weights,
		learning: tinyLearning,
		numSteps: 150,
		globalStep: 0,
		totalSteps: 150,
		from: { samplesConsumed: 0, optimizer: null },
		proximalMu: 0,
		seed: 1,
	});
	const before = await evaluate(weights);
	const after = await evaluate(trained.weights);
	expect(after.successes).toBeGreaterThan(before.successes);
	expect(after.successes).toBeGreaterThan(7);
	expect(await evaluate(trained.weights)).toEqual(after);

	await using engine = await tinyEngine(model);
	const blind = createPolicyActor(engine, {
		context: site.data.context,
		cameraMap: new Map([["observation.images.front", "observation.images.top"]]),
	});
	const random = rng(1);
	const observation = await tinyWorld().observe();
	await expect(blind.plan(observation, { episode: 0, step: 0, random })).rejects.toMatchObject({
		code: "camera-missing",
	});
	await rm(dir, { recursive: true });
});
