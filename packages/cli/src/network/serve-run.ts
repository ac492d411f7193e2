// One run of the server, from its directory to its end, and where it stands meanwhile.
import { existsSync } from "node:fs";
import { join } from "node:path";
import {
	type Clock,
	type FederationServer,
	offerFiles,
	openObjectStore,
	type RoundEvent,
	rounds,
} from "@zk0/federation";
import { loadAppBundle } from "@zk0/flower/node";
import type { TraceExport } from "@zk0/monitor/traces";
import { openCheckpoint } from "@zk0/policy";
import { type RunPaths, readRunRecord, withRunLock } from "@zk0/records";
import type { Host } from "../host.ts";
import type { RunReporter } from "../progress/reporter.ts";
import { federate } from "../simulation/federate.ts";
import { recordedConfig } from "../simulation/recorded-run.ts";
import { tracedRun } from "../simulation/traced-run.ts";
import { setupOf } from "./run-setup.ts";
import { startFiles } from "./start-files.ts";

/** A task that a run waits for. */
export interface RunTask {
	readonly site: string;
	readonly phase: "train" | "evaluate";
	/** Steps done and to do; null: the site has not said. */
	readonly step: number | null;
	readonly numSteps: number | null;
}

/** Where a run stands. */
export interface RunStatus {
	readonly runId: string;
	readonly state: "queued" | "running" | "completed" | "failed" | "stopped";
	/** Round under way, or the last one. */
	readonly round: number;
	readonly rounds: number;
	/** What it does, what it waits for besides its tasks, or why it ended. */
	readonly message: string | null;
	/** SHA-256 of the last weights, once it is completed. */
	readonly modelSha256: string | null;
	/** Tasks that it waits for, by site. */
	readonly tasks: readonly RunTask[];
}

/** What a run is served with. */
export interface ServeRunOptions {
	readonly server: FederationServer;
	readonly clock: Clock;
	readonly host: Host;
	readonly reporter: RunReporter;
	/** Where its spans go; null: it is not traced. */
	readonly traces: TraceExport | null;
	/** Stops the run; it can go on later. */
	readonly signal: AbortSignal;
	/** Is told what happened in the run so far, when it begins or goes on. */
	readonly onReplay: (past: readonly RoundEvent[]) => void;
	/** Is told of every event. */
	readonly onEvent: (runId: string, event: RoundEvent) => void;
}

/** Serves a run to its end. @throws CliError "interrupted" | "run-failed"; FederationError */
export async function serveRun(
	paths: RunPaths,
	{ server, clock, host, reporter, traces, signal, onReplay, onEvent }: ServeRunOptions,
	update: (change: Partial<RunStatus>) => void,
): Promise<void> {
	const record = await readRunRecord(paths.config);
	const config = recordedConfig(record, paths);
	update({ state: "running", rounds: config.rounds });
	await withRunLock(paths.lock, async () => {
		using base = await openCheckpoint(paths.globalCheckpoint(0), { hub: host });
		const store = await openObjectStore(join(paths.federation, "server"));
		const bundle = existsSync(paths.app) ? await loadAppBundle(paths.app) : undefined;
		await using grid = server.openGrid(store, bundle && { runId: paths.id, bundle });
		const offered = await offerFiles(await startFiles(base), { signal });
		grid.offer(offered);
		const traced = tracedRun(paths.id, traces, reporter);
		let tasks: readonly RunTask[] = [];
		const watching: RunReporter = {
			...traced.reporter,
			event(event) {
				traced.reporter.event(event);
				onEvent(paths.id, event);
				tasks = tasksAfter(tasks, event);
				update({ ...changeOf(event), tasks });
			},
		};
		const learning = setupOf(config, record, offered.root);
		const run = { paths, record, config, base, reporter: watching, signal };
		const { modelSha256 } = await federate(run, (ready) => {
			onReplay(ready.log.events);
			const tracing = traced.begin(ready.log.events);
			return rounds({ ...ready, ...tracing, learning, grid, store, clock, offlineSites: "wait" });
		});
		update({ state: "completed", message: null, modelSha256, tasks: [] });
	});
}

const LEFT = { left: "left", offline: "is offline", paused: "pauses" } as const;

/** What an event says about where the run stands. */
function changeOf(event: RoundEvent): Partial<RunStatus> {
	if (event.kind === "run.waiting")
		return { message: `waiting for clients: ${event.numOnline} of ${event.numNeeded} are online` };
	if (event.kind === "round.started") return { round: event.round, message: "training" };
	if (event.kind === "round.accepted") return { message: "aggregating" };
	if (event.kind === "round.aggregated") return { round: event.round, message: "evaluating" };
	if (event.kind === "site.stalled")
		return { message: `waiting for ${event.site}: no progress for ${Math.round(event.seconds)} s` };
	if (event.kind === "round.closed")
		return { message: `goes on without ${event.without.join(", ")} (${event.reason})` };
	if (event.kind === "site.left") return { message: `${event.site} ${LEFT[event.reason]}` };
	return {};
}

/** The open tasks after an event. */
export function tasksAfter(tasks: readonly RunTask[], event: RoundEvent): readonly RunTask[] {
	const without = (sites: readonly string[]): readonly RunTask[] =>
		tasks.filter(({ site }) => !sites.includes(site));
	switch (event.kind) {
		case "task.sent":
			return [...without([event.site]), { site: event.site, phase: event.phase, step: null, numSteps: null }];
		case "task.progress": {
			const { site, phase, step, numSteps } = event;
			return tasks.map((task) => (task.site === site ? { site, phase, step, numSteps } : task));
		}
		case "update.received":
		case "site.evaluated":
		case "site.failed":
			return without([event.site]);
		case "update.rejected":
			return event.endsTask ? without([event.site]) : tasks;
		case "round.closed":
			return without(event.without);
		case "round.evaluated":
		case "round.accepted":
		case "run.resumed":
			return [];
		case "round.aggregated":
		case "round.failed":
		case "round.started":
		case "run.completed":
		case "run.failed":
		case "run.started":
		case "run.stopped":
		case "run.waiting":
		case "site.joined":
		case "site.left":
		case "site.stalled":
		case "update.clipped":
		case "update.late":
		case "updates.compared":
			break;
	}
	return tasks;
}
