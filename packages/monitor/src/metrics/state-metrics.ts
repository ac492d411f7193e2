// Gauges that say how things are at the moment of a scrape, as a table over one observation. What is not known has no
// sample: a missing series, never a zero.
import { Gauge, type Registry } from "prom-client";
import type { Alert } from "../alerts/alert.ts";
import type { NodeView, Observation } from "../view/observation.ts";
import { isAboutUpdate, type RunPhase, type RunView, type SiteRunView } from "../view/run-view.ts";
import { MAX_SITES } from "./event-metrics.ts";

/** What a scrape shows. */
export interface Scraped extends Omit<Observation, "run"> {
	/** The runs under way, or else those that ended last. */
	readonly views: readonly RunView[];
	readonly alerts: readonly Alert[];
	readonly version: string;
}

/** Labels and value of one sample; null: not known. */
type Sample = readonly [labels: Readonly<Record<string, string>>, value: number | null];

interface GaugeRow {
	readonly name: string;
	readonly help: string;
	readonly labels: readonly string[];
	readonly samples: (scraped: Scraped) => readonly Sample[];
}

const PHASES: readonly RunPhase[] = ["waiting", "train", "aggregate", "evaluate", "ended"];

const GAUGES: readonly GaugeRow[] = [
	row("zk0_build_info", "The version of zk0, as a label.", ["version"], ({ version }) => [[{ version }, 1]]),
	row("zk0_sites", "Members of the federation by state.", ["state"], ({ nodes }) => {
		const count = (test: (node: NodeView) => boolean): number => nodes.filter(test).length;
		return [
			[{ state: "online" }, count(({ state, isOnline }) => state === "approved" && isOnline)],
			[{ state: "offline" }, count(({ state, isOnline }) => state === "approved" && !isOnline)],
			[{ state: "pending" }, count(({ state }) => state === "pending")],
			[{ state: "revoked" }, count(({ state }) => state === "revoked")],
		];
	}),
	perNode("zk0_site_online", "1 while a site is online, else 0.", ({ isOnline }) => Number(isOnline)),
	perNode(
		"zk0_site_last_seen_timestamp_seconds",
		"Unix time of a site's last sign of life since the server started.",
		({ lastSeenMs }) => seconds(lastSeenMs),
	),
	perNode("zk0_site_dataset_samples", "Samples of a site's dataset.", ({ numSamples }) => numSamples),
	perSite(
		"zk0_site_samples_per_second",
		"Training samples a site does per second.",
		(s) => s.samplesPerSecond,
	),
	perSite("zk0_site_train_loss", "A site's training loss, as it last reported it.", (s) => s.trainLoss),
	perSite("zk0_site_held_out_loss", "A site's loss on its held-out episodes.", (s) => s.heldOutLoss),
	perSite(
		"zk0_site_local_held_out_loss",
		"Loss on a site's held-out episodes of the weights that it trained last, before they were combined.",
		(s) => s.localHeldOutLoss,
	),
	perSite("zk0_site_update_norm", "L2 norm of a site's last update.", (s) => s.updateNorm),
	perSite(
		"zk0_site_update_alignment",
		"Cosine between a site's last update and the mean of the others', -1 to 1.",
		(s) => s.updateAlignment,
	),
	row(
		"zk0_site_update_refused",
		"1 for the code with which a site's last update was refused, until it delivers one that is not.",
		["run", "site", "code"],
		({ views }) =>
			ofSites(views, ({ rejection }, labels): Sample[] => {
				if (rejection === null || !isAboutUpdate(rejection)) return [];
				return [[{ ...labels, code: rejection.code }, 1]];
			}),
	),
	row("zk0_runs", "Runs of this server by state.", ["state"], ({ runs }) =>
		Object.entries(runs).map(([state, count]) => [{ state }, count]),
	),
	row("zk0_run_info", "The runs under way or the last ones, as labels.", ["run", "strategy"], ({ views }) =>
		views.map(({ runId, strategy }) => [{ run: runId, strategy }, 1]),
	),
	row("zk0_run_phase", "1 for the phase that a run is in.", ["run", "phase"], ({ views }) =>
		views.flatMap((run) =>
			PHASES.map((phase): Sample => [{ run: run.runId, phase }, Number(run.phase === phase)]),
		),
	),
	perRun("zk0_run_round", "Round under way, or the last one.", ({ round }) => round),
	perRun("zk0_run_planned_rounds", "Rounds that the run will have.", ({ numRounds }) => numRounds),
	perRun("zk0_run_failed", "1 when the run failed and was not resumed, else 0.", ({ outcome }) =>
		Number(outcome === "failed"),
	),
	perRun("zk0_run_phase_seconds", "Seconds since the run's phase began.", (run, nowMs) =>
		run.phase === "ended" ? null : Math.max(0, nowMs - run.phaseSinceMs) / 1000,
	),
	perRun("zk0_run_silence_seconds", "Seconds since anything was heard of the run.", (run, nowMs) =>
		run.phase === "ended" ? null : Math.max(0, nowMs - run.heardMs) / 1000,
	),
	perRun(
		"zk0_run_open_tasks",
		"Sites that the run waits for to deliver.",
		({ openSites }) => openSites.length,
	),
	perRun("zk0_run_missing_sites", "Sites that have to come online before the run goes on.", ({ waiting }) =>
		Math.max(0, (waiting?.numNeeded ?? 0) - (waiting?.numOnline ?? 0)),
	),
	perRun("zk0_run_loss", "Mean held-out loss over sites, weighted by samples.", ({ lastLoss }) => lastLoss),
	perRun("zk0_run_best_loss", "Lowest mean held-out loss so far.", ({ bestLoss }) => bestLoss),
	perRun("zk0_run_base_loss", "Mean held-out loss of the starting model.", ({ baseLoss }) => baseLoss),
	perRun(
		"zk0_run_worse_rounds",
		"Rounds in a row whose mean held-out loss was worse than the one before.",
		({ numWorseRounds }) => numWorseRounds,
	),
	single(
		"zk0_disk_free_bytes",
		"Free bytes on the disk of the state folder.",
		({ machine }) => machine.disk?.freeBytes ?? null,
	),
	single(
		"zk0_disk_size_bytes",
		"Size of the disk of the state folder.",
		({ machine }) => machine.disk?.totalBytes ?? null,
	),
	single("zk0_certificate_expiry_timestamp_seconds", "Unix time when the certificate ends.", ({ machine }) =>
		seconds(machine.certificateEndsMs),
	),
	single(
		"zk0_authority_expiry_timestamp_seconds",
		"Unix time when the server's own certificate authority ends.",
		({ machine }) => seconds(machine.authority?.endsMs ?? null),
	),
	single(
		"zk0_authority_change_timestamp_seconds",
		"Unix time when the server changes to its authority's announced successor.",
		({ machine }) => seconds(machine.authority?.changesMs ?? null),
	),
	single(
		"zk0_authority_uninformed_sites",
		"Sites that have not heard of the authority's announced successor.",
		({ machine: { authority } }) => (authority?.changesMs == null ? null : authority.missing.length),
	),
	single("zk0_connections", "Connections of sites that are open.", ({ machine }) => machine.numConnections),
	row("zk0_alerts_firing", "Alerts that fire now, by rule.", ["rule", "severity"], ({ alerts }) => {
		const counts = new Map<string, Sample>();
		for (const { rule, severity } of alerts) {
			const count = counts.get(rule)?.[1] ?? 0;
			counts.set(rule, [{ rule, severity }, count + 1]);
		}
		return [...counts.values()];
	}),
];

