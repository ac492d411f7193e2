import { mkdir, mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { float32Array } from "@zk0/arrays";
import { hashTensors, openSafetensors, sha256File, writeSafetensorsFile } from "@zk0/arrays/node";
import {
	type ClientApp,
	fedAvg,
	fedProx,
	type Metrics,
	openEventLog,
	type RoundEvent,
	type SimulationOptions,
	simulate,
	type TrainTask,
} from "@zk0/federation";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { createFinetuneApp } from "./client-app.ts";
import { learningJson } from "./learning.ts";
import type { PolicyEngine } from "./policy-engine.ts";
import { createPool, type Pool } from "./pool.ts";
import type { PrefixCache } from "./prefix-cache/prefix-cache.ts";
import type { Site } from "./site.ts";
import {
	tinyCache,
	tinyEngine,
	tinyLearning,
	tinyModel,
	tinySite,
	tinyWeights,
} from "./testing/tiny-site.ts";
import { trainOnSite } from "./train-on-site.ts";

const model = tinyModel();
const weights = tinyWeights(model);
const kept = { ...tinyLearning, keepOptimizerState: true };
const SEED = 5;
let dir = "";
let cache: PrefixCache;
let pool: Pool<PolicyEngine>;
let sites: Site[];
let numDirs = 0;

beforeAll(async () => {
	dir = await mkdtemp(join(tmpdir(), "zk0-app-"));
	cache = await tinyCache(model, dir);
	pool = createPool([await tinyEngine(model, 1, cache), await tinyEngine(model, 1, cache)]);
	sites = [];
	for (const [index, name] of ["ann", "bob", "cyd"].entries()) {
		sites.push(await tinySite(dir, model, { name, recording: { seed: index, episodes: 4 } }));
	}
	await writeSafetensorsFile(join(dir, "initial.safetensors"), weights);
});
afterAll(async () => {
	for (const site of sites) await site[Symbol.asyncDispose]();
	await pool[Symbol.asyncDispose]();
	await cache[Symbol.asyncDispose]();
	await rm(dir, { recursive: true });
});

/** A fresh directory below the suite's. */
function freshDir(): string {
	numDirs++;
	return join(dir, `run-${numDirs}`);
}

function apps(names: readonly string[], stateDir: string): { site: string; app: ClientApp }[] {
	return names.map((name) => {
		const site = sites.find(({ data }) => data.name === name);
		if (site === undefined) throw new RangeError(`no site ${name}`);
		return { site: name, app: createFinetuneApp({ site, pool, stateDir }) };
	});
}

async function federate(
	names: readonly string[],
	change: Partial<SimulationOptions> = {},
	runDir = freshDir(),
): Promise<RoundEvent[]> {
	await using log = await openEventLog(join(runDir, "events.jsonl"));
	const events: RoundEvent[] = [];
	const options = {
		runId: "run",
		seed: SEED,
		numRounds: 3,
		numLocalSteps: 4,
		learning: learningJson(kept),
		strategy: fedAvg(),
		initialWeightsPath: join(dir, "initial.safetensors"),
		log,
		dir: runDir,
		sites: apps(names, join(runDir, "state")),
		...change,
	};
	for await (const event of simulate(options)) events.push(event);
	return events;
}

function finalHash(events: readonly RoundEvent[]): string {
	const last = events.find((event) => event.kind === "run.completed");
	if (last === undefined) throw new RangeError(`the run did not complete: ${JSON.stringify(events.at(-1))}`);
	return last.weightsSha256;
}

async function trainAlone(numSteps: number): Promise<string> {
	const [site] = sites;
	if (site === undefined) throw new RangeError("no site");
	const result = await trainOnSite(site, pool, {
		weights,
		learning: kept,
		numSteps,
		globalStep: 0,
		totalSteps: numSteps,
		from: { samplesConsumed: 0, optimizer: null },
		proximalMu: 0,
		seed: SEED,
	});
	return hashTensors(result.weights);
}

describe("one site in a federation", () => {
	test("and one round of FedAvg is local training bit for bit", async () => {
		const events = await federate(["ann"], { numRounds: 1, learning: learningJson(tinyLearning) });
		expect(finalHash(events)).toBe(await trainAlone(4));
	});

	test("and several rounds are, when moments are kept; when they start fresh, they are not", async () => {
		expect(finalHash(await federate(["ann"]))).toBe(await trainAlone(12));
		const fresh = await federate(["ann"], { learning: learningJson(tinyLearning) });
		expect(finalHash(fresh)).not.toBe(await trainAlone(12));
	});
});

describe("several sites", () => {
	const names = ["ann", "bob", "cyd"];

	test("give the same bits in any order, one or two at a time; the loss of every site falls", async () => {
		const strategy = fedProx({ mu: 0.1 });
		const events = await federate(names, { strategy, numLocalSteps: 8, concurrency: 2 });
		const again = await federate([...names].reverse(), { strategy, numLocalSteps: 8, concurrency: 1 });
		expect(finalHash(again)).toBe(finalHash(events));
		const rounds = events.filter((event) => event.kind === "round.evaluated");
		expect(rounds.length).toBe(4);
		for (const name of names) {
			const losses = rounds.map(({ perSite }) => perSite[name] ?? Number.NaN);
			expect(losses.at(-1)).toBeLessThan(losses[0] ?? 0);
		}
	});

	test("report what they are and what they measured", async () => {
		const events = await federate(["ann"], { numRounds: 1 });
		const joined = events.find((event) => event.kind === "site.joined");
		expect(joined).toMatchObject({ numSamples: 24, details: { tasks: ["Go left", "Go right"], fps: 10 } });
		const update = events.find((event) => event.kind === "update.received");
		expect(update?.numSamples).toBe(16);
		expect(Object.keys(update?.metrics ?? {})).toEqual(
			expect.arrayContaining([
				"loss",
				"lastLoss",
				"gradNorm",
				"samplesPerSecond",
				"prefixHits",
				"prefixMisses",
			]),
		);
		const evaluated = events.find((event) => event.kind === "site.evaluated");
		expect(Object.keys(evaluated?.metrics ?? {})).toEqual(
			expect.arrayContaining([
				"jointErrorDeg",
				"holdPoseErrorDeg",
				"meanActionErrorDeg",
				"jointError.pan.pos",
				"jointError.gripper.pos",
			]),
		);
	});
});

describe("the app alone", () => {
	async function setUp(name: string) {
		const runDir = freshDir();
		const [entry] = apps([name], join(runDir, "state"));
		if (entry === undefined) throw new RangeError("no app");
		const scratchDir = join(runDir, "scratch");
		await mkdir(scratchDir, { recursive: true });
		return { app: entry.app, runDir, scratchDir };
	}
	const task = (change: Partial<TrainTask> = {}): TrainTask => ({
		runId: "run",
		round: 1,
		seed: SEED,
		numLocalSteps: 3,
		globalStep: 0,
		totalSteps: 12,
		proximalMu: 0,
		learning: learningJson(kept),
		weightsPath: join(dir, "initial.safetensors"),
		weightsSha256: "",
		...change,
	});
	const fetchFiles = (): Promise<void> => Promise.reject(new RangeError("nothing is offered"));
	const quiet = { signal: new AbortController().signal, onProgress: () => undefined, fetchFiles };

	test("a round that was done and is asked for again gives the same bits", async () => {
		const { app, scratchDir } = await setUp("bob");
		const context = { ...quiet, scratchDir };
		const train = async (round: number) => {
			const result = await app.train(task({ round, globalStep: 3 * (round - 1) }), context);
			using file = openSafetensors(result.weightsPath);
			return hashTensors(new Map([...file.entries.keys()].map((name) => [name, file.read(name)])));
		};
		const first = await train(1);
		const second = await train(2);
		expect(await train(2)).toBe(second);
		expect(await train(1)).toBe(first);
		expect(await train(2)).toBe(second);
		// Measuring shows that it moves, too.
		const steps: string[] = [];
		await app.evaluate(task({ round: 1 }), {
			...context,
			onProgress: ({ step, numSteps }) => steps.push(`${step}/${numSteps}`),
		});
		expect(steps.at(-1)).toBe(`${steps.length}/${steps.length}`);
	});

	test("measures its own weights as they would be measured by everybody, and trains the same", async () => {
		const [site] = sites;
		if (site === undefined) throw new RangeError("no site");
		const { app, runDir, scratchDir } = await setUp("ann");
		const measuring = createFinetuneApp({ site, pool, stateDir: join(runDir, "other"), evalLocal: true });
		const context = { ...quiet, scratchDir };
		const rounds = async (app: ClientApp) => {
			const hashes: string[] = [];
			let metrics: Metrics = {};
			for (const round of [1, 2]) {
				const result = await app.train(task({ round, globalStep: 3 * (round - 1) }), context);
				hashes.push(await sha256File(result.weightsPath));
				metrics = result.metrics;
			}
			return { hashes, metrics };
		};
		const plain = await rounds(app);
		const measured = await rounds(measuring);
		expect(measured.hashes).toEqual(plain.hashes);
		expect(Object.keys(plain.metrics)).not.toContain("heldOutLoss");
		const own = await app.evaluate(task({ weightsPath: join(scratchDir, "update.safetensors") }), context);
		expect(own.loss).toBeGreaterThan(0);
		expect(measured.metrics).toMatchObject({
			heldOutLoss: own.loss,
			jointErrorDeg: own.metrics["jointErrorDeg"],
		});
	});

	test("aborted in the middle of a round it leaves nothing behind and the round can start again", async () => {
		const { app, runDir, scratchDir } = await setUp("cyd");
		const controller = new AbortController();
		const onProgress = (): void => controller.abort(new DOMException("enough", "AbortError"));
		const running = app.train(task(), { ...quiet, signal: controller.signal, onProgress, scratchDir });
		await expect(running).rejects.toThrow("enough");
		const left = await readdir(runDir, { recursive: true });
		expect(left).toEqual(["scratch"]);
		expect((await app.train(task(), { ...quiet, scratchDir })).numSamples).toBe(12);
	});

	test.each([
		["hyper-parameters it does not know", { learning: { momentum: 1 } }, { code: "bad-learning-config" }],
		["steps beyond the run", { totalSteps: 2 }, { name: "RangeError" }],
	])("refuses %s", async (_, change, error) => {
		const { app, scratchDir } = await setUp("ann");
		await expect(app.train(task(change), { ...quiet, scratchDir })).rejects.toMatchObject(error);
	});

	test.each([
		["an extra tensor", [...weights, ["model.extra", float32Array([1], [0])] as const]],
		["a missing tensor", [...weights].slice(1)],
	])("refuses weights with %s", async (_, entries) => {
		const { app, scratchDir } = await setUp("ann");
		const weightsPath = join(scratchDir, "wrong.safetensors");
		await writeSafetensorsFile(weightsPath, new Map(entries));
		await expect(app.train(task({ weightsPath }), { ...quiet, scratchDir })).rejects.toMatchObject({
			code: "bad-parameters",
		});
	});
});
