// The cache in the real path: a site trains and evaluates to the same bits with any level, cold and warm.
import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type NamedArrays, toFloat32 } from "@zk0/arrays";
import { hashTensors } from "@zk0/arrays/node";
import { initWeights, memoryTensors, type PolicyModel } from "@zk0/policy";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { createPool } from "../pool.ts";
import type { Site } from "../site.ts";
import { smallDisk } from "../testing/small-disk.ts";
import { tinyEngine, tinyLearning, tinyModel, tinySite, tinyWeights } from "../testing/tiny-site.ts";
import { evaluateOnSite, trainOnSite } from "../train-on-site.ts";
import { openPrefixCache, type PrefixCacheOptions } from "./prefix-cache.ts";

const model = tinyModel();
const weights = tinyWeights(model);
let dir = "";
let site: Site;
let numCaches = 0;

beforeAll(async () => {
	dir = await mkdtemp(join(tmpdir(), "zk0-prefix-"));
	site = await tinySite(dir, model, {
		recording: { episodes: 4, length: 6 },
		evalFrames: 3,
		sampledFrames: 2,
	});
});
afterAll(async () => {
	await site[Symbol.asyncDispose]();
	await rm(dir, { recursive: true });
});

const freshDir = (): string => join(dir, `cache-${numCaches++}`);

interface Outcome {
	readonly weights: string;
	readonly loss: number | undefined;
	readonly hits: number;
	readonly misses: number;
	readonly readBytes: number;
	readonly writtenBytes: number;
}

/** Trains three steps and evaluates, with a cache or (null) without. */
async function outcome(
	options: Partial<PrefixCacheOptions> | null,
	{ on = site, of = model, threads = 1 }: { on?: Site; of?: PolicyModel; threads?: number } = {},
): Promise<Outcome> {
	await using cache =
		options === null
			? null
			: await openPrefixCache({ model: of, level: "kv", dir: "", budgetBytes: 2 ** 24, ...options });
	await using pool = createPool([await tinyEngine(of, threads, cache)]);
	const before = { ...on.observations.counts };
	const trained = await trainOnSite(on, pool, {
		weights,
		learning: tinyLearning,
		numSteps: 3,
		globalStep: 0,
		totalSteps: 3,
		from: { samplesConsumed: 0, optimizer: null },
		proximalMu: 0,
		seed: 3,
	});
	const held = await evaluateOnSite(on, pool, { weights: trained.weights, learning: tinyLearning, seed: 3 });
	const { counts } = on.observations;
	return {
		weights: hashTensors(trained.weights),
		loss: held?.loss,
		hits: counts.hits - before.hits,
		misses: counts.misses - before.misses,
		readBytes: counts.readBytes - before.readBytes,
		writtenBytes: counts.writtenBytes - before.writtenBytes,
	};
}

const result = ({ weights: hash, loss }: Outcome) => ({ hash, loss });

