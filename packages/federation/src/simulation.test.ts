import { once } from "node:events";
import { existsSync } from "node:fs";
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { float32Array, type NamedArrays } from "@zk0/arrays";
import { openSafetensors, writeSafetensorsFile } from "@zk0/arrays/node";
import { describe, expect, test } from "vitest";
import { systemClock } from "./clock.ts";
import { openEventLog } from "./event-log.ts";
import type { RoundEvent } from "./events.ts";
import type { SimulationOptions } from "./simulation.ts";
import { fedAvg } from "./strategies/fedavg.ts";
import { fedProx } from "./strategies/fedprox.ts";
import type { Strategy } from "./strategy.ts";
import { faultyTransport } from "./testing/faulty-transport.ts";
import { type ToyOptions, temporaryDir, toyApp, toyWeights } from "./testing/toy-app.ts";
import { hurriedClock, ofKind, SITES, simulateToy, theKind } from "./testing/toy-run.ts";

type Changes = Partial<Omit<SimulationOptions, "log" | "dir" | "initialWeightsPath">>;

/** Events of a toy federation run to its end in a directory of its own. */
async function run(changes: Changes = {}, onEvent?: (event: RoundEvent) => void): Promise<RoundEvent[]> {
	await using dir = await temporaryDir();
	const events: RoundEvent[] = [];
	for await (const event of simulateToy(dir.path, changes)) {
		events.push(event);
		onEvent?.(event);
	}
	return events;
}

/** The toy sites with `ann` changed. */
function withAnn(options: ToyOptions): SimulationOptions["sites"] {
	return SITES.map((site) => ({ site, app: toyApp(site, site === "ann" ? options : {}) }));
}

function finalHash(events: readonly RoundEvent[]): string {
	return theKind(events, "run.completed").weightsSha256;
}

describe("simulate", () => {
	test.each([fedAvg(), fedProx({ mu: 0.1 })])("$name learns: the loss falls", async (strategy) => {
		const events = await run({ strategy });
		const losses = ofKind(events, "round.evaluated").map(({ loss }) => loss ?? Number.NaN);
		expect(losses).toHaveLength(4);
		expect(losses.at(-1)).toBeLessThan(0.2 * (losses[0] ?? 0));
		expect(ofKind(events, "round.accepted").every(({ updates }) => updates.length === 4)).toBe(true);
	});

	test("the same seed gives the same bytes, whatever order the sites finish in", async () => {
		const hashes = new Set<string>();
		const orders = [SITES, [...SITES].reverse(), ["cyd", "ann", "dan", "bob"]];
		for (const order of orders) {
			const { sites, onEvent } = inOrder(order);
			const events = await run({ sites, concurrency: 4 }, onEvent);
			hashes.add(finalHash(events));
			const received = ofKind(events, "update.received").map(({ site }) => site);
			expect(received.slice(0, 4)).toEqual(order);
		}
		hashes.add(finalHash(await run({ concurrency: 1 })));
		expect(hashes.size).toBe(1);
	});

	test("another seed, another mu or another number of steps gives other bytes; mu 0 is FedAvg", async () => {
		const base = finalHash(await run());
		expect(finalHash(await run({ seed: 8 }))).not.toBe(base);
		expect(finalHash(await run({ numLocalSteps: 9 }))).not.toBe(base);
		expect(finalHash(await run({ strategy: fedProx({ mu: 0.5 }) }))).not.toBe(base);
		expect(finalHash(await run({ strategy: fedProx({ mu: 0 }) }))).toBe(base);
	});

	test("one site alone keeps its weights bit for bit", async () => {
		const events = await run({ sites: [{ site: "ann", app: toyApp("ann") }], numRounds: 1, minSites: 1 });
		expect(theKind(events, "update.received").sha256).toBe(finalHash(events));
	});

	test("tells the story in order, with bytes and per-site losses", async () => {
		const events = await run({ numRounds: 1 });
		const kinds = events
			.map(({ kind }) => kind)
			.filter((kind) => kind !== "task.progress" && kind !== "run.waiting");
		const four = <T>(kind: T): T[] => [kind, kind, kind, kind];
		expect(kinds).toEqual([
			"run.started",
			...four("site.joined"),
			...four("task.sent"),
			...four("site.evaluated"),
			"round.evaluated",
			"round.started",
			...four("task.sent"),
			...four("update.received"),
			"updates.compared",
			"round.accepted",
			"round.aggregated",
			...four("task.sent"),
			...four("site.evaluated"),
			"round.evaluated",
			"run.completed",
		]);
		const [before, after] = ofKind(events, "round.evaluated");
		expect(Object.keys(before?.perSite ?? {})).toEqual(SITES);
		expect(after?.bytesUp).toBeGreaterThan(4 * 200);
		expect(after?.bytesDown).toBeGreaterThan(4 * 200);
		const weights = theKind(events, "round.accepted").updates.map(({ weight }) => weight);
		expect(weights.reduce((sum, weight) => sum + weight)).toBeCloseTo(1, 12);
	});

	test("samples a part of the sites, the same ones for the same seed", async () => {
		const strategy = fedAvg({ fraction: 0.5, minSites: 1 });
		const rounds = async (): Promise<(readonly string[])[]> =>
			ofKind(await run({ strategy, numRounds: 4 }), "round.started").map(({ sites }) => sites);
		const first = await rounds();
		expect(first.every((sites) => sites.length === 2)).toBe(true);
		expect(new Set(first.map((sites) => sites.join())).size).toBeGreaterThan(1);
		expect(await rounds()).toEqual(first);
	});

	test("carries a strategy's state and per-tensor slots from round to round", async () => {
		const events = await run({ strategy: momentum, numRounds: 2 });
		const [first, second] = ofKind(events, "round.aggregated");
		expect([first?.strategyState, second?.strategyState]).toEqual([1, 2]);
		expect(first?.slotsSha256).toMatch(/^[0-9a-f]{64}$/);
		expect(second?.slotsSha256).not.toBe(first?.slotsSha256);
		expect(finalHash(events)).not.toBe(finalHash(await run({ numRounds: 2 })));
	});
});

