// The built-in rules: pure functions from one observation to the alerts that hold in it. They remember nothing, so an alert
// ends as soon as its reason does. deploy/prometheus/rules.yml says the same for Prometheus.
import type { NodeView, Observation } from "../view/observation.ts";
import { isAboutUpdate, type RunView } from "../view/run-view.ts";
import type { Alert, AlertRule, Severity } from "./alert.ts";

/** When rules hold. */
export interface AlertLimits {
	/** A site is lost after this time away while a run needs it. */
	readonly siteLostMs: number;
	/** A round is stuck when nothing was heard for this time. */
	readonly roundStuckMs: number;
	/** The loss diverges when it is this many times the best one. */
	readonly lossFactor: number;
	/** … or was worse this many rounds in a row and is above the starting model's. */
	readonly numWorseRounds: number;
	/** An update is unusual when its norm is this many times the median of the round, or its fraction. */
	readonly normFactor: number;
	/** … or its cosine with the mean of the others is below this. */
	readonly minAlignment: number;
	/** The disk is low with less than this fraction free … */
	readonly diskFreeFraction: number;
	/** … or less than this. */
	readonly diskFreeBytes: number;
	/** A certificate ends soon. Servers renew 30 days before, so this means that they could not. */
	readonly certificateMs: number;
	/** An authority ends soon: its successor has to be announced long before. */
	readonly authorityMs: number;
	/** Sites that have not heard of a successor this long before the server changes to it. */
	readonly authorityNoticeMs: number;
}

const MINUTE_MS = 60_000;
const DAY_MS = 24 * 60 * MINUTE_MS;

/** The limits of a server. */
export const DEFAULT_LIMITS: AlertLimits = {
	siteLostMs: 2 * MINUTE_MS,
	roundStuckMs: 15 * MINUTE_MS,
	lossFactor: 1.5,
	numWorseRounds: 3,
	normFactor: 4,
	minAlignment: -0.2,
	diskFreeFraction: 0.05,
	diskFreeBytes: 2e9,
	certificateMs: 14 * DAY_MS,
	authorityMs: 180 * DAY_MS,
	authorityNoticeMs: 7 * DAY_MS,
};

type Rule = (observation: Observation, limits: AlertLimits) => Alert[];

const RULES: readonly Rule[] = [
	sitesLost,
	roundStuck,
	runFailed,
	lossDiverging,
	updatesRefused,
	updatesUnusual,
	diskLow,
	certificateExpiring,
	authorityEnding,
];

/** Every alert that holds now, in the order of the rules. */
export function alertsOf(observation: Observation, limits: AlertLimits = DEFAULT_LIMITS): Alert[] {
	return RULES.flatMap((rule) => rule(observation, limits));
}

/** Every alert of some runs; without runs, those that need none. Alerts about updates are of one run each. */
export function alertsOfRuns(
	observation: Omit<Observation, "run">,
	runs: readonly RunView[],
	limits: AlertLimits,
): Alert[] {
	if (runs.length === 0) return alertsOf({ ...observation, run: null }, limits);
	return runs.flatMap((run) =>
		alertsOf({ ...observation, run }, limits).map((found) =>
			found.rule.startsWith("update-") ? { ...found, run: run.runId } : found,
		),
	);
}

function sitesLost({ run, nodes, nowMs }: Observation, { siteLostMs }: AlertLimits): Alert[] {
	if (run === null || run.outcome !== "running") return [];
	const isLost = ({ state, isOnline, offlineSinceMs }: NodeView): boolean =>
		state === "approved" && !isOnline && offlineSinceMs !== null && nowMs - offlineSinceMs >= siteLostMs;
	return nodes
		.filter(isLost)
		.map(({ site, offlineSinceMs }) =>
			alert(
				"site-lost",
				site,
				"critical",
				`${site} is offline for ${duration(nowMs - (offlineSinceMs ?? nowMs))} while ${run.runId} runs`,
				`at the site: see \`zk0 client status\` and \`zk0 client logs\`, then \`zk0 client start\`; if it is gone for good: \`zk0 server revoke ${site}\``,
			),
		);
}

function roundStuck({ run, nodes, nowMs }: Observation, { roundStuckMs }: AlertLimits): Alert[] {
	if (run === null || run.outcome !== "running" || run.phase === "ended") return [];
	const silentMs = nowMs - run.heardMs;
	if (silentMs < roundStuckMs) return [];
	const { why, cure } = stuckReason(run, nodes);
	return [
		alert(
			"round-stuck",
			run.runId,
			"critical",
			`round ${run.round} of ${run.runId} stands still for ${duration(silentMs)}: ${why}`,
			cure,
		),
	];
}

