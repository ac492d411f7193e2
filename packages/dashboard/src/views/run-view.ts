// A run as its overview shows it, folded from its events one by one: the server folds the log, the browser goes on with
// what comes over the stream. Small enough for the browser: numbers per round, a letter per site and round, the tasks of
// the last two rounds. What was not measured is null, never 0.
import type { RoundEvent } from "@zk0/federation/events";
import { z } from "zod";
import { type Folds, fold } from "./fold.ts";
import { incidentOf, incidentSchema } from "./incident.ts";
import { spreadOf, spreadSchema } from "./spread.ts";
import { foldTimeline, startTimeline, timelineSchema } from "./timeline.ts";

const loss = z.number().nullable();

const siteRowSchema = z.object({
	site: z.string(),
	/** As far as the run's log knows. */
	isThere: z.boolean(),
	numSamples: z.int().nullable(),
	/** Held-out loss of the starting weights and of the last ones measured. */
	firstLoss: loss,
	loss,
	numUpdates: z.int(),
	numProblems: z.int(),
	samplesPerSecond: z.number().nullable(),
	/** A letter per round from 0: `-` not asked, `w` at work, `t` counted, `r` refused, `f` failed, `l` late. */
	participation: z.string(),
});

const roundRowSchema = z.object({
	round: z.int(),
	attempt: z.int(),
	startedAt: z.string().nullable(),
	endAt: z.string().nullable(),
	/** Mean held-out loss, weighted by samples. */
	loss,
	spread: spreadSchema.nullable(),
	/** Loss by site while there are few; null: ask for the site. */
	perSite: z.record(z.string(), loss).nullable(),
	numAsked: z.int(),
	numCounted: z.int().nullable(),
	numRefused: z.int(),
	numFailed: z.int(),
	bytesUp: z.number().nullable(),
	bytesDown: z.number().nullable(),
	aggregateSeconds: z.number().nullable(),
	weightsSha256: z.string().nullable(),
});

/** Schema of {@link RunView}. */
export const runViewSchema = z.object({
	runId: z.string().nullable(),
	status: z.enum(["queued", "running", "completed", "stopped", "failed"]),
	startedAt: z.string().nullable(),
	lastAt: z.string().nullable(),
	settings: z
		.object({
			seed: z.int(),
			numRounds: z.int(),
			numLocalSteps: z.int(),
			strategy: z.string(),
			strategyOptions: z.unknown(),
			updateDtype: z.string(),
			weightsSha256: z.string(),
		})
		.nullable(),
	/** Sorted by name. */
	sites: z.array(siteRowSchema),
	/** The index is the round. */
	rounds: z.array(roundRowSchema),
	/** The round under way and what is done in it. */
	phase: z.object({ round: z.int(), kind: z.enum(["waiting", "train", "aggregate", "evaluate", "over"]) }),
	/** The tasks of the last two rounds. */
	timelines: z.array(timelineSchema),
	/** The newest last. */
	incidents: z.array(incidentSchema),
	numIncidents: z.int(),
});

/** A run. */
export type RunView = z.infer<typeof runViewSchema>;
/** One site in it. */
export type SiteRow = z.infer<typeof siteRowSchema>;
/** One round of it. */
export type RoundRow = z.infer<typeof roundRowSchema>;

/** With more sites, losses are shown as a spread. */
const MAX_SITES_DRAWN = 12;
const MAX_INCIDENTS = 100;
const NUM_TIMELINES = 2;

/** A run before its first event. */
export function emptyRunView(): RunView {
	return {
		runId: null,
		status: "queued",
		startedAt: null,
		lastAt: null,
		settings: null,
		sites: [],
		rounds: [],
		phase: { round: 0, kind: "waiting" },
		timelines: [],
		incidents: [],
		numIncidents: 0,
	};
}

/**
 * The view of a run as its server knows it, by its name and its state: of one that waits for its turn, or that was stopped
 * or has failed before its first event, the log says nothing.
 */
export function asServed(view: RunView, runId: string, state: RunView["status"]): RunView {
	const isOver = state !== "queued" && state !== "running";
	const phase = { ...view.phase, kind: isOver ? ("over" as const) : view.phase.kind };
	return { ...view, runId, status: state, phase };
}

/** Adds an event; `view` is changed in place. */
export function foldRun(view: RunView, event: RoundEvent): void {
	view.lastAt = event.at;
	fold(FOLDS, view, event);
	if ("round" in event && event.kind !== "run.resumed" && event.kind !== "run.stopped") {
		const timeline = view.timelines.find(({ round }) => round === event.round);
		if (timeline !== undefined) foldTimeline(timeline, event);
	}
	const incident = incidentOf(event);
	if (incident === null) return;
	view.numIncidents++;
	view.incidents.push(incident);
	if (view.incidents.length > MAX_INCIDENTS) view.incidents.shift();
}

