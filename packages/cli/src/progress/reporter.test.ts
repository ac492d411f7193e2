import type { RoundEvent } from "@zk0/federation";
import { summarizeRun } from "@zk0/records";
import { sampleEvents } from "@zk0/records/testing";
import { describe, expect, test } from "vitest";
import { captureHost } from "../testing/capture-host.ts";
import { applyEvent } from "./apply-event.ts";
import { createPaint } from "./paint.ts";
import { createReporter } from "./reporter.ts";
import { renderRunFrame } from "./run-frame.ts";
import { startProgress } from "./run-progress.ts";

const SITES = ["kitchen", "workshop"];
const events = sampleEvents({ sites: SITES, numRounds: 2 });
const at = "2026-11-23T12:00:00.000Z";
const failed: RoundEvent = {
	kind: "site.failed",
	at,
	round: 1,
	phase: "train",
	site: "kitchen",
	code: "client-app",
	message: "disk full",
};

describe("applyEvent", () => {
	const start = startProgress(SITES, { rounds: 2, nowMs: 0 });
	const progressed: RoundEvent = {
		kind: "task.progress",
		at,
		round: 1,
		phase: "train",
		site: "kitchen",
		step: 3,
		numSteps: 20,
		loss: 0.5,
		samplesPerSecond: 40,
	};

	test("a whole run leaves every round's loss and every site done", () => {
		const end = events.reduce((picture, event) => applyEvent(picture, event, 0), start);
		expect(end.losses).toHaveLength(3);
		expect(end.round).toBe(2);
		expect([...end.sites.values()].map(({ phase }) => phase)).toEqual(["done", "done"]);
	});

	test("progress moves a site's line, a missing loss keeps the last one", () => {
		const first = applyEvent(start, progressed, 100);
		const second = applyEvent(first, { ...progressed, step: 4, loss: null }, 200);
		expect(second.sites.get("kitchen")).toMatchObject({
			phase: "training",
			done: 4,
			total: 20,
			doneAtStart: 3,
			loss: 0.5,
			phaseStartedMs: 100,
		});
	});

	test("a failure shows its reason until the next round", () => {
		const broken = applyEvent(start, failed, 0);
		expect(broken.sites.get("kitchen")).toMatchObject({ phase: "failed", reason: "disk full" });
		const next = applyEvent(
			broken,
			{ kind: "round.started", at, round: 2, attempt: 1, sites: SITES, proximalMu: 0 },
			0,
		);
		expect(next.sites.get("kitchen")).toMatchObject({ phase: "waiting", reason: null });
	});

	test("a round that was not measured stays null in the list", () => {
		const measured = {
			kind: "round.evaluated" as const,
			at,
			round: 2,
			loss: 0.4,
			perSite: {},
			bytesUp: null,
			bytesDown: null,
		};
		expect(applyEvent(start, measured, 0).losses).toEqual([null, null, 0.4]);
	});
});

describe("createReporter", () => {
	test("without a terminal: one line per round and one per incident", () => {
		const host = captureHost();
		{
			using reporter = createReporter({ stream: host.stdout, host, sites: SITES, rounds: 2 });
			reporter.recording("kitchen", 0, 12);
			reporter.recording("kitchen", 5, 12);
			reporter.recording("kitchen", 12, 12);
			for (const event of [...events.slice(0, 12), failed, ...events.slice(12)]) reporter.event(event);
			for (let step = 1; step <= 20; step++) {
				reporter.training("kitchen", { step, numSteps: 20, loss: 0.5, samplesPerSecond: 30 });
			}
			reporter.note("bye");
		}
		const lines = host.out().trimEnd().split("\n");
		expect(lines.slice(0, 2)).toEqual(["kitchen: recording 12 episodes", "kitchen: recorded 12 episodes"]);
		expect(lines.filter((line) => line.startsWith("round "))).toHaveLength(4);
		expect(lines.join("\n")).toMatch(
			/round 2\/2 {2}loss 0\.\d+ {2}−\d+ % {2}\[kitchen 0\.\d+, workshop 0\.\d+\] {2}8\.0 MB up/,
		);
		expect(lines).toContain("round 1: kitchen failed to train, client-app: disk full");
		expect(lines.filter((line) => line.startsWith("kitchen: step"))).toHaveLength(10);
		expect(lines).toContain("kitchen: step 20/20  loss 0.5000  30.0 samples/s");
		expect(lines.at(-1)).toBe("bye");
	});

	test("on a terminal: live lines that go away, incidents that stay", () => {
		const host = captureHost({ isTTY: true });
		{
			using reporter = createReporter({ stream: host.stdout, host, sites: SITES, rounds: 2 });
			reporter.recording("kitchen", 1, 12);
			reporter.training("kitchen", { step: 3, numSteps: 20, loss: 0.5, samplesPerSecond: 30 });
			reporter.event(failed);
		}
		expect(host.out()).toContain("Preparing");
		expect(host.out()).toContain("disk full");
		expect(host.out().endsWith("\u001B[?25h")).toBe(true);
	});

	test("a stop is acknowledged, once", () => {
		const host = captureHost();
		{
			using reporter = createReporter({ stream: host.stdout, host, sites: SITES, rounds: 2 });
			reporter.note("x");
			host.interrupt(new RangeError("stop"));
		}
		expect(host.out()).toBe("x\nstopping; press Ctrl-C again to stop at once\n");
	});

	test("quiet: nothing", () => {
		const host = captureHost();
		using reporter = createReporter({ stream: undefined, host, sites: SITES, rounds: 2 });
		reporter.recording("kitchen", 0, 1);
		reporter.event(failed);
		reporter.note("x");
		expect(host.out()).toBe("");
	});
});

describe("renderRunFrame", () => {
	const paint = createPaint(false);

	test("has a row per round and per site, and the places", () => {
		const text = renderRunFrame(summarizeRun(events), [["report", "runs/x/report.html"]], paint);
		expect(text).toContain("Run sample completed in 0:2");
		for (const row of [
			/│\s+0\s+0\.\d+/,
			/│\s+2\s+0\.\d+\s+−\d+ %\s+2\/2/,
			/kitchen\s+[01]\.\d+/,
			/report\s+runs\/x/,
		]) {
			expect(text).toMatch(row);
		}
	});

	test("says what the sites have of it, where they measured their own weights", () => {
		const frameOf = (evalLocal: boolean): string =>
			renderRunFrame(summarizeRun(sampleEvents({ sites: SITES, numRounds: 2, evalLocal })), [], paint);
		expect(frameOf(true)).toMatch(/against own[^]*kitchen(?: +[−\d.]+| %)+ +−\d+ % +640/);
		expect(frameOf(false)).not.toContain("against own");
	});

	test("long runs show the first and the last rounds", () => {
		const text = renderRunFrame(summarizeRun(sampleEvents({ sites: SITES, numRounds: 30 })), [], paint);
		expect(text.split("\n")).toHaveLength(9 + 1 + 1 + 2 + 1 + 2);
		expect(text).toContain("…");
		expect(text).toMatch(/│\s+30 /);
	});

	test("a run that says nothing is a frame of dashes", () => {
		expect(renderRunFrame(summarizeRun([]), [["log", "x"]], paint)).toContain(
			"Run – is not finished, – so far",
		);
	});
});
