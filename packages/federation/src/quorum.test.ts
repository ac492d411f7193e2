// Quorum, deadline and stalled sites: whom a round waits for, and what becomes of those that it does not wait for.
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { manualClock, systemClock } from "./clock.ts";
import type { RoundEvent } from "./events.ts";
import type { Grid, SiteTask } from "./grid.ts";
import { nextOutcome } from "./next-outcome.ts";
import { openObjectStore } from "./object-store.ts";
import { createOutcomeQueue } from "./outcome-queue.ts";
import { type WaitingRules, watchPhase } from "./phase-watch.ts";
import type { SimulationOptions } from "./simulation.ts";
import { startServer, taskOf } from "./testing/server-harness.ts";
import { temporaryDir, toyApp, toyWeights as toyUpdate } from "./testing/toy-app.ts";
import { ofKind, simulateToy, theKind } from "./testing/toy-run.ts";

const NO_RULES: WaitingRules = { quorum: null, minSites: 1, roundDeadlineMs: null, stallAfterMs: null };

function task(site: string): SiteTask {
	return { site, message: taskOf(site, {}), expects: null };
}

/** A watch over ann and bob, both online unless said otherwise. */
function watchTwo(rules: Partial<WaitingRules>) {
	const clock = manualClock();
	const online = new Set(["ann", "bob"]);
	const activeAtMs = new Map<string, number>();
	const grid: Pick<Grid, "sites" | "activeAtMs"> = {
		sites: () => Array.from(online, (site) => ({ site, info: { numSamples: 1, details: {} } })),
		activeAtMs: (taskId) => activeAtMs.get(taskId) ?? 0,
	};
	const watch = watchPhase({ ...NO_RULES, ...rules }, { grid, clock });
	const tasks = [task("ann"), task("bob")];
	return { clock, online, activeAtMs, watch, tasks };
}

describe("watchPhase", () => {
	test("without rules everybody is waited for, however long it lasts", () => {
		const { clock, online, watch, tasks } = watchTwo({});
		online.clear();
		clock.advance(1e9);
		expect([watch.lookAgainMs(), watch.stalled(tasks), watch.closes(tasks, 5)]).toEqual([null, [], null]);
	});

	test("a deadline counts once the minimum is there", () => {
		const { clock, watch, tasks } = watchTwo({ minSites: 2, roundDeadlineMs: 1000 });
		expect(watch.lookAgainMs()).toBe(1000);
		clock.advance(999);
		expect(watch.closes(tasks, 2)).toBeNull();
		clock.advance(1);
		expect([watch.closes(tasks, 1), watch.closes(tasks, 2)]).toEqual([null, "deadline"]);
		expect(watch.lookAgainMs()).toBeNull();
	});

	test("a quorum does not wait for sites that are offline, but for those that work", () => {
		const { online, watch, tasks } = watchTwo({ quorum: 1, minSites: 3 });
		expect(watch.closes(tasks, 1)).toBeNull();
		online.delete("ann");
		expect(watch.closes(tasks, 1)).toBeNull();
		online.delete("bob");
		expect([watch.closes(tasks, 0), watch.closes(tasks, 1)]).toEqual([null, "quorum"]);
	});

	test("a site that is online and moves nothing is named once, and a quorum does not wait for it", () => {
		const { clock, activeAtMs, online, watch, tasks } = watchTwo({ quorum: 1, stallAfterMs: 400 });
		online.delete("bob");
		expect(watch.lookAgainMs()).toBe(100);
		clock.advance(399);
		expect(watch.stalled(tasks)).toEqual([]);
		clock.advance(100);
		expect(watch.stalled(tasks)).toEqual([
			{ kind: "site.stalled", round: 1, phase: "train", site: "ann", seconds: 0.499 },
		]);
		expect(watch.closes(tasks, 1)).toBe("quorum");
		clock.advance(100);
		expect(watch.stalled(tasks)).toEqual([]);
		activeAtMs.set("ann", clock.now());
		clock.advance(100);
		watch.stalled(tasks);
		expect(watch.closes(tasks, 1)).toBeNull();
	});
});

describe("nextOutcome", () => {
	test("gives up at its time, leaves no timer and no outcome behind", async () => {
		const clock = manualClock();
		const queue = createOutcomeQueue();
		const grid: Pick<Grid, "poll" | "next"> = {
			poll: () => queue.poll(),
			next: (options) => queue.next(options?.signal),
		};
		const waiting = nextOutcome(grid, { clock, untilMs: clock.now() + 50, signal: undefined });
		clock.advance(50);
		expect(await waiting).toBeNull();
		const stop = new AbortController();
		const stopped = nextOutcome(grid, { clock, untilMs: clock.now() + 50, signal: stop.signal });
		stop.abort();
		await expect(stopped).rejects.toMatchObject({ code: "cancelled" });
		const outcome = { kind: "left", site: "ann", reason: "left", message: "" } as const;
		const served = nextOutcome(grid, { clock, untilMs: clock.now() + 50, signal: undefined });
		queue.offer(outcome);
		expect((await served)?.outcome).toBe(outcome);
		expect(clock.numSleepers).toBe(0);
	});
});

const THREE = ["ann", "bob", "cyd"];

