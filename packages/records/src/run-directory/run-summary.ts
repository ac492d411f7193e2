// A run as numbers, folded from its events: the one source of metrics.json, of the report, of `zk0 runs show` and
// of the summary on the screen. What was not measured is null, never 0.
import type { RoundEvent } from "@zk0/federation";
import { type Span, sessionSeconds, taskSpans } from "./run-timeline.ts";

/** How a run stands. */
export type RunStatus = "running" | "completed" | "stopped" | "failed";

/** One site in one round. */
export interface SiteRound {
	/** Held-out loss of the round's global weights, in the site's own units. */
	readonly heldOutLoss: number | null;
	/** Held-out measurements by name. */
	readonly heldOut: Readonly<Record<string, number | null>>;
	/** Training measurements by name; null when the site did not train in this round. */
	readonly training: Readonly<Record<string, number | null>> | null;
	/** Held-out loss of the weights that the site trained in the round, before they were combined; null: not measured. */
	readonly localLoss: number | null;
	/** Samples consumed by the round's optimizer steps; null when the site did not train. */
	readonly numSamples: number | null;
	/** Share in the round's aggregate. */
	readonly weight: number | null;
	/** Size of the accepted update. */
	readonly updateBytes: number | null;
	/** L2 norm of what the site changed. */
	readonly updateNorm: number | null;
	/** Cosine of its change with the mean of the others' changes. */
	readonly updateAlignment: number | null;
	/** Why the site is missing from the round. */
	readonly failure: string | null;
}

/** One round; round 0 is the initial model. */
export interface RoundSummary {
	readonly round: number;
	/** Mean held-out loss over the sites, weighted by samples. */
	readonly loss: number | null;
	readonly sites: Readonly<Record<string, SiteRound>>;
	readonly bytesUp: number | null;
	readonly bytesDown: number | null;
	readonly weightsSha256: string | null;
	readonly aggregateSeconds: number | null;
	/** How the updates lie to each other; null: not measured. */
	readonly comparison: RoundComparison | null;
}

/** How the updates of a round lie to each other. */
export interface RoundComparison {
	/** Elements that were looked at in each update, of `numTotal`. */
	readonly numElements: number;
	readonly numTotal: number;
	/** Sorted. */
	readonly sites: readonly string[];
	/** Row i: the cosines of site i with the sites 0 to i - 1. Null: too many sites. */
	readonly cosines: readonly (readonly (number | null)[])[] | null;
}

/** The whole run. */
export interface RunSummary {
	readonly runId: string | null;
	readonly status: RunStatus;
	readonly failure: string | null;
	readonly seed: number | null;
	readonly strategy: string | null;
	readonly numRounds: number | null;
	readonly numLocalSteps: number | null;
	/** Names in alphabetical order. */
	readonly sites: readonly string[];
	/** Rounds measured so far, from round 0. */
	readonly rounds: readonly RoundSummary[];
	readonly initialLoss: number | null;
	readonly finalLoss: number | null;
	readonly bytesUp: number | null;
	readonly bytesDown: number | null;
	/** When the run began, ISO 8601. */
	readonly startedAt: string | null;
	/** Time in which a process worked on the run; pauses between stop and resume do not count. */
	readonly seconds: number | null;
	readonly timeline: readonly Span[];
	/** Failures, refused updates, stops and resumes, in order. */
	readonly incidents: readonly { readonly at: string; readonly text: string }[];
}

type Draft<T> = { -readonly [K in keyof T]: T[K] };

interface RoundDraft extends Draft<Omit<RoundSummary, "sites">> {
	sites: Map<string, Draft<SiteRound>>;
}

const EMPTY_SITE: SiteRound = {
	heldOutLoss: null,
	heldOut: {},
	training: null,
	localLoss: null,
	numSamples: null,
	weight: null,
	updateBytes: null,
	updateNorm: null,
	updateAlignment: null,
	failure: null,
};

/** Folds a run's events. */
export function summarizeRun(events: readonly RoundEvent[]): RunSummary {
	const rounds = new Map<number, RoundDraft>();
	const started = events.find((event) => event.kind === "run.started");
	const sites = new Set<string>();
	for (const event of events) {
		if (event.kind === "site.joined") sites.add(event.site);
		foldRound(event, rounds);
	}
	const measured = [...rounds.values()].filter(({ loss, weightsSha256, round, sites }) => {
		return round === 0 ? loss !== null || sites.size > 0 : weightsSha256 !== null;
	});
	const ordered = measured.sort((a, b) => a.round - b.round).map(finishRound);
	return {
		runId: started?.runId ?? null,
		...statusOf(events),
		seed: started?.seed ?? null,
		strategy: started?.strategy.name ?? null,
		numRounds: started?.numRounds ?? null,
		numLocalSteps: started?.numLocalSteps ?? null,
		sites: [...sites].sort(),
		rounds: ordered,
		initialLoss: ordered.find(({ round }) => round === 0)?.loss ?? null,
		finalLoss: ordered.at(-1)?.loss ?? null,
		bytesUp: sumKnown(ordered.map(({ bytesUp }) => bytesUp)),
		bytesDown: sumKnown(ordered.map(({ bytesDown }) => bytesDown)),
		startedAt: started?.at ?? null,
		seconds: sessionSeconds(events),
		timeline: taskSpans(events),
		incidents: incidentsOf(events),
	};
}

