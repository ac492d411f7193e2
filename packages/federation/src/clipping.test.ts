// Clipping: norms, updates scaled by sites, scales in the aggregate, and what the log says about it.
import { join } from "node:path";
import { float32Array, type NdArray } from "@zk0/arrays";
import { openSafetensors, sha256File, writeSafetensorsFile } from "@zk0/arrays/node";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { aggregateFiles } from "./aggregate.ts";
import { manualClock } from "./clock.ts";
import { openEventLog } from "./event-log.ts";
import type { RoundEvent } from "./events.ts";
import { openObjectStore } from "./object-store.ts";
import { aggregateRound } from "./round-aggregation.ts";
import { resolveRounds } from "./rounds-options.ts";
import { RunRecorder } from "./run-recorder.ts";
import { fedAvg } from "./strategies/fedavg.ts";
import { startServer, taskOf } from "./testing/server-harness.ts";
import { temporaryDir, toyApp } from "./testing/toy-app.ts";
import { ofKind, simulateToy, theKind } from "./testing/toy-run.ts";
import { clipUpdate, updateNorm } from "./update-norm.ts";

let dir = "";
let owner: AsyncDisposable | undefined;
beforeAll(async () => {
	const made = await temporaryDir();
	owner = made;
	dir = made.path;
});
afterAll(async () => {
	await owner?.[Symbol.asyncDispose]();
});

let numFiles = 0;
const fresh = (): string => join(dir, `${numFiles++}.safetensors`);

/** A file of two tensors that share the values. */
async function store(values: readonly number[]): Promise<string> {
	const path = fresh();
	const split = values.length >> 1;
	const tensors = new Map<string, NdArray<"float32">>([
		["a", float32Array([split], values.slice(0, split))],
		["b", float32Array([values.length - split], values.slice(split))],
	]);
	await writeSafetensorsFile(path, tensors);
	return path;
}

function read(path: string): number[] {
	using file = openSafetensors(path);
	return [...file.readFloat32("a").data, ...file.readFloat32("b").data];
}

const norm = (values: readonly number[]): number =>
	Math.sqrt(values.reduce((sum, value) => sum + value * value, 0));
const difference = (values: readonly number[], from: readonly number[]): number[] =>
	values.map((value, index) => value - (from[index] ?? 0));

/** Of very different sizes, both zeros and subnormals included. */
const number = fc.oneof(
	fc.float({ min: -100, max: 100, noNaN: true }),
	fc.constantFrom(0, -0, 1e-45, -1e-45, 1, -1).map(Math.fround),
);
/** Weights before and after, of equal length. */
const rows = fc.array(fc.tuple(number, number), { minLength: 1, maxLength: 12 });

describe("updateNorm", () => {
	test("is the float64 norm of the difference, of any number of pieces", async () => {
		await fc.assert(
			fc.asyncProperty(rows, async (pairs) => {
				const [before, after] = [pairs.map(([a]) => a), pairs.map(([, b]) => b)];
				expect(await updateNorm(await store(after), await store(before))).toBe(
					norm(difference(after, before)),
				);
				expect(await updateNorm(await store(after), null)).toBe(norm(after));
			}),
			{ numRuns: 25 },
		);
		const long = Array.from({ length: 700_001 }, () => 0.5);
		expect(await updateNorm(await store(long), null)).toBe(norm(long));
	});

	test("refuses files that differ in their tensors", async () => {
		const other = fresh();
		await writeSafetensorsFile(other, new Map([["c", float32Array([1], [1])]]));
		await expect(updateNorm(await store([1]), other)).rejects.toMatchObject({ code: "missing-tensor" });
	});
});

describe("clipUpdate", () => {
	test("leaves an update within the limit, and scales any other one to it without turning it", async () => {
		await fc.assert(
			fc.asyncProperty(
				rows,
				fc.float({ min: Math.fround(1e-6), max: 50, noNaN: true }),
				async (pairs, limit) => {
					const before = pairs.map(([a]) => a);
					const paths = {
						update: await store(pairs.map(([, b]) => b)),
						base: await store(before),
						out: fresh(),
						limit,
					};
					const whole = difference(read(paths.update), before);
					const found = await clipUpdate(paths);
					const isWithin = norm(whole) <= limit;
					expect(found).toEqual(isWithin ? null : { norm: norm(whole), limit });
					const left = difference(read(isWithin ? paths.update : paths.out), before);
					const share = isWithin ? 1 : limit / norm(whole);
					expect(norm(left)).toBeLessThanOrEqual(limit);
					for (const [index, value] of left.entries())
						expect(value).toBeCloseTo((whole[index] ?? 0) * share, 4);
				},
			),
			{ numRuns: 25 },
		);
	});
});