describe("when sites fail", () => {
	const drop =
		(name: string): ((update: NamedArrays) => NamedArrays) =>
		(update) =>
			new Map([...update].filter(([tensor]) => tensor !== name));
	const set =
		(name: string, values: readonly number[]): ((update: NamedArrays) => NamedArrays) =>
		(update) =>
			new Map([...update, [name, float32Array([values.length], values)]]);

	test.each([
		["not-finite", { spoil: set("w", [1, Number.NaN, 2]) }],
		["missing-tensor", { spoil: drop("b") }],
		["extra-tensor", { spoil: set("c", [1]) }],
		["wrong-shape", { spoil: set("w", [1, 2]) }],
		["zero-samples", { numSamples: 0 }],
	])(
		"a bad update (%s) is rejected with its code and the others go on",
		async (code, options: ToyOptions) => {
			const events = await run({ sites: withAnn(options), numRounds: 1 });
			expect(ofKind(events, "update.rejected")).toMatchObject([
				{ site: "ann", round: 1, code, endsTask: true },
			]);
			const accepted = theKind(events, "round.accepted").updates.map(({ site }) => site);
			expect(accepted).toEqual(["bob", "cyd", "dan"]);
			expect(finalHash(events)).toBe(
				finalHash(await run({ sites: withAnn({ before: failing }), numRounds: 1 })),
			);
		},
	);

	test("an app that throws is an event; its evaluation is null, not a number", async () => {
		const events = await run({ sites: withAnn({ before: failing }), numRounds: 1 });
		expect(ofKind(events, "site.failed").map(({ site, phase, code }) => [site, phase, code])).toEqual([
			["ann", "evaluate", "client-app"],
			["ann", "train", "client-app"],
			["ann", "evaluate", "client-app"],
		]);
		expect(ofKind(events, "round.evaluated").every(({ perSite }) => perSite["ann"] === null)).toBe(true);
		expect(finalHash(events)).toBeDefined();
	});

	test("a client that dies in the middle of a round is noticed, and the run ends without it", async () => {
		let isDead = false;
		const events = await run({
			clock: hurriedClock(),
			sites: withAnn({
				before: async (_phase, task) => {
					if (task.round === 2) isDead = true;
				},
			}),
			wrapTransport: (site, transport) =>
				faultyTransport(transport, () => (site === "ann" && isDead ? { kind: "drop-request" } : null)),
		});
		const failures = ofKind(events, "site.failed");
		expect(failures).toMatchObject([{ site: "ann", round: 2, phase: "train", code: "offline" }]);
		expect(ofKind(events, "site.left")).toMatchObject([{ site: "ann", reason: "offline" }]);
		expect(ofKind(events, "round.accepted").map(({ updates }) => updates.length)).toEqual([4, 3, 3]);
		finalHash(events);
	});

	test("`wait` keeps the task of a site that is offline for a while, and nothing is lost", async () => {
		let numLost = 0;
		const changes: Changes = {
			offlineSites: "wait",
			clock: hurriedClock(),
			// Ann's connection is gone for long enough to be given up; then the same client comes back.
			sites: SITES.map((site) => ({ site, app: toyApp(site) })),
			wrapTransport: (site, transport) =>
				faultyTransport(transport, (method) => {
					if (site !== "ann" || method !== "PushMessages" || numLost >= 3) return null;
					numLost++;
					return { kind: "drop-request" };
				}),
		};
		expect(finalHash(await run(changes))).toBe(finalHash(await run()));
		expect(numLost).toBe(3);
	});

	test("lost, doubled and broken calls change nothing", async () => {
		const calm = finalHash(await run());
		const events = await run({
			clock: hurriedClock(),
			wrapTransport: (_site, transport) =>
				faultyTransport(transport, (method, index) => {
					const kinds = [null, "drop-request", "drop-response", "duplicate"] as const;
					const kind = kinds[(index * 7 + method.length) % 4] ?? null;
					return kind === null ? null : { kind };
				}),
		});
		expect(finalHash(events)).toBe(calm);
	});

	test("too few updates: bounded attempts, then a typed failure that can be resumed", async () => {
		await using dir = await temporaryDir();
		let isBroken = true;
		const before = async (): Promise<void> => {
			if (isBroken) throw new RangeError("out of memory");
		};
		const sites = SITES.map((site) => ({ site, app: toyApp(site, site < "c" ? { before } : {}) }));
		const options: Changes = { sites, quorum: 3, maxAttempts: 2, numRounds: 1 };
		const events: RoundEvent[] = [];
		for await (const event of simulateToy(dir.path, options)) events.push(event);
		expect(ofKind(events, "round.failed")).toMatchObject([
			{ attempt: 1, numReceived: 2, numNeeded: 3 },
			{ attempt: 2, numReceived: 2, numNeeded: 3 },
		]);
		expect(ofKind(events, "round.started").map(({ sites: asked }) => asked)).toEqual([SITES, ["ann", "bob"]]);
		expect(events.at(-1)).toMatchObject({ kind: "run.failed", code: "too-few-updates" });
		isBroken = false;
		const resumed: RoundEvent[] = [];
		for await (const event of simulateToy(dir.path, options)) resumed.push(event);
		expect(theKind(resumed, "run.resumed")).toMatchObject({ numUpdatesKept: 2, lostUpdates: [] });
		expect(
			ofKind(resumed, "update.received")
				.map(({ site }) => site)
				.sort(),
		).toEqual(["ann", "bob"]);
		expect(finalHash(resumed)).toBe(finalHash(await run({ numRounds: 1 })));
	});

	/** Time to join runs out as soon as `numSites` have joined. */
	function joiningEndsAfter(numSites: number): { changes: Changes; onEvent: (event: RoundEvent) => void } {
		const joinTimeoutMs = 123_456;
		const clock = systemClock();
		let numJoined = 0;
		const expired = new AbortController();
		return {
			changes: {
				joinTimeoutMs,
				clock: {
					now: () => clock.now() + (expired.signal.aborted ? joinTimeoutMs : 0),
					// What is left of the time to join is the only pause of that length.
					sleep: (ms, options) =>
						ms > 100_000 && ms <= joinTimeoutMs && !expired.signal.aborted
							? Promise.race([once(expired.signal, "abort").then(() => undefined), clock.sleep(ms, options)])
							: clock.sleep(ms, options),
				},
			},
			onEvent: ({ kind }) => {
				if (kind === "site.joined") numJoined++;
				if (numJoined >= numSites) expired.abort();
			},
		};
	}

	test("too few sites: waits, then a typed failure", async () => {
		const { changes, onEvent } = joiningEndsAfter(4);
		const events = await run({ ...changes, minSites: 5, minSitesToStart: 5 }, onEvent);
		expect(ofKind(events, "run.waiting").at(-1)).toMatchObject({ numOnline: 4, numNeeded: 5 });
		expect(events.at(-1)).toMatchObject({ kind: "run.failed", code: "too-few-sites" });
	});

	test("fewer sites than hoped for, but enough: goes on when the time is up", async () => {
		const { changes, onEvent } = joiningEndsAfter(4);
		const events = await run({ ...changes, minSitesToStart: 5, numRounds: 1 }, onEvent);
		finalHash(events);
		expect(theKind(events, "round.started").sites).toEqual(SITES);
	});
});

