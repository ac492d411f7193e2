// An adapter trains and is averaged through the same code as whole weights.
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { hashTensors } from "@zk0/arrays/node";
import { type PolicyModel, trainedNames, withFreshAdapter } from "@zk0/policy";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { createPool } from "./pool.ts";
import type { Site } from "./site.ts";
import { tinyEngine, tinyLearning, tinyModel, tinySite } from "./testing/tiny-site.ts";
import { evaluateOnSite, trainOnSite } from "./train-on-site.ts";

const base = tinyModel();
let dir = "";
let site: Site;

beforeAll(async () => {
	dir = await mkdtemp(join(tmpdir(), "zk0-lora-site-"));
	site = await tinySite(dir, base);
});
afterAll(async () => {
	await site[Symbol.asyncDispose]();
	await rm(dir, { recursive: true });
});

async function train(model: PolicyModel) {
	await using pool = createPool([await tinyEngine(model)]);
	const weights = new Map(trainedNames(model).map((name) => [name, model.tensors.readFloat32(name)]));
	const learning = { ...tinyLearning, peakLr: 2e-2 };
	const held = { learning, seed: 5 };
	const before = await evaluateOnSite(site, pool, { weights, ...held });
	const result = await trainOnSite(site, pool, {
		weights,
		...held,
		numSteps: 30,
		globalStep: 0,
		totalSteps: 30,
		from: { samplesConsumed: 0, optimizer: null },
		proximalMu: 0,
	});
	const after = await evaluateOnSite(site, pool, { weights: result.weights, ...held });
	return { weights, trained: result.weights, before: before?.loss ?? 0, after: after?.loss ?? 0 };
}

describe("an adapter on a site", () => {
	const fresh = withFreshAdapter(base, { rank: 4, alpha: 8, seed: 2 });

	test("learns, and only its factors leave the trainer", async () => {
		const { weights, trained, before, after } = await train(fresh);
		expect(after).toBeLessThan(0.9 * before);
		expect([...trained.keys()].sort()).toEqual([...weights.keys()].sort());
		expect(hashTensors(trained)).not.toBe(hashTensors(weights));
	});

	test("with A frozen learns by B alone", async () => {
		const { trained, before, after } = await train({ ...fresh, adapter: { ...fresh.adapter, trains: "B" } });
		expect(after).toBeLessThan(0.95 * before);
		expect([...trained.keys()].every((name) => name.endsWith("lora_B.weight"))).toBe(true);
	});
});
