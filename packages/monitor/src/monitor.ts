// A server's monitor: folds the events of its run, looks at members and machine every few seconds, and keeps metrics and
// alerts. It only reads; the round loop does not know of it.
import type { Clock, RoundEvent } from "@zk0/federation";
import type { Routes } from "@zk0/flower";
import type { ActiveAlert, AlertChange } from "./alerts/alert.ts";
import { createAlertBoard } from "./alerts/alert-board.ts";
import { type AlertLimits, alertsOfRuns, DEFAULT_LIMITS } from "./alerts/rules.ts";
import { createMetrics, type DeliveryOutcome } from "./metrics/metrics.ts";
import type { MachineView, NodeView, RunCounts } from "./view/observation.ts";
import { applyToRun, type RunView } from "./view/run-view.ts";

/** A member as the server knows it now. */
export type NodeState = Pick<NodeView, "site" | "state" | "isOnline" | "numSamples"> & {
	/** Undefined: offline. */
	readonly lastSeenMs: number | undefined;
};

/** What a monitor looks at. */
export interface MonitorOptions {
	readonly clock: Clock;
	/** Monotonic, for durations of calls. */
	readonly monotonicMs: () => number;
	readonly version: string;
	/** Members, sorted by site. */
	readonly nodes: () => readonly NodeState[];
	readonly machine: () => Promise<MachineView>;
	readonly runs: () => RunCounts;
	/** @default DEFAULT_LIMITS */
	readonly limits?: AlertLimits;
	/** Pause between looks; default 5000. */
	readonly intervalMs?: number;
	/** Is told of every alert that begins or ends. */
	readonly onAlert: (change: AlertChange) => void;
	/** Is told of faults of this side. */
	readonly onFault: (error: unknown) => void;
	/** Also the process's own metrics; default true. */
	readonly process?: boolean;
}

/** A running monitor. */
export interface Monitor extends AsyncDisposable {
	/** Takes the events of a run's past, which are not counted again; runs that ended earlier are forgotten. */
	replay(runId: string, events: readonly RoundEvent[]): void;
	/** Takes an event that happens now in a run. */
	record(runId: string, event: RoundEvent): void;
	/** The same routes, measured. */
	observeRoutes(routes: Routes): Routes;
	/** Counts a message to the webhook. */
	delivered(outcome: DeliveryOutcome): void;
	/** The runs under way, or else those that ended last, as folded. */
	views(): readonly RunView[];
	/** Alerts that fire, oldest first. */
	alerts(): readonly ActiveAlert[];
	/** Looks now, as it does every few seconds. */
	look(): Promise<void>;
	/** Metrics in Prometheus's text format. */
	metricsText(): Promise<string>;
	/** Names of all metrics. */
	metricNames(): readonly string[];
}

const INTERVAL_MS = 5000;

/** Starts a monitor; disposing it ends its looks. */
export function startMonitor(options: MonitorOptions): Monitor {
	const { clock, limits = DEFAULT_LIMITS, intervalMs = INTERVAL_MS, version, onAlert, onFault } = options;
	const metrics = createMetrics({ nowMs: options.monotonicMs, process: options.process ?? true });
	const board = createAlertBoard();
	const startedMs = clock.now();
	/** When offline sites were seen last, and since when they are away. */
	const away = new Map<string, { readonly lastSeenMs: number | null; readonly sinceMs: number | null }>();
	const runs = new Map<string, RunView>();
	const keep = (runId: string, view: RunView | null): void => {
		if (view === null) runs.delete(runId);
		else runs.set(runId, view);
	};
	const nodeView = ({ lastSeenMs, ...node }: NodeState, nowMs: number): NodeView => {
		const before = away.get(node.site) ?? { lastSeenMs: null, sinceMs: null };
		const now = node.isOnline
			? { lastSeenMs: lastSeenMs ?? before.lastSeenMs, sinceMs: null }
			: { ...before, sinceMs: before.sinceMs ?? (before.lastSeenMs === null ? startedMs : nowMs) };
		away.set(node.site, now);
		return { ...node, lastSeenMs: now.lastSeenMs, offlineSinceMs: now.sinceMs };
	};
	const observe = async () => {
		const machine = await options.machine();
		const nowMs = clock.now();
		const nodes = options.nodes().map((node) => nodeView(node, nowMs));
		return { nowMs, nodes, machine, runs: options.runs() };
	};
	const look = async (): Promise<void> => {
		const observation = await observe();
		for (const change of board.update(
			alertsOfRuns(observation, [...runs.values()], limits),
			observation.nowMs,
		))
			onAlert(change);
	};
	const closing = new AbortController();
	const watching = (async () => {
		while (!closing.signal.aborted) {
			await look().catch(onFault);
			await clock.sleep(intervalMs, { signal: closing.signal }).catch((error: unknown) => {
				if (!closing.signal.aborted) onFault(error);
			});
		}
	})();
	return {
		replay(runId, events) {
			for (const [id, { phase }] of runs) if (phase === "ended") runs.delete(id);
			keep(runId, events.reduce<RunView | null>(applyToRun, null));
		},
		record(runId, event) {
			const before = runs.get(runId) ?? null;
			const after = applyToRun(before, event);
			keep(runId, after);
			metrics.record(event, before, after);
		},
		observeRoutes: (routes) => metrics.observeRoutes(routes),
		delivered: (outcome) => metrics.delivered(outcome),
		views: () => [...runs.values()],
		alerts: () => board.active(),
		look,
		metricsText: async () =>
			metrics.text({ ...(await observe()), views: [...runs.values()], alerts: board.active(), version }),
		metricNames: () => metrics.names(),
		async [Symbol.asyncDispose]() {
			closing.abort();
			await watching;
		},
	};
}
