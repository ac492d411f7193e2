import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { manualClock } from "./clock.ts";
import { collect } from "./collect.ts";
import { openEventLog } from "./event-log.ts";
import type { RoundEvent } from "./events.ts";
import type { Grid, Outcome, SiteTask } from "./grid.ts";
import { RunRecorder } from "./run-recorder.ts";
import { taskOf } from "./testing/server-harness.ts";
import { temporaryDir } from "./testing/toy-app.ts";

const SHA256 = "a".repeat(64);

function task(site: string, taskId: string): SiteTask {
	const message = taskOf(taskId, { weights: SHA256, createdAtMs: 0 });
	return { site, message, expects: new Map() };
}

function update(site: string, taskId: string): Outcome {
	const ref = { taskId, site, round: 1, phase: "train" } as const;
	return {
		kind: "update",
		task: ref,
		sha256: SHA256,
		sizeBytes: 8,
		numSamples: 1,
		metrics: {},
		norm: null,
		signed: null,
	};
}

const joined = (site: string): Outcome => ({
	kind: "joined",
	site,
	info: { numSamples: 1, details: {} },
	publicKey: null,
});
const left = (site: string, reason: "left" | "offline"): Outcome => ({
	kind: "left",
	site,
	reason,
	message: "why",
});

/** Plays outcomes to `collect` for tasks of ann and bob; both are online unless said otherwise. */
async function play(
	outcomes: readonly Outcome[],
	options: { offlineSites: "fail" | "wait"; online?: readonly string[] },
): Promise<{ events: RoundEvent[]; withdrawn: string[]; numLoggedAtSettle: number[] }> {
	await using dir = await temporaryDir();
	await using log = await openEventLog(join(dir.path, "events.jsonl"));
	const clock = manualClock();
	const queue = [...outcomes];
	const withdrawn: string[] = [];
	const numLoggedAtSettle: number[] = [];
	const grid: Grid = {
		sites: () =>
			(options.online ?? ["ann", "bob"]).map((site) => ({ site, info: { numSamples: 1, details: {} } })),
		send: () => undefined,
		withdraw: (taskIds) => withdrawn.push(...taskIds),
		release: () => undefined,
		reopen: () => Promise.resolve(),
		activeAtMs: () => null,
		poll: () => null,
		next: () => {
			const outcome = queue.shift();
			if (outcome === undefined) return Promise.reject(new RangeError("the script is over"));
			return Promise.resolve({ outcome, settle: () => numLoggedAtSettle.push(log.events.length) });
		},
		traffic: () => null,
	};
	const events: RoundEvent[] = [];
	const phase = {
		recorder: new RunRecorder(log, clock),
		grid,
		clock,
		offlineSites: options.offlineSites,
		rules: { quorum: null, minSites: 1, roundDeadlineMs: null, stallAfterMs: null },
		signal: undefined,
	};
	for await (const event of collect(phase, [task("ann", "a"), task("bob", "b")])) events.push(event);
	return { events, withdrawn, numLoggedAtSettle };
}

describe("collect", () => {
	test("records and settles each outcome; answered tasks are not withdrawn", async () => {
		const { events, withdrawn, numLoggedAtSettle } = await play([update("bob", "b"), update("ann", "a")], {
			offlineSites: "fail",
		});
		expect(events.map(({ kind }) => kind)).toEqual([
			"task.sent",
			"task.sent",
			"update.received",
			"update.received",
		]);
		expect(withdrawn).toEqual([]);
		// Two task.sent before; each update is in the log before its site hears of it.
		expect(numLoggedAtSettle).toEqual([3, 4]);
	});

	test("`fail`: an offline site's task ends, and its later result is late", async () => {
		const script = [left("ann", "offline"), update("ann", "a"), joined("ann"), update("bob", "b")];
		const { events, withdrawn } = await play(script, { offlineSites: "fail" });
		expect(events.slice(2).map(({ kind }) => kind)).toEqual([
			"site.left",
			"site.failed",
			"update.late",
			"site.joined",
			"update.received",
		]);
		expect(events[3]).toMatchObject({ site: "ann", code: "offline", message: "why" });
		expect(withdrawn).toEqual(["a"]);
	});

	test("`wait`: the task stays open until the site is back; one that leaves by itself is out", async () => {
		const script = [left("ann", "offline"), joined("ann"), update("ann", "a"), left("bob", "left")];
		const { events, withdrawn } = await play(script, { offlineSites: "wait" });
		expect(events.slice(2).map(({ kind }) => kind)).toEqual([
			"site.left",
			"site.joined",
			"update.received",
			"site.left",
			"site.failed",
		]);
		expect(withdrawn).toEqual(["b"]);
	});

	test("a site that is offline when tasks are sent fails at once, or is waited for", async () => {
		const failed = await play([update("bob", "b")], { offlineSites: "fail", online: ["bob"] });
		expect(failed.events[2]).toMatchObject({ kind: "site.failed", site: "ann", code: "offline" });
		const waited = await play([update("bob", "b"), update("ann", "a")], {
			offlineSites: "wait",
			online: ["bob"],
		});
		expect(waited.events.map(({ kind }) => kind)).not.toContain("site.failed");
	});

	test("a stray rejection ends nothing, one that ends the task does", async () => {
		const rejected = (endsTask: boolean): Outcome => ({
			kind: "rejected",
			site: "ann",
			round: 1,
			code: "late",
			message: "m",
			endsTask,
		});
		const { events } = await play([rejected(false), rejected(true), update("bob", "b")], {
			offlineSites: "fail",
		});
		expect(events.slice(2).map(({ kind }) => kind)).toEqual([
			"update.rejected",
			"update.rejected",
			"update.received",
		]);
	});

	test("open tasks are withdrawn when the phase ends early", async () => {
		await expect(play([], { offlineSites: "fail" })).rejects.toThrow("the script is over");
	});
});