describe("aggregateFiles with scales", () => {
	test("is the mean of base + scale * (update - base), in float64, whatever the order", async () => {
		const update = fc.record({
			values: fc.array(number, { minLength: 5, maxLength: 5 }),
			weight: fc.integer({ min: 1, max: 999 }),
			scale: fc.constantFrom(1, 0.5, 0.25, 1e-3),
		});
		await fc.assert(
			fc.asyncProperty(
				fc.array(number, { minLength: 5, maxLength: 5 }),
				fc.array(update, { minLength: 1, maxLength: 4 }),
				async (start, given) => {
					const base = await store(start);
					const updates = await Promise.all(
						given.map(async ({ values, ...rest }, index) => ({
							site: `s${index}`,
							path: await store(values),
							...rest,
						})),
					);
					const [out, reversed] = [fresh(), fresh()];
					await aggregateFiles({ updates, base, out, threads: 0 });
					await aggregateFiles({ updates: updates.toReversed(), base, out: reversed, threads: 0 });
					expect(await sha256File(out)).toBe(await sha256File(reversed));
					const total = given.reduce((sum, { weight }) => sum + weight, 0);
					for (const [index, value] of read(out).entries()) {
						const from = start[index] ?? 0;
						const mean = given.reduce(
							(sum, { values, weight, scale }) =>
								sum + (weight / total) * (from + scale * ((values[index] ?? 0) - from)),
							0,
						);
						expect(Math.abs(value - mean)).toBeLessThanOrEqual(1e-5 * Math.max(1, Math.abs(mean)));
					}
				},
			),
			{ numRuns: 25 },
		);
	});

	test("scales of 1 change no bit; bad scales and a missing base are refused", async () => {
		const updates = [
			{ site: "a", path: await store([0.1, 3]), weight: 3 },
			{ site: "b", path: await store([7, 1e-3]), weight: 4 },
		];
		const base = await store([1, 2]);
		const [plain, scaled] = [fresh(), fresh()];
		await aggregateFiles({ updates, out: plain, threads: 0 });
		await aggregateFiles({
			updates: updates.map((update) => ({ ...update, scale: 1 })),
			base,
			out: scaled,
			threads: 0,
		});
		expect(await sha256File(scaled)).toBe(await sha256File(plain));
		for (const scale of [0, -1, 1.5, Number.NaN])
			await expect(
				aggregateFiles({ updates: updates.map((update) => ({ ...update, scale })), base, out: fresh() }),
			).rejects.toBeInstanceOf(RangeError);
		const half = updates.map((update) => ({ ...update, scale: 0.5 }));
		await expect(aggregateFiles({ updates: half, out: fresh() })).rejects.toThrow("need a base");
	});
});