describe("ownership", () => {
	const openFiles = async (): Promise<number> => (await readdir("/proc/self/fd")).length;

	test.runIf(existsSync("/proc/self/fd"))("no file stays open, however the run ends", async () => {
		await run({ numRounds: 1 });
		const before = await openFiles();
		await run({ numRounds: 1 });
		for (const last of [
			"task.sent",
			"update.received",
			"round.accepted",
			"round.aggregated",
			"site.evaluated",
		]) {
			await using dir = await temporaryDir();
			for await (const event of simulateToy(dir.path, { numRounds: 1 })) if (event.kind === last) break;
		}
		expect(await openFiles()).toBe(before);
	});
});

describe("options", () => {
	test("numbers out of range and repeated names are refused", async () => {
		const bad: Changes[] = [
			{ numRounds: -1 },
			{ numLocalSteps: 0 },
			{ minSites: 0 },
			{ maxAttempts: 0 },
			{ seed: 0.5 },
			{ sites: [...SITES, "ann"].map((site) => ({ site, app: toyApp(site) })) },
		];
		for (const changes of bad) await expect(run(changes)).rejects.toThrow(RangeError);
	});

	test("initial weights that are not finite or hold nothing are refused", async () => {
		await using dir = await temporaryDir();
		const initialWeightsPath = join(dir.path, "bad.safetensors");
		for (const weights of [new Map(), new Map([...toyWeights(), ["w", float32Array([1], [Number.NaN])]])]) {
			await writeSafetensorsFile(initialWeightsPath, weights);
			const next = simulateToy(dir.path, {}, initialWeightsPath).next();
			await expect(next).rejects.toMatchObject({ code: "bad-weights" });
		}
		await using log = await openEventLog(join(dir.path, "events.jsonl"));
		expect(log.events).toEqual([]);
	});

	test("no rounds: the initial weights are evaluated and come out", async () => {
		const events = await run({ numRounds: 0 });
		expect(finalHash(events)).toBe(theKind(events, "run.started").weightsSha256);
		expect(theKind(events, "round.evaluated").loss).toBeGreaterThan(0);
	});

	test("the aggregate is in the store under its hash when its event is out", async () => {
		await using dir = await temporaryDir();
		for await (const event of simulateToy(dir.path)) {
			if (event.kind !== "round.aggregated") continue;
			using file = openSafetensors(join(dir.path, "server", "objects", event.weightsSha256));
			expect([...file.entries.keys()]).toEqual(["b", "w"]);
		}
	});
});

