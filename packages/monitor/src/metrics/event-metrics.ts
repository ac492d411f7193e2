// Counters and histograms that grow with a run's events. Sites are bounded: their labels come from the operator's approvals,
// and beyond MAX_SITES they share one.
import type { RoundEvent } from "@zk0/federation";
import { Counter, Histogram, type Registry } from "prom-client";
import type { RunView } from "../view/run-view.ts";

/** Sites with series of their own; a site has about twenty. */
export const MAX_SITES = 500;
/** Where the sites beyond are counted. */
export const OTHER_SITES = "_other";

/** Seconds: rounds last from a second (tests) to a day (full size over a home uplink). */
const ROUND_BUCKETS = [1, 5, 15, 60, 300, 900, 1800, 3600, 7200, 14_400, 43_200, 86_400];

/** Counts events. */
export interface EventMetrics {
	/** One event, with the views before and after it. */
	record(event: RoundEvent, before: RunView | null, after: RunView | null): void;
}

/** Names sites in labels: the first `maxSites` by their name, later ones together. */
export function siteLabels(maxSites: number = MAX_SITES): (site: string) => string {
	const known = new Set<string>();
	return (site) => {
		if (known.size < maxSites) known.add(site);
		return known.has(site) ? site : OTHER_SITES;
	};
}

/** Registers the counters of events. */
export function eventMetrics(registry: Registry, labelOf: (site: string) => string): EventMetrics {
	const registers = [registry];
	const counter = <L extends string>(name: string, help: string, labelNames: readonly L[]): Counter<L> =>
		new Counter({ name, help, labelNames, registers });
	const seconds = <L extends string>(name: string, help: string, labelNames: readonly L[]): Histogram<L> =>
		new Histogram({ name, help, labelNames, registers, buckets: ROUND_BUCKETS });
	const updates = counter("zk0_site_updates_total", "Updates accepted from a site.", ["site"]);
	const updateBytes = counter("zk0_site_update_bytes_total", "Bytes of a site's accepted updates.", ["site"]);
	const samples = counter(
		"zk0_site_trained_samples_total",
		"Samples that a site's updates were trained on.",
		["site"],
	);
	const clipped = counter("zk0_site_updates_clipped_total", "Updates that were scaled back to the limit.", [
		"site",
		"by",
	]);
	const late = counter("zk0_site_updates_late_total", "Updates that came after their round was closed.", [
		"site",
	]);
	const rejected = counter("zk0_site_updates_rejected_total", "Replies of a site that were refused.", [
		"site",
		"code",
	]);
	const failures = counter("zk0_site_failures_total", "Tasks that a site could not do.", [
		"site",
		"phase",
		"code",
	]);
	const rounds = counter("zk0_rounds_total", "Rounds of training that ended.", ["outcome"]);
	const phases = seconds(
		"zk0_round_phase_duration_seconds",
		"Time that rounds spent in a phase: waiting for sites, training, aggregating, evaluating.",
		["phase"],
	);
	const tasks = seconds("zk0_task_duration_seconds", "Time from a task's dispatch to its result.", ["phase"]);
	return {
		record(event, before, after) {
			const elapsed = (sinceMs: number): number => Math.max(0, Date.parse(event.at) - sinceMs) / 1000;
			if (before !== null && after !== null && isNewPhase(before, after) && before.phase !== "ended")
				phases.observe({ phase: before.phase }, elapsed(before.phaseSinceMs));
			const { kind } = event;
			if (kind === "update.received") {
				const site = labelOf(event.site);
				updates.inc({ site });
				updateBytes.inc({ site }, event.sizeBytes);
				samples.inc({ site }, event.numSamples);
			}
			if (kind === "update.clipped") clipped.inc({ site: labelOf(event.site), by: event.by });
			if (kind === "update.late") late.inc({ site: labelOf(event.site) });
			if (kind === "update.rejected") rejected.inc({ site: labelOf(event.site), code: event.code });
			if (kind === "site.failed")
				failures.inc({ site: labelOf(event.site), phase: event.phase, code: event.code });
			if (kind === "round.aggregated") rounds.inc({ outcome: "aggregated" });
			if (kind === "round.failed") rounds.inc({ outcome: "failed" });
			if (kind === "update.received" || kind === "site.evaluated") {
				const task = before?.sites.get(event.site)?.task;
				if (task !== undefined && task !== null) tasks.observe({ phase: task.phase }, elapsed(task.sinceMs));
			}
		},
	};
}

function isNewPhase(before: RunView, after: RunView): boolean {
	return before.phase !== after.phase || before.phaseSinceMs !== after.phaseSinceMs;
}