/** Events of a toy federation in which `ann` waits in round 1 until `release` is called. */
async function withStraggler(
	changes: Partial<SimulationOptions>,
	onEvent: (event: RoundEvent, release: () => void) => void,
	dir: string,
): Promise<RoundEvent[]> {
	let release = (): void => undefined;
	const released = new Promise<void>((resolve) => {
		release = resolve;
	});
	const before = async (phase: string, { round }: { round: number }): Promise<void> => {
		if (phase === "train" && round === 1) await released;
	};
	const sites = THREE.map((site) => ({ site, app: toyApp(site, site === "ann" ? { before } : {}) }));
	const events: RoundEvent[] = [];
	for await (const event of simulateToy(dir, { sites, numRounds: 2, ...changes })) {
		events.push(event);
		onEvent(event, release);
	}
	return events;
}

/** A clock on which a deadline of an hour passes as soon as `expire` is called. */
function expiringClock() {
	const clock = systemClock();
	let skipped = 0;
	let wake = (): void => undefined;
	const expired = new Promise<void>((resolve) => {
		wake = resolve;
	});
	return {
		clock: {
			now: () => clock.now() + skipped,
			sleep: (ms: number, options?: { readonly signal?: AbortSignal | undefined }) =>
				ms > 1_800_000 && skipped === 0
					? Promise.race([expired, clock.sleep(ms, options)])
					: clock.sleep(ms, options),
		},
		expire: (): void => {
			skipped = 3_600_000;
			wake();
		},
	};
}

/** The hash of a run in which round 1 is made by bob and cyd alone, and round 2 by all three. */
async function hashWithoutAnn(): Promise<string> {
	await using dir = await temporaryDir();
	const before = async (phase: string, { round }: { round: number }): Promise<void> => {
		if (phase === "train" && round === 1) throw new RangeError("not in this round");
	};
	const sites = THREE.map((site) => ({ site, app: toyApp(site, site === "ann" ? { before } : {}) }));
	const events: RoundEvent[] = [];
	for await (const event of simulateToy(dir.path, { sites, numRounds: 2 })) events.push(event);
	expect(ofKind(events, "round.accepted").map(({ updates }) => updates.length)).toEqual([2, 3]);
	return theKind(events, "run.completed").weightsSha256;
}

describe("a straggler", () => {
	test("delays nobody after the deadline; its update is kept and named, and the bytes are those of the accepted set", async () => {
		await using dir = await temporaryDir();
		const { clock, expire } = expiringClock();
		const rules = { quorum: 2, roundDeadlineMs: 3_600_000, stallAfterMs: null, clock };
		let numReceived = 0;
		const events = await withStraggler(
			rules,
			(event, release) => {
				if (event.kind === "update.received" && ++numReceived === 2) expire();
				if (event.kind === "round.closed") release();
			},
			dir.path,
		);
		expect(theKind(events, "round.closed")).toMatchObject({
			round: 1,
			phase: "train",
			reason: "deadline",
			numReceived: 2,
			without: ["ann"],
		});
		const late = theKind(events, "update.late");
		expect(late).toMatchObject({ site: "ann", round: 1 });
		const store = await openObjectStore(join(dir.path, "server"));
		expect(await store.verify(late.sha256)).toBe(true);
		// Who is at work for the round still is not asked to measure it; in the next round it takes part again.
		expect(ofKind(events, "round.accepted").map(({ updates }) => updates.map(({ site }) => site))).toEqual([
			["bob", "cyd"],
			THREE,
		]);
		expect(theKind(events, "run.completed").weightsSha256).toBe(await hashWithoutAnn());
	});

	test("a decision that is recorded stays: killed right after it, the run ends at the same bytes", async () => {
		await using dir = await temporaryDir();
		const { clock, expire } = expiringClock();
		const rules = { quorum: 2, roundDeadlineMs: 3_600_000, stallAfterMs: null, clock };
		const stop = new RangeError("killed");
		let numReceived = 0;
		const killed = withStraggler(
			rules,
			(event, release) => {
				if (event.kind === "update.received" && ++numReceived === 2) expire();
				if (event.kind !== "round.closed") return;
				release();
				throw stop;
			},
			dir.path,
		);
		await expect(killed).rejects.toBe(stop);
		const events = await withStraggler({ quorum: 2 }, (_event, release) => release(), dir.path);
		expect(theKind(events, "round.accepted").updates.map(({ site }) => site)).toEqual(["bob", "cyd"]);
		expect(theKind(events, "run.completed").weightsSha256).toBe(await hashWithoutAnn());
	});
});

describe("a released task", () => {
	test("is not handed out again, its update is taken, and it is unwanted once there is something newer", async () => {
		await using harness = await startServer();
		const { grid, outcomes } = harness;
		const node = await harness.join("ann");
		const first = await harness.task(node, "ann", 1);
		const taskId = "1/train/ann";
		harness.clock.advance(40);
		expect(harness.clock.now() - (grid.activeAtMs(taskId) ?? 0)).toBe(40);
		grid.release([taskId]);
		expect(await node.pull()).toBeUndefined();
		// Asking for work is a sign that it is not stuck.
		expect(grid.activeAtMs(taskId)).toBe(harness.clock.now());
		expect(await node.beat([first.instruction.id])).toEqual([]);
		const second = await harness.task(node, "ann", 2);
		expect(await node.beat([first.instruction.id, second.instruction.id])).toEqual([first.instruction.id]);
		const reply = await node.reply(first, { kind: "update", numSamples: 2, metrics: {} }, toyUpdate());
		expect(await node.push(reply, first)).toBeUndefined();
		expect(outcomes.at(-1)).toMatchObject({ kind: "update", task: { taskId } });
		expect(grid.activeAtMs(taskId)).toBeNull();
		grid.release(["2/train/ann"]);
		harness.send("ann", 3);
		await node.pull();
		grid.release(["3/train/ann"]);
		// Only the newest is kept open.
		expect(grid.activeAtMs("2/train/ann")).toBeNull();
	});
});