describe("a clipped run", () => {
	const finish = async (
		path: string,
		changes: Parameters<typeof simulateToy>[1],
		until?: RoundEvent["kind"],
	) => {
		const events: RoundEvent[] = [];
		for await (const event of simulateToy(path, changes)) {
			events.push(event);
			if (event.kind === until) break;
		}
		return events;
	};
	const sites = ["ann", "bob"].map((site) => ({ site, app: toyApp(site) }));
	const limited = { sites, numRounds: 2, clipNorm: 0.25 };

	test.each(["float32", "bfloat16"] as const)(
		"says so, names each clipped update, and resumes to the same bytes (%s)",
		async (updateDtype) => {
			await using whole = await temporaryDir();
			const changes = { ...limited, updateDtype };
			const events = await finish(whole.path, changes);
			expect(theKind(events, "run.started")).toMatchObject({ privacy: "clipped", clipNorm: 0.25 });
			const clipped = ofKind(events, "update.clipped").filter(({ by }) => by === "site");
			expect(clipped.length).toBeGreaterThanOrEqual(2);
			for (const { norm: before, limit } of clipped) expect([before > 0.25, limit]).toEqual([true, 0.25]);
			for (const { norm: arrived } of ofKind(events, "update.received"))
				expect(arrived).toBeLessThanOrEqual(0.2502);
			await using cut = await temporaryDir();
			await finish(cut.path, changes, "round.accepted");
			expect(theKind(await finish(cut.path, changes), "run.completed")).toMatchObject({
				weightsSha256: theKind(events, "run.completed").weightsSha256,
			});
		},
	);

	test("without a limit nothing is measured and nothing is claimed", async () => {
		await using place = await temporaryDir();
		const events = await finish(place.path, { sites, numRounds: 1 });
		expect(theKind(events, "run.started")).toMatchObject({ privacy: "none", clipNorm: null });
		expect(ofKind(events, "update.received").every(({ norm: arrived }) => arrived === null)).toBe(true);
		expect(ofKind(events, "update.clipped")).toEqual([]);
	});

	test("an update that its site did not clip is measured when it comes, and scaled in the aggregate", async () => {
		await using harness = await startServer();
		const node = await harness.join("ann");
		const weights = harness.store.list()[0]?.sha256 ?? "";
		const message = taskOf("1", { weights, clipNorm: 1 });
		harness.grid.send([
			{
				site: "ann",
				message,
				expects: new Map([
					["w", { dtype: "float32", shape: [3] }],
					["b", { dtype: "float32", shape: [1] }],
				]),
			},
		]);
		const received = await node.pull();
		if (received === undefined) throw new RangeError("no task");
		expect(received.task.clipNorm).toBe(1);
		const changed = new Map([
			["w", float32Array([3], [2, 2, 2])],
			["b", float32Array([1], [2])],
		]);
		const reply = await node.reply(received, { kind: "update", numSamples: 2, metrics: {} }, changed);
		expect(await node.push(reply, received)).toBeUndefined();
		const outcome = harness.outcomes.at(-1);
		if (outcome?.kind !== "update") throw new RangeError("no update");
		expect(outcome.norm).toBe(4);

		await using place = await temporaryDir();
		await using log = await openEventLog(join(place.path, "events.jsonl"));
		const recorder = new RunRecorder(log, manualClock());
		const started = {
			kind: "run.started",
			runId: "r",
			seed: 0,
			numRounds: 1,
			numLocalSteps: 1,
			strategy: { name: "fedavg", options: {} },
			learning: null,
			updateDtype: "float32",
			privacy: "clipped",
			clipNorm: 1,
			weightsSha256: weights,
			weightsSizeBytes: 1,
		} as const;
		const { sha256, sizeBytes, numSamples, metrics, signed } = outcome;
		const update = {
			kind: "update.received",
			round: 1,
			site: "ann",
			sha256,
			sizeBytes,
			numSamples,
			metrics,
			norm: 4,
			signed,
		} as const;
		const opening = { kind: "round.started", round: 1, attempt: 1, sites: ["ann"], proximalMu: 0 } as const;
		for await (const _ of recorder.record([started, opening, update])) continue;
		const { open } = recorder.state;
		if (open === null) throw new RangeError("no round");
		const whole = await openObjectStore(harness.store.dir);
		const options = resolveRounds({
			runId: "r",
			seed: 0,
			numRounds: 1,
			numLocalSteps: 1,
			learning: null,
			strategy: fedAvg(),
			initialWeightsPath: "",
			grid: harness.grid,
			log,
			store: whole,
			clock: manualClock(),
			clipNorm: 1,
		});
		const events: RoundEvent[] = [];
		for await (const event of aggregateRound(options, recorder, open)) events.push(event);
		expect(theKind(events, "update.clipped")).toMatchObject({ site: "ann", by: "server", norm: 4, limit: 1 });
		expect(theKind(events, "round.accepted").updates).toMatchObject([
			{ site: "ann", weight: 1, scale: 0.25 },
		]);
		const { path } = whole.get(theKind(events, "round.aggregated").weightsSha256);
		using made = openSafetensors(path);
		expect([...made.readFloat32("w").data, ...made.readFloat32("b").data]).toEqual([0.5, 0.5, 0.5, 0.5]);
	});
});
