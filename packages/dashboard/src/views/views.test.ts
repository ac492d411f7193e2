// Views folded from events: what they say, what they leave open, and that folding goes on where it was interrupted.
import type { RoundEvent } from "@zk0/federation/events";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
	asServed,
	emptyRunView,
	foldRun,
	foldSites,
	runViewSchema,
	type SiteHistories,
	viewRound,
} from "./index.ts";
import { spreadOf } from "./spread.ts";

const hash = (digit: number): string => String(digit).repeat(64);
let seconds = 0;
const at = (): string => new Date(Date.UTC(2026, 10, 23) + 1000 * seconds++).toISOString();

const update = (site: string, round: number, metrics: Record<string, number> = {}): RoundEvent => ({
	kind: "update.received",
	at: at(),
	round,
	site,
	sha256: hash(1),
	sizeBytes: 100,
	numSamples: 8,
	norm: 1.5,
	metrics: { loss: 0.5, ...metrics },
	signed: null,
});
const sent = (site: string, round: number, phase: "train" | "evaluate"): RoundEvent => ({
	kind: "task.sent",
	at: at(),
	round,
	phase,
	site,
});
const evaluated = (site: string, round: number, loss: number | null): RoundEvent => ({
	kind: "site.evaluated",
	at: at(),
	round,
	site,
	loss,
	numSamples: 4,
	metrics: { "jointError.pan.pos": 2 },
});

/** Two sites; in round 2 one is refused and the other goes on after a restart. */
const EVENTS: readonly RoundEvent[] = [
	{
		kind: "run.started",
		at: at(),
		runId: "r1",
		seed: 1,
		numRounds: 3,
		numLocalSteps: 5,
		strategy: { name: "fedavg", options: null },
		learning: {},
		updateDtype: "float32",
		privacy: "none",
		clipNorm: null,
		weightsSha256: hash(0),
		weightsSizeBytes: 100,
	},
	{ kind: "site.joined", at: at(), site: "bob", numSamples: 20, details: { fps: 10 }, publicKey: null },
	{ kind: "site.joined", at: at(), site: "ann", numSamples: 30, details: {}, publicKey: null },
	sent("ann", 0, "evaluate"),
	sent("bob", 0, "evaluate"),
	evaluated("ann", 0, 1),
	evaluated("bob", 0, null),
	{
		kind: "round.evaluated",
		at: at(),
		round: 0,
		loss: 1,
		perSite: { ann: 1, bob: null },
		bytesUp: null,
		bytesDown: 200,
	},
	{ kind: "round.started", at: at(), round: 1, attempt: 1, sites: ["ann", "bob"], proximalMu: 0 },
	sent("ann", 1, "train"),
	sent("bob", 1, "train"),
	update("ann", 1, { pullSeconds: 0.25, workSeconds: 0.5, samplesPerSecond: 9 }),
	update("bob", 1),
	{
		kind: "updates.compared",
		at: at(),
		round: 1,
		numElements: 10,
		numTotal: 40,
		sites: [
			{ site: "ann", norm: 1.5, alignment: -0.25 },
			{ site: "bob", norm: 2.5, alignment: null },
		],
		cosines: [[], [-0.25]],
	},
	{
		kind: "round.accepted",
		at: at(),
		round: 1,
		updates: ["ann", "bob"].map((site) => ({ site, sha256: hash(1), numSamples: 8, weight: 0.5, scale: 1 })),
	},
	{
		kind: "round.aggregated",
		at: at(),
		round: 1,
		weightsSha256: hash(2),
		strategyState: null,
		slotsSha256: null,
		numUpdates: 2,
		seconds: 0.1,
	},
	evaluated("ann", 1, 0.8),
	evaluated("bob", 1, 0.6),
	{
		kind: "round.evaluated",
		at: at(),
		round: 1,
		loss: 0.7,
		perSite: { ann: 0.8, bob: 0.6 },
		bytesUp: 300,
		bytesDown: 400,
	},
	{ kind: "round.started", at: at(), round: 2, attempt: 1, sites: ["ann", "bob"], proximalMu: 0 },
	sent("ann", 2, "train"),
	sent("bob", 2, "train"),
	{
		kind: "update.rejected",
		at: at(),
		round: 2,
		site: "ann",
		code: "not-finite",
		message: "w holds NaN",
		endsTask: true,
	},
	{ kind: "run.resumed", at: at(), round: 2, numUpdatesKept: 0, numEvaluationsKept: 0, lostUpdates: [] },
	sent("bob", 2, "train"),
];

function viewOf(events: readonly RoundEvent[]) {
	const view = emptyRunView();
	for (const event of events) foldRun(view, event);
	return view;
}

