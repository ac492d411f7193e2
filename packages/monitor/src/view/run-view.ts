// What a run looks like now, folded from its events: where it stands, since when, on whom it waits, how each site does.
// Nothing here is measured or stored: the same events give the same view.
import type { RoundEvent, TaskPhase, UpdateRejection } from "@zk0/federation";

/** What a run does now. */
export type RunPhase = "waiting" | "train" | "aggregate" | "evaluate" | "ended";

/** One site in a run; null: not known yet. */
export interface SiteRunView {
	/** The task it works on. */
	readonly task: { readonly round: number; readonly phase: TaskPhase; readonly sinceMs: number } | null;
	readonly samplesPerSecond: number | null;
	/** Training loss, from its progress or its last update. */
	readonly trainLoss: number | null;
	/** Loss of the joint weights on its held-out recordings. */
	readonly heldOutLoss: number | null;
	/** … and of the weights that it trained itself, before they were combined. */
	readonly localHeldOutLoss: number | null;
	/** L2 norm of its update in the last round that was aggregated; null when it had none in that. */
	readonly updateNorm: number | null;
	/** Cosine between that update and the mean of the others'. */
	readonly updateAlignment: number | null;
	/** Round of its last accepted update. */
	readonly lastUpdateRound: number | null;
	/** The last refusal since its last accepted update. */
	readonly rejection: {
		readonly code: UpdateRejection;
		readonly round: number;
		readonly message: string;
	} | null;
	/** Why its last task failed, until it delivers again. */
	readonly failure: { readonly round: number; readonly message: string } | null;
}

/** A run. */
export interface RunView {
	readonly runId: string;
	readonly strategy: string;
	readonly numRounds: number;
	/** Round under way, or the last one. */
	readonly round: number;
	readonly attempt: number;
	readonly phase: RunPhase;
	/** When the phase began, on the clock of the log. */
	readonly phaseSinceMs: number;
	/** When anything was heard of the run. */
	readonly heardMs: number;
	/** Sites with an open task, sorted. */
	readonly openSites: readonly string[];
	/** While it waits: sites online and needed. */
	readonly waiting: { readonly numOnline: number; readonly numNeeded: number } | null;
	/** Mean held-out loss on the initial weights. */
	readonly baseLoss: number | null;
	readonly bestLoss: number | null;
	readonly lastLoss: number | null;
	/** Rounds in a row whose loss was worse than the one before. */
	readonly numWorseRounds: number;
	readonly outcome: "running" | "completed" | "failed" | "stopped";
	readonly failure: string | null;
	readonly sites: ReadonlyMap<string, SiteRunView>;
}

const NEW_SITE: SiteRunView = {
	task: null,
	samplesPerSecond: null,
	trainLoss: null,
	heldOutLoss: null,
	localHeldOutLoss: null,
	updateNorm: null,
	updateAlignment: null,
	lastUpdateRound: null,
	rejection: null,
	failure: null,
};

/** The view after one more event; `view` is null before the first event of a run. */
export function applyToRun(view: RunView | null, event: RoundEvent): RunView | null {
	const atMs = Date.parse(event.at);
	if (event.kind === "run.started") {
		const { runId, strategy, numRounds } = event;
		return {
			runId,
			strategy: strategy.name,
			numRounds,
			round: 0,
			attempt: 0,
			phase: "waiting",
			phaseSinceMs: atMs,
			heardMs: atMs,
			openSites: [],
			waiting: null,
			baseLoss: null,
			bestLoss: null,
			lastLoss: null,
			numWorseRounds: 0,
			outcome: "running",
			failure: null,
			sites: new Map(),
		};
	}
	return view === null ? null : { ...applyEvent(view, event, atMs), heardMs: atMs };
}