const FOLDS: Folds<RunView> = {
	"run.started": (view, event) => {
		view.runId = event.runId;
		view.status = "running";
		view.startedAt = event.at;
		const { seed, numRounds, numLocalSteps, strategy, updateDtype, weightsSha256 } = event;
		const strategyOptions = strategy.options;
		view.settings = {
			seed,
			numRounds,
			numLocalSteps,
			strategy: strategy.name,
			strategyOptions,
			updateDtype,
			weightsSha256,
		};
	},
	"run.resumed": (view) => {
		view.status = "running";
	},
	"run.completed": (view) => finish(view, "completed"),
	"run.failed": (view) => finish(view, "failed"),
	"run.stopped": (view) => finish(view, "stopped"),
	"site.joined": (view, { site, numSamples }) => {
		Object.assign(siteRow(view, site), { isThere: true, numSamples });
	},
	"site.left": (view, { site }) => {
		siteRow(view, site).isThere = false;
	},
	"round.started": (view, { round, attempt, sites, at }) => {
		view.phase = { round, kind: "train" };
		const row = roundRow(view, round, at);
		Object.assign(row, { attempt, startedAt: row.startedAt ?? at, numAsked: sites.length });
		for (const site of sites) mark(siteRow(view, site), round, "w");
	},
	"task.sent": (view, { round, phase, at }) => {
		if (phase === "evaluate") view.phase = { round, kind: "evaluate" };
		roundRow(view, round, at).startedAt ??= at;
	},
	"update.received": (view, { round, site, metrics }) => {
		const row = siteRow(view, site);
		mark(row, round, "t");
		row.numUpdates++;
		row.samplesPerSecond = metrics["samplesPerSecond"] ?? row.samplesPerSecond;
	},
	"update.late": (view, { round, site }) => mark(siteRow(view, site), round, "l"),
	"update.rejected": (view, { round, site, endsTask, at }) => {
		if (!endsTask) return;
		roundRow(view, round, at).numRefused++;
		const row = siteRow(view, site);
		mark(row, round, "r");
		row.numProblems++;
	},
	"site.failed": (view, { round, site, phase, at }) => {
		roundRow(view, round, at).numFailed++;
		const row = siteRow(view, site);
		if (phase === "train") mark(row, round, "f");
		row.numProblems++;
	},
	"round.accepted": (view, { round, updates, at }) => {
		view.phase = { round, kind: "aggregate" };
		roundRow(view, round, at).numCounted = updates.length;
	},
	"round.aggregated": (view, { round, seconds, weightsSha256, at }) => {
		Object.assign(roundRow(view, round, at), { aggregateSeconds: seconds, weightsSha256 });
	},
	"site.evaluated": (view, event) => {
		const row = siteRow(view, event.site);
		if (event.round === 0) row.firstLoss = event.loss;
		row.loss = event.loss ?? row.loss;
	},
	"round.evaluated": (view, { round, loss: mean, perSite, bytesUp, bytesDown, at }) => {
		const losses = Object.values(perSite);
		const isDrawn = losses.length <= MAX_SITES_DRAWN;
		const spread = spreadOf(losses);
		const drawn = isDrawn ? perSite : null;
		Object.assign(roundRow(view, round, at), {
			loss: mean,
			spread,
			perSite: drawn,
			bytesUp,
			bytesDown,
			endAt: at,
		});
	},
};

function finish(view: RunView, status: RunView["status"]): void {
	view.status = status;
	view.phase = { round: view.phase.round, kind: "over" };
}

function siteRow({ sites }: RunView, site: string): SiteRow {
	const found = sites.find((row) => row.site === site);
	if (found !== undefined) return found;
	const row: SiteRow = {
		site,
		isThere: true,
		numSamples: null,
		firstLoss: null,
		loss: null,
		numUpdates: 0,
		numProblems: 0,
		samplesPerSecond: null,
		participation: "",
	};
	sites.push(row);
	sites.sort((a, b) => (a.site < b.site ? -1 : 1));
	return row;
}

/** The round's row; rounds come in order, and each starts a timeline. */
function roundRow(view: RunView, round: number, at: string): RoundRow {
	const found = view.rounds[round];
	if (found !== undefined) return found;
	for (let missing = view.rounds.length; missing <= round; missing++) view.rounds.push(emptyRound(missing));
	view.timelines = [...view.timelines, startTimeline(round, at)].slice(-NUM_TIMELINES);
	return view.rounds[round] ?? emptyRound(round);
}

function emptyRound(round: number): RoundRow {
	return {
		round,
		attempt: 1,
		startedAt: null,
		endAt: null,
		loss: null,
		spread: null,
		perSite: null,
		numAsked: 0,
		numCounted: null,
		numRefused: 0,
		numFailed: 0,
		bytesUp: null,
		bytesDown: null,
		aggregateSeconds: null,
		weightsSha256: null,
	};
}

/** Writes the round's letter. */
function mark(row: SiteRow, round: number, letter: string): void {
	const before = row.participation.slice(0, round).padEnd(round, "-");
	row.participation = before + letter + row.participation.slice(round + 1);
}
