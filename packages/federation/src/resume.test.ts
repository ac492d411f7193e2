// A run that is interrupted anywhere and resumed ends at the bytes of an undisturbed one.
import { cp, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { beforeAll, describe, expect, test } from "vitest";
import type { RoundEvent } from "./events.ts";
import { TRANSIENT_KINDS } from "./events.ts";
import type { SimulationOptions } from "./simulation.ts";
import { fedAvg } from "./strategies/fedavg.ts";
import { fedProx } from "./strategies/fedprox.ts";
import { smallDisk } from "./testing/small-disk.ts";
import { temporaryDir, toyApp } from "./testing/toy-app.ts";
import { hurriedClock, ofKind, SITES, simulateToy, theKind } from "./testing/toy-run.ts";

type Changes = Partial<Omit<SimulationOptions, "log" | "dir" | "initialWeightsPath">>;

/** Two sites are enough to have every kind of event twice. */
const PAIR = ["ann", "bob"];
const BASE: Changes = {
	numRounds: 2,
	strategy: fedProx({ mu: 0.1 }),
	sites: PAIR.map((site) => ({ site, app: toyApp(site) })),
};
let undisturbed = "";
let numStored = 0;
let comparisons: readonly string[] = [];

/** How the updates of each round lay to each other. */
const comparisonsOf = (events: readonly RoundEvent[]): string[] =>
	ofKind(events, "updates.compared").map(({ round, sites, cosines }) =>
		JSON.stringify([round, sites, cosines]),
	);

async function finish(dir: string, changes: Changes = BASE): Promise<RoundEvent[]> {
	const events: RoundEvent[] = [];
	for await (const event of simulateToy(dir, changes)) events.push(event);
	return events;
}

/** Consumes `count` stored events and then drops everything on the floor. */
async function interrupt(dir: string, count: number, changes: Changes = BASE): Promise<void> {
	let numSeen = 0;
	for await (const event of simulateToy(dir, changes)) {
		if (!TRANSIENT_KINDS.has(event.kind)) numSeen++;
		if (numSeen === count) return;
	}
}

beforeAll(async () => {
	await using dir = await temporaryDir();
	const events = await finish(dir.path);
	undisturbed = theKind(events, "run.completed").weightsSha256;
	comparisons = comparisonsOf(events);
	numStored = events.filter(({ kind }) => !TRANSIENT_KINDS.has(kind)).length;
});

describe("resume", () => {
	test("after stopping at every event boundary", async () => {
		expect(numStored).toBeGreaterThan(20);
		for (let count = 1; count < numStored; count++) {
			await using dir = await temporaryDir();
			await interrupt(dir.path, count);
			const events = await finish(dir.path);
			expect(theKind(events, "run.completed").weightsSha256).toBe(undisturbed);
			expect(events[0]?.kind).toBe("run.resumed");
			for (const found of comparisonsOf(events)) expect(comparisons).toContain(found);
		}
	});

	// Each takes every second prefix: which of the two is left makes no difference to the log.
	test.each([
		["all files of the later run", 0],
		["no updates and nothing at the clients", 1],
	] as const)(
		"from every second prefix of the log, with %s on disk",
		async (left, first) => {
			await using whole = await temporaryDir();
			const events = await finish(whole.path, { ...BASE, keepUpdates: left.startsWith("all") });
			const lines = (await readFile(join(whole.path, "events.jsonl"), "utf8")).trimEnd().split("\n");
			const updates = ofKind(events, "update.received").map(({ sha256 }) => sha256);
			for (let count = first; count <= lines.length; count += 2) {
				await using dir = await temporaryDir();
				await cp(whole.path, dir.path, { recursive: true });
				// A torn line after the prefix is what a kill in the middle of a write leaves.
				const prefix = lines.slice(0, count).map((line) => `${line}\n`);
				await writeFile(join(dir.path, "events.jsonl"), `${prefix.join("")}{"seq":${count},"pre`);
				if (!left.startsWith("all")) {
					for (const sha256 of updates)
						await rm(join(dir.path, "server", "objects", sha256), { force: true });
				}
				if (!left.startsWith("all")) await rm(join(dir.path, "clients"), { recursive: true });
				const again = ofKind(await finish(dir.path), "run.completed").map(
					({ weightsSha256 }) => weightsSha256,
				);
				expect(again).toEqual(count === lines.length ? [] : [undisturbed]);
			}
		},
		120_000,
	);

	test("keeps updates and evaluations: only unfinished work is done again", async () => {
		await using dir = await temporaryDir();
		let numTrained = 0;
		let numEvaluated = 0;
		const sites = PAIR.map((site) => ({
			site,
			app: toyApp(site, {
				before: async (phase) => {
					if (phase === "train") numTrained++;
					else numEvaluated++;
				},
			}),
		}));
		for await (const event of simulateToy(dir.path, { ...BASE, sites, concurrency: 1 })) {
			if (event.kind === "update.received" && event.round === 1) break;
		}
		const before = numTrained;
		const events = await finish(dir.path, { ...BASE, sites });
		expect(theKind(events, "run.resumed")).toMatchObject({
			round: 1,
			numUpdatesKept: 1,
			numEvaluationsKept: 2,
		});
		expect(numTrained - before).toBe(1 + 2);
		expect(numEvaluated).toBe(2 + 2 + 2);
		expect(theKind(events, "run.completed").weightsSha256).toBe(undisturbed);
	});

	test("asks again for an update that is damaged on disk", async () => {
		await using dir = await temporaryDir();
		let damaged = "";
		for await (const event of simulateToy(dir.path, BASE)) {
			if (event.kind !== "update.received") continue;
			damaged = event.site;
			await writeFile(join(dir.path, "server", "objects", event.sha256), "x");
			break;
		}
		const events = await finish(dir.path);
		expect(theKind(events, "run.resumed").lostUpdates).toEqual([damaged]);
		expect(theKind(events, "run.completed").weightsSha256).toBe(undisturbed);
	});

	test("a cancelled run stops cleanly and goes on later", async () => {
		await using dir = await temporaryDir();
		const stop = new AbortController();
		const events: RoundEvent[] = [];
		for await (const event of simulateToy(dir.path, { ...BASE, signal: stop.signal })) {
			events.push(event);
			if (event.kind === "round.started") stop.abort();
		}
		expect(events.at(-1)).toMatchObject({ kind: "run.stopped", round: 1 });
		expect(theKind(await finish(dir.path), "run.completed").weightsSha256).toBe(undisturbed);
		expect(await finish(dir.path)).toEqual([]);
	});

	test("a full disk stops the run with its code; with space again it goes on to the same bytes", async () => {
		for (const quotaBytes of [0, 200, 350, 600]) {
			await using dir = await temporaryDir();
			const fileSystem = smallDisk(quotaBytes);
			await expect(finish(dir.path, { ...BASE, fileSystem })).rejects.toMatchObject({ code: "disk-full" });
			fileSystem.refill(1e9);
			expect(theKind(await finish(dir.path, { ...BASE, fileSystem }), "run.completed").weightsSha256).toBe(
				undisturbed,
			);
		}
	});

	test("a recorded failure stays recorded: the accepted set is the same after resuming", async () => {
		const failing = (dir: string, isHealthy: boolean): AsyncGenerator<RoundEvent, void> => {
			const broken = { before: () => Promise.reject(new RangeError("broken")) };
			const sites = SITES.map((site) => ({
				site,
				app: toyApp(site, site === "ann" && !isHealthy ? broken : {}),
			}));
			return simulateToy(dir, { ...BASE, numRounds: 1, sites, concurrency: 1 });
		};
		await using dir = await temporaryDir();
		for await (const event of failing(dir.path, false)) {
			if (event.kind === "site.failed" && event.phase === "train") break;
		}
		const accepted: string[] = [];
		for await (const event of failing(dir.path, true)) {
			if (event.kind === "round.accepted") accepted.push(...event.updates.map(({ site }) => site));
		}
		expect(accepted).toEqual(["bob", "cyd", "dan"]);
	});

	test("refuses a log of another run, a tampered log, and damaged weights", async () => {
		await using dir = await temporaryDir();
		await interrupt(dir.path, 10);
		await expect(finish(dir.path, { ...BASE, seed: 9 })).rejects.toMatchObject({
			code: "log-mismatch",
			message: expect.stringContaining("seed"),
		});
		await expect(finish(dir.path, { ...BASE, strategy: fedAvg() })).rejects.toThrow("strategy");
		const path = join(dir.path, "events.jsonl");
		const text = await readFile(path, "utf8");
		await writeFile(path, text.replace('"numSamples":', '"numSamples":1'));
		await expect(finish(dir.path)).rejects.toMatchObject({ code: "log-tampered" });
		await writeFile(path, text);
		await using other = await temporaryDir();
		let weights = "";
		for await (const event of simulateToy(other.path, BASE)) {
			if (event.kind === "round.aggregated") weights = event.weightsSha256;
			if (event.kind === "round.evaluated" && event.round === 1) break;
		}
		await writeFile(join(other.path, "server", "objects", weights), "x");
		await expect(finish(other.path)).rejects.toMatchObject({ code: "corrupt-object" });
	});

	test("a site that is gone for good after a restart does not hold up the run", async () => {
		await using dir = await temporaryDir();
		const four = { ...BASE, sites: SITES.map((site) => ({ site, app: toyApp(site) })) };
		for await (const event of simulateToy(dir.path, four)) if (event.kind === "round.started") break;
		const sites = SITES.slice(1).map((site) => ({ site, app: toyApp(site) }));
		const events = await finish(dir.path, { ...BASE, sites, clock: hurriedClock() });
		expect(ofKind(events, "site.failed")[0]).toMatchObject({ site: "ann", phase: "train", code: "offline" });
		expect(ofKind(events, "round.accepted")[0]?.updates.map(({ site }) => site)).toEqual([
			"bob",
			"cyd",
			"dan",
		]);
		expect(theKind(events, "run.completed").numRounds).toBe(2);
	});
});
