// The cache in the real path: a site trains and evaluates to the same bits with any level, cold and warm.
import { cpSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
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
	const kept = { dir: "" };
	let without: Outcome;
	let cold: Outcome;
	beforeAll(async () => {
		kept.dir = freshDir();
		without = await outcome(null);
		cold = await outcome(kept);
	});

	test("gives the same bits with keys and values, cold and warm, and then decodes nothing", async () => {
		const framesAt = () => Promise.reject(new TypeError("a frame was decoded"));
		const blind = await tinySite(dir, model, { recorded: true, evalFrames: 3, sampledFrames: 2 });
		Object.assign(blind.data.source, { framesAt });
		const warm = await outcome(kept, { on: blind });
		await blind[Symbol.asyncDispose]();
		expect(result(cold)).toEqual(result(without));
		expect(result(warm)).toEqual(result(without));
		expect(without).toMatchObject({ hits: 0, readBytes: 0, writtenBytes: 0 });
		expect(cold.writtenBytes).toBeGreaterThan(0);
		expect(warm).toMatchObject({ misses: 0, writtenBytes: 0 });
		expect(warm.readBytes).toBeGreaterThan(0);
	});

	test("gives the same bits with image tokens, cold and warm", async () => {
		const where = { dir: freshDir(), level: "connector" as const };
		expect(result(await outcome(where))).toEqual(result(without));
		const warm = await outcome(where);
		expect(result(warm)).toEqual(result(without));
		expect(warm).toMatchObject({ misses: 0, writtenBytes: 0 });
	});

	test("names pictures by their content, wherever the recordings lie", async () => {
		cpSync(join(dir, "lab"), join(dir, "twin"), { recursive: true });
		await using twin = await tinySite(dir, model, { name: "twin", recorded: true });
		const picture = { episodeIndex: 1, frameIndex: 2, camera: "observation.images.top" };
		const [name, other] = [twin, site].map(({ data }) => data.digest.pictureName(picture));
		expect(name).toBe(other);
		expect(name).not.toBe(site.data.digest.pictureName({ ...picture, frameIndex: 3 }));
	});

	test("never uses entries of other frozen weights or threads, and those of other trained ones", async () => {
		const others = initWeights(model.config, model.vlm, 2);
		const change = (names: Iterable<string>): PolicyModel => {
			const tensors = new Map(model.tensors.names.map((name) => [name, model.tensors.readFloat32(name)]));
			for (const name of names) tensors.set(name, others.get(name) ?? model.tensors.readFloat32(name));
			return { ...model, tensors: memoryTensors(tensors) };
		};
		const frozen = change(model.tensors.names.filter((name) => !weights.has(name)));
		const alone = await outcome(null, { of: frozen });
		const fresh = await outcome(kept, { of: frozen });
		expect(result(fresh)).toEqual(result(alone));
		expect(fresh.writtenBytes).toBe(cold.writtenBytes);
		expect((await outcome(kept, { threads: 2 })).writtenBytes).toBe(cold.writtenBytes);
		expect((await outcome(kept, { of: change(weights.keys()) })).misses).toBe(0);
	});

	test("with bfloat16 entries gives the same bits cold and warm, near the exact ones, in half the space", async () => {
		const where = { dir: freshDir(), dtype: "bfloat16" as const };
		const rounded = await outcome(where);
		expect(result(await outcome(where))).toEqual(result(rounded));
		expect(rounded.weights).not.toBe(without.weights);
		expect(Math.abs((rounded.loss ?? 0) - (without.loss ?? 0))).toBeLessThan(0.02 * (without.loss ?? 0));
		expect(rounded.writtenBytes).toBe(cold.writtenBytes / 2);
	});

	test.each([
		["a full disk", { fileSystem: smallDisk(20_000) }],
		["a budget for a few entries", { budgetBytes: 20_000 }],
	])("trains on through %s", async (_, limits) => {
		const limited = await outcome({ dir: freshDir(), ...limits });
		expect(result(limited)).toEqual(result(without));
		expect(limited.writtenBytes).toBeGreaterThan(0);
		expect(limited.writtenBytes).toBeLessThan(cold.writtenBytes);
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