/** Why nothing happens, and what to do. */
function stuckReason(
	{ phase, waiting, openSites }: RunView,
	nodes: readonly NodeView[],
): { why: string; cure: string } {
	const offline = nodes
		.filter(({ state, isOnline }) => state === "approved" && !isOnline)
		.map(({ site }) => site);
	const pending = nodes.filter(({ state }) => state === "pending").map(({ site }) => site);
	if (phase === "waiting") {
		const { numOnline = 0, numNeeded = 0 } = waiting ?? {};
		const why = `${numOnline} of ${numNeeded} sites are online`;
		if (pending.length > 0)
			return { why: `${why}; ${list(pending)} waits for approval`, cure: "zk0 server approve <site>" };
		if (offline.length > 0)
			return {
				why: `${why}; ${list(offline)} offline`,
				cure: "start the clients there: `zk0 client start`; invite more sites with `zk0 server invite`",
			};
		return { why, cure: "invite more sites with `zk0 server invite`, or start a run with fewer --min-sites" };
	}
	if (phase === "aggregate")
		return { why: "the aggregation does not end", cure: "see `zk0 server logs`; restart the server" };
	const gone = openSites.filter((site) => offline.includes(site));
	if (gone.length > 0)
		return {
			why: `it waits for ${list(gone)}, offline`,
			cure: "start the clients there with `zk0 client start`: they get their tasks again",
		};
	return {
		why: `it waits for ${list(openSites)}, online but without progress`,
		cure: "at the site: `zk0 client logs`, then `zk0 client stop` and `zk0 client start`",
	};
}

function runFailed({ run }: Observation): Alert[] {
	if (run === null || run.outcome !== "failed") return [];
	return [
		alert(
			"run-failed",
			run.runId,
			"critical",
			`${run.runId} failed: ${run.failure ?? "see its log"}`,
			`free what it lacks, then restart the server: it goes on; \`zk0 runs show ${run.runId}\` has the sites' failures`,
		),
	];
}

function lossDiverging({ run }: Observation, { lossFactor, numWorseRounds }: AlertLimits): Alert[] {
	if (run === null || run.lastLoss === null || run.bestLoss === null || run.outcome === "failed") return [];
	const { runId, lastLoss, bestLoss, baseLoss } = run;
	const isFar = lastLoss > lossFactor * bestLoss;
	const isWorsening = run.numWorseRounds >= numWorseRounds && baseLoss !== null && lastLoss > baseLoss;
	if (!isFar && !isWorsening) return [];
	const how = isFar
		? `${lastLoss.toPrecision(3)}, ${(lastLoss / bestLoss).toFixed(1)} times the best round's ${bestLoss.toPrecision(3)}`
		: `${lastLoss.toPrecision(3)}, worse for ${run.numWorseRounds} rounds and than the starting model's ${(baseLoss ?? 0).toPrecision(3)}`;
	return [
		alert(
			"loss-diverging",
			runId,
			"warning",
			`the loss of ${runId} after round ${run.round} is ${how}`,
			"stop the run; start one from the best round with a lower learning rate, fewer local steps or FedProx",
		),
	];
}

function updatesRefused({ run }: Observation): Alert[] {
	if (run === null || run.outcome === "completed") return [];
	return [...run.sites].flatMap(([site, { rejection }]) => {
		if (rejection === null || !isAboutUpdate(rejection)) return [];
		const { code, round, message } = rejection;
		if (code === "not-finite")
			return [
				alert(
					"update-not-finite",
					site,
					"critical",
					`${site}'s update of round ${round} held NaN or infinite values and was refused`,
					"run `zk0 data doctor` at the site; lower the learning rate; train in float32",
				),
			];
		return [
			alert(
				"update-refused",
				site,
				"warning",
				`${site}'s update of round ${round} was refused (${code}): ${message}`,
				"check that the site runs the same version of zk0 from the same model; `zk0 server revoke` if it is not honest",
			),
		];
	});
}

