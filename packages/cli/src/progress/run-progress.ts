// What a run looks like at one moment: the state behind the live lines. Updated by whoever sees events; read by
// the renderers. Holds no streams and no timers.

/** What a site is doing. */
export type SitePhase = "waiting" | "recording" | "training" | "measuring" | "done" | "failed";

/** One site's line. */
export interface SiteProgress {
	readonly site: string;
	readonly phase: SitePhase;
	/** Steps (or episodes, or frames) done in this phase, or null where the phase has no count. */
	readonly done: number | null;
	readonly total: number | null;
	/** What was done when the count began: the first report of a phase comes after its first steps. */
	readonly doneAtStart: number | null;
	/** Last training loss, or after evaluation the held-out loss; null before the first. */
	readonly loss: number | null;
	readonly samplesPerSecond: number | null;
	/** When the phase began, in the host's clock. */
	readonly phaseStartedMs: number;
	/** Why it failed, in one line. */
	readonly reason: string | null;
}

/** The whole picture. */
export interface RunProgress {
	/** 0 while the initial model is measured; null before that. */
	readonly round: number | null;
	readonly rounds: number;
	readonly startedMs: number;
	readonly sites: ReadonlyMap<string, SiteProgress>;
	/** Mean held-out loss by round, from round 0; null where it was not measured. */
	readonly losses: readonly (number | null)[];
	/** When round 1 began: the base of the estimate of the time left. */
	readonly roundsStartedMs: number | null;
}

/** A run before anything happened. */
export function startProgress(
	sites: readonly string[],
	options: { rounds: number; nowMs: number },
): RunProgress {
	const line = (site: string): SiteProgress => ({
		site,
		phase: "waiting",
		done: null,
		total: null,
		doneAtStart: null,
		loss: null,
		samplesPerSecond: null,
		phaseStartedMs: options.nowMs,
		reason: null,
	});
	return {
		round: null,
		rounds: options.rounds,
		startedMs: options.nowMs,
		sites: new Map(sites.map((site) => [site, line(site)])),
		losses: [],
		roundsStartedMs: null,
	};
}

/** The picture with one site's line changed; a change of phase restarts the phase's clock and counts. */
export function updateSite(
	progress: RunProgress,
	site: string,
	change: Partial<Omit<SiteProgress, "site" | "phaseStartedMs" | "doneAtStart">> & { readonly nowMs: number },
): RunProgress {
	const { nowMs, ...fields } = change;
	const before = progress.sites.get(site);
	if (before === undefined) return progress;
	const isNewPhase = fields.phase !== undefined && fields.phase !== before.phase;
	const reset = {
		done: null,
		total: null,
		samplesPerSecond: null,
		doneAtStart: fields.done ?? null,
		phaseStartedMs: nowMs,
	};
	const after = { ...before, ...(isNewPhase ? reset : {}), ...fields };
	return { ...progress, sites: new Map([...progress.sites, [site, after]]) };
}

/** Milliseconds left in the site's phase at the pace so far; null before two counts. */
export function siteEtaMs(site: SiteProgress, nowMs: number): number | null {
	const { done, total, phaseStartedMs } = site;
	if (done === null || total === null) return null;
	const counted = done - (site.doneAtStart ?? 0);
	return counted <= 0 ? null : ((nowMs - phaseStartedMs) / counted) * (total - done);
}

/** Milliseconds left in the run at the pace of the finished rounds; null before the first round is finished. */
export function runEtaMs(progress: RunProgress, nowMs: number): number | null {
	const finished = progress.losses.length - 1;
	if (progress.roundsStartedMs === null || finished < 1) return null;
	const perRound = (nowMs - progress.roundsStartedMs) / Math.max(finished, (progress.round ?? 1) - 1);
	return Math.max(0, perRound * progress.rounds - (nowMs - progress.roundsStartedMs));
}
