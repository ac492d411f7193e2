// A monitor from events to alerts and metrics, on a clock under the test's hand.
import { manualClock } from "@zk0/federation";
import { expect, test } from "vitest";
import type { AlertChange } from "./alerts/alert.ts";
import { type NodeState, startMonitor } from "./monitor.ts";
import { compared, HASH, START_MS, script, update } from "./testing/sample-run.ts";

const MINUTE_MS = 60_000;

function start() {
	const clock = manualClock(START_MS);
	const changes: string[] = [];
	const faults: unknown[] = [];
	let nodes: NodeState[] = [];
	let isDiskKnown = true;
	const monitor = startMonitor({
		clock,
		monotonicMs: () => clock.now(),
		version: "1",
		nodes: () => nodes,
		machine: async () => {
			if (!isDiskKnown) throw new RangeError("no disk");
			return { disk: null, certificateEndsMs: null, numConnections: 0 };
		},
		runs: () => ({ running: 1 }),
		onAlert: ({ status, alert }: AlertChange) => changes.push(`${status} ${alert.rule} ${alert.subject}`),
		onFault: (error) => faults.push(error),
		process: false,
	});
	const state = (site: string, isOnline: boolean): NodeState => ({
		site,
		state: "approved",
		isOnline,
		numSamples: null,
		lastSeenMs: isOnline ? clock.now() : undefined,
	});
	return {
		clock,
		changes,
		faults,
		monitor,
		setNodes: (online: Record<string, boolean>) => {
			nodes = Object.entries(online).map(([site, isOnline]) => state(site, isOnline));
		},
		loseDisk: () => {
			isDiskKnown = false;
		},
	};
}

test("a site that goes away is lost once and found once; when it was seen is kept", async () => {
	const { clock, changes, monitor, setNodes } = start();
	await using _ = monitor;
	monitor.replay("run-1", script().round(1, 0.9).events);
	setNodes({ attic: true, barn: true });
	await monitor.look();
	setNodes({ attic: true, barn: false });
	await monitor.look();
	clock.advance(3 * MINUTE_MS);
	await monitor.look();
	await monitor.look();
	expect(changes).toEqual(["firing site-lost barn"]);
	expect(monitor.alerts()).toMatchObject([{ subject: "barn", sinceMs: START_MS + 3 * MINUTE_MS }]);
	expect(await monitor.metricsText()).toContain(
		`zk0_site_last_seen_timestamp_seconds{site="barn"} ${START_MS / 1000}`,
	);
	setNodes({ attic: true, barn: true });
	await monitor.look();
	expect(changes).toEqual(["firing site-lost barn", "resolved site-lost barn"]);
});

test("the past is seen but not counted again", async () => {
	const { monitor } = start();
	await using _ = monitor;
	monitor.replay("run-1", script().round(1, 0.9).events);
	expect(monitor.views()).toMatchObject([{ round: 1, lastLoss: 0.9 }]);
	const [, ...now] = script().add(
		update(2, "barn"),
		compared(2, [{ site: "barn", norm: 3, alignment: -0.5 }]),
	).events;
	for (const event of now) monitor.record("run-1", event);
	const text = await monitor.metricsText();
	expect(text).toContain('zk0_site_updates_total{site="barn"} 1');
	expect(text).toContain('zk0_site_update_norm{run="run-1",site="barn"} 3');
	expect(text).toContain('zk0_site_update_alignment{run="run-1",site="barn"} -0.5');
	expect(text).not.toContain('zk0_site_update_norm{run="run-1",site="attic"}');
	expect(monitor.metricNames()).toContain("zk0_site_updates_total");
});

test("of several runs at once each has its own series and alerts; one that ended is forgotten when the next begins", async () => {
	const { monitor } = start();
	await using _ = monitor;
	const opposed = compared(
		1,
		["attic", "barn", "cellar"].map((site) => ({ site, norm: 2, alignment: site === "barn" ? -0.5 : 0.5 })),
	);
	const [began, ...rest] = script().round(1, 0.9).add(opposed).events;
	const runs = ["run-1", "run-2"];
	for (const runId of runs) {
		if (began?.kind === "run.started") monitor.record(runId, { ...began, runId });
		for (const event of rest) monitor.record(runId, event);
	}
	await monitor.look();
	const unusual = () => monitor.alerts().filter(({ rule }) => rule === "update-unusual");
	expect(unusual().map(({ subject, run }) => [subject, run])).toEqual(runs.map((run) => ["barn", run]));
	const text = await monitor.metricsText();
	for (const run of runs) {
		expect(text).toContain(`zk0_run_loss{run="${run}"} 0.9`);
		expect(text).toContain(`zk0_site_update_alignment{run="${run}",site="barn"} -0.5`);
	}
	expect(text).toContain('zk0_site_updates_total{site="barn"} 2');
	const [, end] = script().add({ kind: "run.completed", numRounds: 3, weightsSha256: HASH }).events;
	if (end !== undefined) monitor.record("run-1", end);
	await monitor.look();
	expect(unusual().map(({ run }) => run)).toEqual(["run-2"]);
	monitor.replay("run-3", began?.kind === "run.started" ? [{ ...began, runId: "run-3" }] : []);
	expect(monitor.views().map(({ runId }) => runId)).toEqual(["run-2", "run-3"]);
});

test("it looks again and again by itself, and says what goes wrong", async () => {
	const { clock, faults, monitor, loseDisk } = start();
	await expect.poll(() => clock.numSleepers).toBe(1);
	loseDisk();
	clock.advance(5000);
	await expect.poll(() => faults).toHaveLength(1);
	await monitor[Symbol.asyncDispose]();
	expect(clock.numSleepers).toBe(0);
});