/** The sum, or null when there is nothing to sum or a part is unknown. */
function sumKnown(values: readonly (number | null)[]): number | null {
	const known = values.filter((value) => value !== null);
	return known.length === values.length && known.length > 0
		? known.reduce((sum, value) => sum + value, 0)
		: null;
}

function foldRound(event: RoundEvent, rounds: Map<number, RoundDraft>): void {
	if (!("round" in event)) return;
	const round = rounds.get(event.round) ?? {
		round: event.round,
		loss: null,
		sites: new Map(),
		bytesUp: null,
		bytesDown: null,
		weightsSha256: null,
		aggregateSeconds: null,
		comparison: null,
	};
	rounds.set(event.round, round);
	const siteOf = (name: string): Draft<SiteRound> => {
		const site = round.sites.get(name) ?? { ...EMPTY_SITE };
		round.sites.set(name, site);
		return site;
	};
	switch (event.kind) {
		case "update.received": {
			const { metrics, numSamples, sizeBytes } = event;
			Object.assign(siteOf(event.site), {
				training: metrics,
				localLoss: metrics["heldOutLoss"] ?? null,
				numSamples,
				updateBytes: sizeBytes,
				failure: null,
			});
			break;
		}
		case "update.rejected":
			if (event.endsTask) siteOf(event.site).failure = `${event.code}: ${event.message}`;
			break;
		case "site.failed":
			siteOf(event.site).failure = `${event.code}: ${event.message}`;
			break;
		case "round.closed":
			for (const site of event.without) siteOf(site).failure = `not waited for: ${event.reason}`;
			break;
		case "updates.compared": {
			const { numElements, numTotal, cosines, sites } = event;
			round.comparison = { numElements, numTotal, cosines, sites: sites.map(({ site }) => site) };
			for (const { site, norm, alignment } of sites)
				Object.assign(siteOf(site), { updateNorm: norm, updateAlignment: alignment });
			break;
		}
		case "round.accepted":
			for (const { site, weight } of event.updates) siteOf(site).weight = weight;
			break;
		case "round.aggregated":
			round.weightsSha256 = event.weightsSha256;
			round.aggregateSeconds = event.seconds;
			break;
		case "site.evaluated":
			Object.assign(siteOf(event.site), { heldOutLoss: event.loss, heldOut: event.metrics });
			break;
		case "round.evaluated":
			round.loss = event.loss;
			round.bytesUp = event.bytesUp;
			round.bytesDown = event.bytesDown;
			break;
		case "round.failed":
		case "round.started":
		case "run.resumed":
		case "run.stopped":
		case "site.stalled":
		case "task.progress":
		case "task.sent":
		case "update.clipped":
		case "update.late":
			break;
	}
}

function finishRound(draft: RoundDraft): RoundSummary {
	const sorted = [...draft.sites].sort(([a], [b]) => (a < b ? -1 : 1));
	return { ...draft, sites: Object.fromEntries(sorted) };
}

function statusOf(events: readonly RoundEvent[]): { status: RunStatus; failure: string | null } {
	const last = events.findLast(({ kind }) =>
		["run.completed", "run.failed", "run.stopped", "run.resumed"].includes(kind),
	);
	if (last?.kind === "run.completed") return { status: "completed", failure: null };
	if (last?.kind === "run.stopped") return { status: "stopped", failure: null };
	if (last?.kind === "run.failed") return { status: "failed", failure: `${last.code}: ${last.message}` };
	return { status: "running", failure: null };
}

function incidentsOf(events: readonly RoundEvent[]): RunSummary["incidents"] {
	return events.flatMap((event) => {
		const text = incidentText(event);
		return text === null ? [] : [{ at: event.at, text }];
	});
}

/** One line about an event that people should know of, or null for business as usual. */
export function incidentText(event: RoundEvent): string | null {
	switch (event.kind) {
		case "run.resumed":
			return `resumed in round ${event.round}, ${event.numUpdatesKept} updates kept`;
		case "update.rejected":
			return `round ${event.round}: update of ${event.site} refused, ${event.code}: ${event.message}`;
		case "site.failed":
			return `round ${event.round}: ${event.site} failed to ${event.phase}, ${event.code}: ${event.message}`;
		case "site.left":
			return event.reason === "offline" ? `${event.site} went offline` : null;
		case "round.failed":
			return `round ${event.round}: attempt ${event.attempt} brought ${event.numReceived} of ${event.numNeeded} updates`;
		case "site.stalled":
			return `round ${event.round}: ${event.site} shows no progress on its task (${event.phase}) for ${Math.round(event.seconds)} s`;
		case "round.closed":
			return `round ${event.round}: goes on with ${event.numReceived} results (${event.phase}) without ${event.without.join(", ")}: ${event.reason}`;
		case "update.late":
			return `round ${event.round}: update of ${event.site} came late; kept as ${event.sha256.slice(0, 12)}`;
		case "update.clipped":
			return `round ${event.round}: update of ${event.site} clipped by ${event.by === "site" ? "the site" : "the server"} from norm ${event.norm.toPrecision(4)} to ${event.limit}`;
		case "run.failed":
			return `run failed, ${event.code}: ${event.message}`;
		case "run.stopped":
			return `stopped in round ${event.round}`;
		case "round.accepted":
		case "round.aggregated":
		case "round.evaluated":
		case "round.started":
		case "run.completed":
		case "run.started":
		case "run.waiting":
		case "site.evaluated":
		case "site.joined":
		case "task.progress":
		case "task.sent":
		case "update.received":
		case "updates.compared":
			break;
	}
	return null;
}