describe("a run's view", () => {
	const view = viewOf(EVENTS);

	test("says where the run stands and who took part", () => {
		expect(view).toMatchObject({ runId: "r1", status: "running", phase: { round: 2, kind: "train" } });
		expect(view.sites).toMatchObject([
			{ site: "ann", firstLoss: 1, loss: 0.8, numUpdates: 1, numProblems: 1, participation: "-tr" },
			{ site: "bob", firstLoss: null, loss: 0.6, numUpdates: 1, numProblems: 0, participation: "-tw" },
		]);
		expect(view.rounds.map(({ loss, numCounted, bytesUp }) => [loss, numCounted, bytesUp])).toEqual([
			[1, null, null],
			[0.7, 2, 300],
			[null, null, null],
		]);
		expect(view.rounds[0]?.spread).toBeNull();
		expect(view.rounds[1]?.spread).toEqual({ min: 0.6, q1: 0.65, median: 0.7, q3: 0.75, max: 0.8 });
	});

	test("has its name and its end from its server where the log says nothing of them", () => {
		expect(asServed(emptyRunView(), "r2", "stopped")).toEqual({
			...emptyRunView(),
			runId: "r2",
			status: "stopped",
			phase: { round: 0, kind: "over" },
		});
		expect(asServed(view, "r1", "running")).toEqual(view);
	});

	test("keeps the last two rounds' tasks; one sent again after a restart goes on", () => {
		expect(view.timelines.map(({ round }) => round)).toEqual([1, 2]);
		expect(view.timelines[0]?.tasks[0]).toMatchObject({
			outcome: "done",
			pullSeconds: 0.25,
			workSeconds: 0.5,
		});
		expect(view.timelines[1]?.tasks.map(({ site, outcome }) => [site, outcome])).toEqual([
			["ann", "refused"],
			["bob", "open"],
		]);
	});

	test("tells what went wrong and what to do", () => {
		expect(view.incidents).toMatchObject([
			{
				site: "ann",
				severity: "error",
				text: "ann sent weights that are not numbers",
				detail: "w holds NaN",
			},
			{ severity: "note", text: "the run went on in round 2 after a restart" },
		]);
		expect(view.incidents[0]?.cure).toContain("learning rate");
	});

	test("sent as JSON in the middle and folded on, it is the same", () => {
		fc.assert(
			fc.property(fc.integer({ min: 0, max: EVENTS.length }), (cut) => {
				const first = viewOf(EVENTS.slice(0, cut));
				const there = runViewSchema.parse(JSON.parse(JSON.stringify(first)));
				for (const event of EVENTS.slice(cut)) foldRun(there, event);
				expect(there).toEqual(view);
			}),
		);
	});

	test("ends as its log ends, and keeps a bounded number of incidents", () => {
		const message = "no space";
		const failed = viewOf([...EVENTS, { kind: "run.failed", at: at(), code: "disk-full", message }]);
		expect([failed.status, failed.phase.kind, failed.incidents.at(-1)?.detail]).toEqual([
			"failed",
			"over",
			"disk-full: no space",
		]);
		expect(viewOf([...EVENTS, { kind: "run.stopped", at: at(), round: 2 }]).status).toBe("stopped");
		const leaving: RoundEvent = { kind: "site.left", at: at(), site: "ann", reason: "offline" };
		const many = viewOf(Array.from({ length: 150 }, () => leaving));
		expect([many.incidents.length, many.numIncidents]).toEqual([100, 150]);
	});
});

test("a round in full has every site's part and nothing of other rounds", () => {
	const second = viewRound(2, EVENTS);
	expect(second.parts.map(({ site, state, update }) => [site, state, update])).toEqual([
		["ann", "refused", null],
		["bob", "asked", null],
	]);
	expect(second.incidents.map(({ severity }) => severity)).toEqual(["error", "note"]);
	const first = viewRound(1, EVENTS);
	expect(first).toMatchObject({ loss: 0.7, weightsSha256: hash(2), bytesUp: 300, attempt: 1 });
	expect(first.parts[0]).toMatchObject({ state: "counted", weight: 0.5, loss: 0.8, training: { loss: 0.5 } });
	expect(first.parts.map(({ norm, alignment }) => [norm, alignment])).toEqual([
		[1.5, -0.25],
		[2.5, null],
	]);
	const similarity = { numElements: 10, numTotal: 40, sites: ["ann", "bob"], cosines: [[], [-0.25]] };
	expect([first.similarity, second.similarity]).toEqual([similarity, null]);
	expect(viewRound(9, EVENTS)).toMatchObject({ timeline: null, parts: [] });
});

test("a site's history has a column per measurement, with gaps where nothing was measured", () => {
	const histories: SiteHistories = new Map();
	for (const event of EVENTS) foldSites(histories, event);
	expect(histories.get("bob")).toMatchObject({
		details: { fps: 10 },
		numSamples: 20,
		loss: [null, 0.6],
		weight: [null, 0.5],
		training: { loss: [null, 0.5] },
		heldOut: { "jointError.pan.pos": [2, 2] },
	});
	expect(histories.get("ann")?.incidents).toHaveLength(1);
});

test("a spread lies within its ends, in order, whatever the values", () => {
	fc.assert(
		fc.property(fc.array(fc.option(fc.integer({ min: -1000, max: 1000 }))), (values) => {
			const spread = spreadOf(values);
			const known = values.filter((value) => value !== null);
			expect(spread === null).toBe(known.length < 2);
			if (spread === null) return;
			const { min, q1, median, q3, max } = spread;
			expect([min, max]).toEqual([Math.min(...known), Math.max(...known)]);
			expect([min, q1, median, q3, max].toSorted((a, b) => a - b)).toEqual([min, q1, median, q3, max]);
		}),
	);
});
