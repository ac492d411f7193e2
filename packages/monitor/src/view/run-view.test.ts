// The fold of a run's events: where it stands after each, and on whom it waits.
import { expect, test } from "vitest";
import { compared, START_MS, script, update } from "../testing/sample-run.ts";
import { applyToRun } from "./run-view.ts";

test("a run is followed through its phases", () => {
	const run = script();
	expect(run.view()).toMatchObject({ runId: "run-1", phase: "waiting", round: 0, numRounds: 3 });
	run.add({ kind: "run.waiting", numOnline: 1, numNeeded: 3 });
	expect(run.view().waiting).toEqual({ numOnline: 1, numNeeded: 3 });
	run.add({ kind: "round.started", round: 1, attempt: 1, sites: ["attic", "barn"], proximalMu: 0 });
	run.add({ kind: "task.sent", round: 1, phase: "train", site: "attic" });
	run.add({ kind: "task.sent", round: 1, phase: "train", site: "barn" });
	expect(run.view()).toMatchObject({ phase: "train", round: 1, waiting: null, openSites: ["attic", "barn"] });
	expect(run.view().phaseSinceMs).toBe(START_MS + 3000);
	run.add(update(1, "attic"));
	expect(run.view()).toMatchObject({ openSites: ["barn"], heardMs: START_MS + 6000 });
	expect(run.view().sites.get("attic")).toMatchObject({
		localHeldOutLoss: 0.3,
		trainLoss: 0.25,
		samplesPerSecond: 40,
		task: null,
	});
	expect(run.view().sites.get("barn")?.task).toMatchObject({ round: 1, phase: "train" });
	run.add({ kind: "round.accepted", round: 1, updates: [] });
	expect(run.view()).toMatchObject({ phase: "aggregate", openSites: [] });
	run.add({ kind: "run.completed", numRounds: 3, weightsSha256: "" });
	expect(run.view()).toMatchObject({ phase: "ended", outcome: "completed" });
});

test("progress is shown, and a loss that is not known stays as it was", () => {
	const run = script().round(1, 0.9);
	const progress = { kind: "task.progress" as const, round: 2, phase: "train" as const, site: "barn" };
	run.add({ ...progress, step: 1, numSteps: 10, loss: null, samplesPerSecond: 12 });
	expect(run.view().sites.get("barn")).toMatchObject({ trainLoss: 0.25, samplesPerSecond: 12 });
	run.add({ ...progress, step: 2, numSteps: 10, loss: 0.5, samplesPerSecond: null });
	expect(run.view().sites.get("barn")).toMatchObject({ trainLoss: 0.5, samplesPerSecond: null });
});

test("losses: of the starting model, the best, the last, and how often it got worse", () => {
	const run = script();
	run.add({ kind: "round.evaluated", round: 0, loss: 1, perSite: {}, bytesUp: null, bytesDown: null });
	for (const [index, loss] of [0.5, 0.6, 0.7].entries()) run.round(index + 1, loss);
	expect(run.view()).toMatchObject({ baseLoss: 1, bestLoss: 0.5, lastLoss: 0.7, numWorseRounds: 2 });
	run.round(4, 0.4);
	expect(run.view()).toMatchObject({ bestLoss: 0.4, numWorseRounds: 0 });
	run.add({ kind: "round.evaluated", round: 5, loss: null, perSite: {}, bytesUp: null, bytesDown: null });
	expect(run.view()).toMatchObject({ bestLoss: 0.4, lastLoss: 0.4, numWorseRounds: 0 });
});

test("a refusal and a failure stay until the site delivers", () => {
	const run = script().round(1, 0.9);
	run.add({
		kind: "update.rejected",
		round: 2,
		site: "barn",
		code: "not-finite",
		message: "NaN",
		endsTask: true,
	});
	run.add({
		kind: "site.failed",
		round: 2,
		site: "attic",
		phase: "train",
		code: "client-app",
		message: "no disk",
	});
	expect(run.view().sites.get("barn")?.rejection).toMatchObject({ code: "not-finite", round: 2 });
	expect(run.view().sites.get("attic")?.failure).toEqual({ round: 2, message: "no disk" });
	run.add(update(3, "barn"), update(3, "attic"));
	expect(run.view().sites.get("barn")).toMatchObject({ rejection: null, lastUpdateRound: 3 });
	expect(run.view().sites.get("attic")?.failure).toBeNull();
});

test("a run goes on after a stop, and nothing is seen before a run has begun", () => {
	const run = script().round(1, 0.9).add({ kind: "run.stopped", round: 1 });
	expect(run.view().outcome).toBe("stopped");
	run.add({ kind: "run.resumed", round: 1, numUpdatesKept: 0, numEvaluationsKept: 0, lostUpdates: [] });
	expect(run.view()).toMatchObject({ outcome: "running", phase: "waiting" });
	const [, second] = run.events;
	expect(second === undefined ? undefined : applyToRun(null, second)).toBeNull();
});

test("norms and directions are those of one round", () => {
	const run = script().round(1, 0.9);
	expect(run.view().sites.get("attic")).toMatchObject({ updateNorm: 2, updateAlignment: 0.5 });
	run.add(compared(2, [{ site: "barn", norm: 3, alignment: null }]));
	const { sites } = run.view();
	expect(sites.get("barn")).toMatchObject({ updateNorm: 3, updateAlignment: null, trainLoss: 0.25 });
	expect(sites.get("attic")).toMatchObject({ updateNorm: null, updateAlignment: null, trainLoss: 0.25 });
});
