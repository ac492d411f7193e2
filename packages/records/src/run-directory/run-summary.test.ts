import type { RoundEvent } from "@zk0/federation";
import { describe, expect, test } from "vitest";
import { sampleEvents } from "../testing/sample-events.ts";
import { summarizeRun } from "./run-summary.ts";

const SITES = ["kitchen", "workshop"];
const events = sampleEvents({ sites: SITES, numRounds: 3 });

function upTo(kind: RoundEvent["kind"], round: number): RoundEvent[] {
	const end = events.findLastIndex(
		(event) => event.kind === kind && "round" in event && event.round === round,
	);
	return events.slice(0, end + 1);
}

describe("summarizeRun", () => {
	test("a complete run has every number", () => {
		const run = summarizeRun(events);
		expect(run).toMatchObject({
			runId: "sample",
			status: "completed",
			failure: null,
			seed: 42,
			strategy: "fedprox",
			numRounds: 3,
			sites: SITES,
			incidents: [],
		});
		expect(run.rounds.map(({ round }) => round)).toEqual([0, 1, 2, 3]);
		expect(run.initialLoss).toBe(run.rounds[0]?.loss);
		expect(run.finalLoss).toBe(run.rounds[3]?.loss);
		expect(run.bytesUp).toBe(2 * 2000 + 3 * 2 * 4_002_000);
		expect(run.rounds[2]?.sites["kitchen"]).toMatchObject({ numSamples: 320, weight: 0.5, failure: null });
		expect(run.seconds).toBeCloseTo(31.9 - 0.0, 0);
	});

	test("an empty log has no number at all", () => {
		expect(summarizeRun([])).toEqual({
			runId: null,
			status: "running",
			failure: null,
			seed: null,
			strategy: null,
			numRounds: null,
			numLocalSteps: null,
			sites: [],
			rounds: [],
			initialLoss: null,
			finalLoss: null,
			bytesUp: null,
			bytesDown: null,
			startedAt: null,
			seconds: null,
			timeline: [],
			incidents: [],
		});
	});

	test("a round that was aggregated but not measured has null losses, not zeros", () => {
		const run = summarizeRun(upTo("round.aggregated", 2));
		expect(run.status).toBe("running");
		expect(run.rounds.at(-1)).toMatchObject({ round: 2, loss: null, bytesUp: null });
		expect(run.rounds.at(-1)?.sites["kitchen"]?.heldOutLoss).toBeNull();
		expect(run.finalLoss).toBeNull();
		expect(run.bytesUp).toBeNull();
	});

	test("a round in progress is not a round yet", () => {
		expect(summarizeRun(upTo("update.received", 2)).rounds.map(({ round }) => round)).toEqual([0, 1]);
	});

	test("a site that failed is named with its reason, and its numbers are null", () => {
		const at = "2026-11-23T12:00:20.000Z";
		const failed: RoundEvent = {
			kind: "site.failed",
			at,
			round: 1,
			phase: "train",
			site: "workshop",
			code: "client-app",
			message: "disk full",
		};
		const without = events.filter((event) => {
			return !(event.kind === "update.received" && event.round === 1 && event.site === "workshop");
		});
		const run = summarizeRun([...without.slice(0, 12), failed, ...without.slice(12)]);
		expect(run.rounds[1]?.sites["workshop"]).toMatchObject({
			numSamples: null,
			training: null,
			failure: "client-app: disk full",
		});
		expect(run.incidents).toEqual([{ at, text: "round 1: workshop failed to train, client-app: disk full" }]);
	});

	test("time between a stop and the resume does not count", () => {
		const before = upTo("round.evaluated", 1);
		const lastMs = Date.parse(before.at(-1)?.at ?? "");
		const later = (aheadMs: number): string => new Date(lastMs + aheadMs).toISOString();
		const run = summarizeRun([
			...before,
			{ kind: "run.stopped", at: later(1000), round: 2 },
			{
				kind: "run.resumed",
				at: later(3_600_000),
				round: 2,
				numUpdatesKept: 1,
				numEvaluationsKept: 0,
				lostUpdates: [],
			},
			{ kind: "round.started", at: later(3_602_000), round: 2, attempt: 1, sites: SITES, proximalMu: 0 },
		]);
		expect(run.status).toBe("running");
		expect(run.seconds).toBeCloseTo((summarizeRun(before).seconds ?? 0) + 3, 3);
		expect(run.incidents.map(({ text }) => text)).toEqual([
			"stopped in round 2",
			"resumed in round 2, 1 updates kept",
		]);
	});

	test("the timeline has a span for each finished task", () => {
		const { timeline } = summarizeRun(events);
		expect(timeline).toHaveLength(2 * 4 + 2 * 3);
		for (const { startSeconds, endSeconds } of timeline) expect(endSeconds).toBeGreaterThan(startSeconds);
	});
});