/** What each kind of event changes; the others only show that the run is alive. */
const CHANGES: {
	readonly [K in RoundEvent["kind"]]?: (
		view: RunView,
		event: Extract<RoundEvent, { kind: K }>,
		atMs: number,
	) => RunView;
} = {
	"run.resumed": (view, { round }, atMs) => ({
		...entering(view, "waiting", atMs),
		round,
		outcome: "running",
		failure: null,
		openSites: [],
	}),
	"run.waiting": (view, { numOnline, numNeeded }, atMs) => ({
		...(view.phase === "waiting" ? view : entering(view, "waiting", atMs)),
		waiting: { numOnline, numNeeded },
	}),
	"round.started": (view, { round, attempt }, atMs) => ({ ...entering(view, "train", atMs), round, attempt }),
	"task.sent": (view, { round, phase, site }, atMs) =>
		opened(
			changed(view.phase === phase ? view : entering(view, phase, atMs), site, {
				task: { round, phase, sinceMs: atMs },
			}),
			site,
		),
	"task.progress": (view, { site, loss, samplesPerSecond, phase }) =>
		changed(view, site, {
			samplesPerSecond,
			...(phase === "train" && loss !== null ? { trainLoss: loss } : {}),
		}),
	"update.received": (view, { site, round, metrics }) => {
		const { loss: trainLoss = null, heldOutLoss: localHeldOutLoss = null, samplesPerSecond } = metrics;
		const settled = { task: null, trainLoss, localHeldOutLoss, lastUpdateRound: round };
		const cleared = { rejection: null, failure: null };
		const rate = samplesPerSecond === undefined ? {} : { samplesPerSecond };
		return closed(changed(view, site, { ...settled, ...cleared, ...rate }), site);
	},
	"update.late": (view, { site }) => closed(changed(view, site, { task: null }), site),
	"round.closed": (view, { without }) => without.reduce(closed, view),
	"update.rejected": (view, { site, code, round, message, endsTask }) => {
		const noted = changed(view, site, {
			rejection: { code, round, message },
			...(endsTask ? { task: null } : {}),
		});
		return endsTask ? closed(noted, site) : noted;
	},
	"site.failed": (view, { site, round, message }) =>
		closed(changed(view, site, { task: null, failure: { round, message } }), site),
	// Norms and directions are told of one round together, so that they can be held against each other.
	"updates.compared": (view, { sites }) => {
		const found = new Map(sites.map(({ site, ...one }) => [site, one]));
		return [...new Set([...view.sites.keys(), ...found.keys()])].reduce((next, site) => {
			const { norm = null, alignment = null } = found.get(site) ?? {};
			return changed(next, site, { updateNorm: norm, updateAlignment: alignment });
		}, view);
	},
	"round.accepted": (view, _, atMs) => ({ ...entering(view, "aggregate", atMs), openSites: [] }),
	"round.aggregated": (view, { round }, atMs) => ({ ...entering(view, "evaluate", atMs), round }),
	"site.evaluated": (view, { site, loss }) =>
		closed(changed(view, site, { task: null, heldOutLoss: loss }), site),
	"round.evaluated": evaluated,
	"round.failed": (view, _, atMs) => ({ ...entering(view, "waiting", atMs), openSites: [] }),
	"run.completed": (view, _, atMs) => ended(view, "completed", null, atMs),
	"run.failed": (view, { message }, atMs) => ended(view, "failed", message, atMs),
	"run.stopped": (view, _, atMs) => ended(view, "stopped", null, atMs),
};

function applyEvent(view: RunView, event: RoundEvent, atMs: number): RunView {
	// The row of an event's kind takes that event.
	const change = CHANGES[event.kind] as ((v: RunView, e: RoundEvent, ms: number) => RunView) | undefined;
	return change === undefined ? view : change(view, event, atMs);
}

function ended(view: RunView, outcome: RunView["outcome"], failure: string | null, atMs: number): RunView {
	return { ...entering(view, "ended", atMs), outcome, failure, openSites: [] };
}

function evaluated(view: RunView, { round, loss }: { round: number; loss: number | null }): RunView {
	if (round === 0) return { ...view, baseLoss: loss, bestLoss: loss, lastLoss: loss };
	const isWorse = loss !== null && view.lastLoss !== null && loss > view.lastLoss;
	return {
		...view,
		bestLoss: loss === null ? view.bestLoss : Math.min(loss, view.bestLoss ?? loss),
		lastLoss: loss ?? view.lastLoss,
		numWorseRounds: loss === null ? view.numWorseRounds : isWorse ? view.numWorseRounds + 1 : 0,
	};
}

function entering(view: RunView, phase: RunPhase, atMs: number): RunView {
	return { ...view, phase, phaseSinceMs: atMs, waiting: null };
}

function changed(view: RunView, site: string, change: Partial<SiteRunView>): RunView {
	const sites = new Map(view.sites);
	sites.set(site, { ...NEW_SITE, ...sites.get(site), ...change });
	return { ...view, sites };
}

function opened(view: RunView, site: string): RunView {
	return view.openSites.includes(site) ? view : { ...view, openSites: [...view.openSites, site].sort() };
}

function closed(view: RunView, site: string): RunView {
	return { ...view, openSites: view.openSites.filter((open) => open !== site) };
}

/** Refusals that say something about an update, not only that it came twice or too late. */
export function isAboutUpdate({ code }: NonNullable<SiteRunView["rejection"]>): boolean {
	return code !== "duplicate" && code !== "late" && code !== "wrong-round" && code !== "unknown-task";
}