/** Registers the gauges; call the result before each scrape. */
export function stateMetrics(registry: Registry): (scraped: Scraped) => void {
	const gauges = GAUGES.map(({ name, help, labels, samples }) => ({
		gauge: new Gauge({ name, help, labelNames: labels, registers: [registry] }),
		labels,
		samples,
	}));
	return (scraped) => {
		for (const { gauge, labels, samples } of gauges) {
			gauge.reset();
			// Without labels a reset leaves a zero.
			if (labels.length === 0) gauge.remove();
			for (const [at, value] of samples(scraped)) if (value !== null) gauge.set({ ...at }, value);
		}
	};
}

function row(name: string, help: string, labels: string[], samples: GaugeRow["samples"]): GaugeRow {
	return { name, help, labels, samples };
}

function single(name: string, help: string, value: (scraped: Scraped) => number | null): GaugeRow {
	return row(name, help, [], (scraped) => [[{}, value(scraped)]]);
}

/** One sample for each approved site, up to the bound. */
function perNode(name: string, help: string, value: (node: NodeView) => number | null): GaugeRow {
	return row(name, help, ["site"], ({ nodes }) =>
		nodes
			.filter(({ state }) => state === "approved")
			.slice(0, MAX_SITES)
			.map((node) => [{ site: node.site }, value(node)]),
	);
}

/** One sample for each run. */
function perRun(name: string, help: string, value: (run: RunView, nowMs: number) => number | null): GaugeRow {
	return row(name, help, ["run"], ({ views, nowMs }) =>
		views.map((run) => [{ run: run.runId }, value(run, nowMs)]),
	);
}

/** One sample for each site of each run, up to the bound. */
function perSite(name: string, help: string, value: (site: SiteRunView) => number | null): GaugeRow {
	return row(name, help, ["run", "site"], ({ views }) =>
		ofSites(views, (site, labels) => [[labels, value(site)]]),
	);
}

function ofSites(
	views: readonly RunView[],
	samples: (site: SiteRunView, labels: Readonly<Record<string, string>>) => readonly Sample[],
): Sample[] {
	return views.flatMap(({ runId, sites }) =>
		[...sites].slice(0, MAX_SITES).flatMap(([site, view]) => samples(view, { run: runId, site })),
	);
}

function seconds(ms: number | null): number | null {
	return ms === null ? null : ms / 1000;
}