/** FedAvg with server momentum, as a strategy with state and slots. */
const momentum: Strategy<number> = {
	name: "momentum",
	options: null,
	init: () => 0,
	configure: (_state, { sites }) => ({ sites, proximalMu: 0 }),
	aggregate: (state, updates) => ({
		state: state + 1,
		weights: updates.map(({ numSamples }) => numSamples),
		serverStep: {
			slots: ["v"],
			apply(mean, current, [v = new Float32Array(0)]) {
				for (let i = 0; i < mean.length; i++) {
					v[i] = 0.5 * (v[i] ?? 0) + (mean[i] ?? 0) - (current[i] ?? 0);
					mean[i] = (current[i] ?? 0) + (v[i] ?? 0);
				}
			},
		},
	}),
};

const failing = (): Promise<never> => Promise.reject(new RangeError("broken camera"));

/** Toy sites that deliver in this order: each waits until the result of the one before is recorded. */
function inOrder(order: readonly string[]): {
	readonly sites: SimulationOptions["sites"];
	readonly onEvent: (event: RoundEvent) => void;
} {
	const isRecorded = new Set<string>();
	const waiting = new Map<string, () => void>();
	const recorded = (key: string): Promise<void> =>
		isRecorded.has(key) ? Promise.resolve() : new Promise((resolve) => waiting.set(key, resolve));
	return {
		sites: SITES.map((site) => {
			const before: ToyOptions["before"] = async (phase, { round }) => {
				const earlier = order[order.indexOf(site) - 1];
				if (earlier !== undefined) await recorded(`${phase}/${round}/${earlier}`);
			};
			return { site, app: toyApp(site, { before }) };
		}),
		onEvent: (event) => {
			if (event.kind !== "update.received" && event.kind !== "site.evaluated") return;
			const phase = event.kind === "update.received" ? "train" : "evaluate";
			const key = `${phase}/${event.round}/${event.site}`;
			isRecorded.add(key);
			waiting.get(key)?.();
		},
	};
}