describe("a site", () => {
	test.each(["kv", "connector"] as const)("gives the same bits with %s, cold and warm", async (level) => {
		const without = await outcome(null);
		const where = { dir: freshDir(), level };
		const cold = await outcome(where);
		const warm = await outcome(where);
		expect(result(cold)).toEqual(result(without));
		expect(result(warm)).toEqual(result(without));
		expect(without).toMatchObject({ hits: 0, readBytes: 0, writtenBytes: 0 });
		expect(cold.writtenBytes).toBeGreaterThan(0);
		expect(warm).toMatchObject({ misses: 0, writtenBytes: 0 });
		expect(warm.readBytes).toBeGreaterThan(0);
	});

	test("decodes nothing when everything is kept", async () => {
		const where = { dir: freshDir() };
		const expected = await outcome(where);
		await using again = await tinySite(dir, model, { recorded: true, evalFrames: 3, sampledFrames: 2 });
		const blind = {
			...again,
			data: {
				...again.data,
				source: { ...again.data.source, framesAt: () => Promise.reject(new TypeError("decoded")) },
			},
		};
		expect(result(await outcome(where, { on: blind }))).toEqual(result(expected));
	});

	test("shares with a site of other name and place that has the same recordings", async () => {
		const where = { dir: freshDir(), level: "connector" as const };
		await outcome(where);
		await using twin = await tinySite(dir, model, { name: "twin", recording: { episodes: 4, length: 6 } });
		const other = await outcome(where, { on: twin });
		expect(other.readBytes).toBeGreaterThan(0);
		const picture = { episodeIndex: 1, frameIndex: 2, camera: "observation.images.top" };
		expect(twin.data.digest.pictureName(picture)).toBe(site.data.digest.pictureName(picture));
	});

	test("never uses entries of other weights, threads or cameras", async () => {
		const where = { dir: freshDir() };
		await outcome(where);
		const frozen = initWeights(model.config, model.vlm, 2);
		const other = { ...model, tensors: memoryTensors(new Map([...frozen, ...weights])) };
		const changes = [
			{ of: other },
			{ threads: 2 },
			{
				on: await tinySite(dir, model, {
					recorded: true,
					evalFrames: 3,
					sampledFrames: 2,
					cameraMap: { "observation.images.top": "observation.images.top" },
				}),
			},
		];
		for (const change of changes) {
			const own = await outcome(null, change);
			const cold = await outcome(where, change);
			expect(cold.writtenBytes).toBeGreaterThan(0);
			expect(result(cold)).toEqual(result(own));
			await change.on?.[Symbol.asyncDispose]();
		}
	});

	test("keeps entries when only trained weights change", async () => {
		const where = { dir: freshDir() };
		await outcome(where);
		const trained = initWeights(model.config, model.vlm, 9);
		const own = new Map(model.tensors.names.map((name) => [name, model.tensors.readFloat32(name)]));
		for (const name of weights.keys()) own.set(name, trained.get(name) ?? model.tensors.readFloat32(name));
		const warm = await outcome(where, { of: { ...model, tensors: memoryTensors(own) } });
		expect(warm.misses).toBe(0);
	});

	test("with bfloat16 entries gives the same bits cold and warm, near the exact ones, in half the space", async () => {
		const exact = await outcome({ dir: freshDir() });
		const where = { dir: freshDir(), dtype: "bfloat16" as const };
		const cold = await outcome(where);
		const warm = await outcome(where);
		expect(result(warm)).toEqual(result(cold));
		expect(cold.weights).not.toBe(exact.weights);
		expect(Math.abs((cold.loss ?? 0) - (exact.loss ?? 0))).toBeLessThan(0.02 * (exact.loss ?? 0));
		expect(cold.writtenBytes).toBe(exact.writtenBytes / 2);
	});

	test.each([
		["a full disk", { fileSystem: smallDisk(20_000) }],
		["a budget for a few entries", { budgetBytes: 20_000 }],
	])("trains on through %s", async (_, limits) => {
		const without = await outcome(null);
		const where = { dir: freshDir(), ...limits };
		const cold = await outcome(where);
		expect(result(cold)).toEqual(result(without));
		expect(cold.writtenBytes).toBeGreaterThan(0);
		const warm = await outcome({ dir: where.dir });
		expect(result(warm)).toEqual(result(without));
		expect(warm.hits).toBeGreaterThan(0);
		expect(await readdir(where.dir)).not.toHaveLength(0);
	});
});

test("padding columns of keys and values are zero, kept columns are not", async () => {
	await using engine = await tinyEngine(model);
	const feeds: NamedArrays = await site.observations.feedsFor([0, 1], engine);
	const bias = toFloat32(
		feeds.get("prefix_bias") ?? { dtype: "float32", shape: [0], data: new Float32Array(0) },
	);
	const key = feeds.get("prefix_key.1");
	const [, heads = 0, length = 0, headDim = 0] = key?.shape ?? [];
	const values = key === undefined ? new Float32Array(0) : toFloat32(key);
	expect(bias.length).toBe(2 * length);
	bias.forEach((value, at) => {
		const sample = Math.floor(at / length);
		const from = (sample * heads * length + (at % length)) * headDim;
		const isZero = values.subarray(from, from + headDim).every((number) => number === 0);
		expect(isZero).toBe(value !== 0);
	});
});