function updatesUnusual({ run }: Observation, { normFactor, minAlignment }: AlertLimits): Alert[] {
	if (run === null || run.outcome !== "running") return [];
	const norms = [...run.sites.values()].flatMap(({ updateNorm }) =>
		updateNorm === null ? [] : [updateNorm],
	);
	const median = medianOf(norms);
	return [...run.sites].flatMap(([site, { updateNorm, updateAlignment, lastUpdateRound }]) => {
		const isFar =
			updateNorm !== null &&
			median !== null &&
			norms.length >= 3 &&
			(updateNorm > normFactor * median || updateNorm < median / normFactor);
		const isAgainst = updateAlignment !== null && norms.length >= 3 && updateAlignment < minAlignment;
		if (!isFar && !isAgainst) return [];
		const how = isFar
			? `has norm ${updateNorm.toPrecision(3)} where the median is ${(median ?? 0).toPrecision(3)}`
			: `points against the others' (cosine ${(updateAlignment ?? 0).toFixed(2)})`;
		return [
			alert(
				"update-unusual",
				site,
				"warning",
				`${site}'s update of round ${lastUpdateRound ?? run.round} ${how}`,
				"look at the site's loss and recordings (`zk0 data doctor`); leave it out with `zk0 server revoke` if it is not honest",
			),
		];
	});
}

function diskLow(
	{ machine: { disk } }: Observation,
	{ diskFreeFraction, diskFreeBytes }: AlertLimits,
): Alert[] {
	if (disk === null) return [];
	const { freeBytes, totalBytes } = disk;
	if (freeBytes >= diskFreeBytes && freeBytes >= diskFreeFraction * totalBytes) return [];
	return [
		alert(
			"disk-low",
			"disk",
			"critical",
			`${(freeBytes / 1e9).toFixed(1)} GB of ${(totalBytes / 1e9).toFixed(0)} GB are free where the server keeps its state`,
			"delete runs that are not needed any more, keep fewer checkpoints, or move the state folder",
		),
	];
}

function certificateExpiring({ machine, nowMs }: Observation, { certificateMs }: AlertLimits): Alert[] {
	const { certificateEndsMs } = machine;
	if (certificateEndsMs === null || certificateEndsMs - nowMs >= certificateMs) return [];
	const leftMs = certificateEndsMs - nowMs;
	return [
		alert(
			"certificate-expiring",
			"certificate",
			"critical",
			leftMs <= 0
				? "the server's certificate has ended: sites cannot connect"
				: `the server's certificate ends in ${duration(leftMs)}, and was not renewed`,
			"restart the server to renew it; see `zk0 server check` and `zk0 server logs`",
		),
	];
}

function authorityEnding(
	{ machine: { authority }, nowMs }: Observation,
	{ authorityMs, authorityNoticeMs }: AlertLimits,
): Alert[] {
	if (authority === undefined) return [];
	const { endsMs, changesMs, missing } = authority;
	const rule = "authority-ending";
	if (changesMs === null) {
		if (endsMs - nowMs >= authorityMs) return [];
		const message = `the server's authority ends in ${duration(Math.max(0, endsMs - nowMs))}, and no successor is announced`;
		return [alert(rule, "authority", "warning", message, "zk0 server rotate-ca")];
	}
	if (missing.length === 0 || changesMs - nowMs >= authorityNoticeMs) return [];
	const message = `the server changes its authority in ${duration(Math.max(0, changesMs - nowMs))}, and ${missing.join(", ")} did not hear of it`;
	const cure =
		"start these sites' clients before then, or give them time: `zk0 server rotate-ca --overlap 30d`; later they need a new invitation";
	return [alert(rule, "authority", "critical", message, cure)];
}

function alert(rule: AlertRule, subject: string, severity: Severity, message: string, cure: string): Alert {
	return { rule, subject, severity, message, cure };
}

function medianOf(values: readonly number[]): number | null {
	const sorted = [...values].sort((a, b) => a - b);
	return sorted[sorted.length >> 1] ?? null;
}

function list(names: readonly string[]): string {
	const shown = names.slice(0, 5).join(", ");
	return names.length > 5 ? `${shown} and ${names.length - 5} more` : shown;
}

/** `40 s`, `12 min`, `3 h`, `5 days`. */
function duration(ms: number): string {
	const seconds = Math.round(ms / 1000);
	if (seconds < 120) return `${seconds} s`;
	if (seconds < 7200) return `${Math.round(seconds / 60)} min`;
	if (seconds < 172_800) return `${Math.round(seconds / 3600)} h`;
	return `${Math.round(seconds / 86_400)} days`;
}
