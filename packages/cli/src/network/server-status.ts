// What `zk0 status` shows: sites, runs, and what everything waits for.
import { badgeIn, badgeWords, type ServerStatus, type SiteStatus } from "@zk0/dashboard/status";
import type { FederationServer, MemberLog } from "@zk0/federation";
import type { ActiveAlert } from "@zk0/monitor";
import type { RunQueue } from "./run-queue.ts";

/** The status now. */
export function statusOf(parts: {
	readonly address: string;
	readonly security: ServerStatus["security"];
	readonly members: MemberLog;
	readonly server: FederationServer;
	readonly queue: RunQueue;
	readonly alerts: readonly ActiveAlert[];
	readonly nowMs: number;
	/** `keyFingerprint` of @zk0/federation, which the commands that only show the document need not load. */
	readonly fingerprintOf: (publicKeyPem: string) => string;
}): ServerStatus {
	const { address, security, members, server, queue, nowMs, fingerprintOf } = parts;
	const sites = siteStatuses({ members, server, nowMs, fingerprintOf });
	const runs = queue.list().map((run) => ({ ...run, tasks: [...run.tasks] }));
	const alerts = parts.alerts.map(({ sinceMs, ...alert }) => ({
		...alert,
		since: new Date(sinceMs).toISOString(),
	}));
	return { address, security, waitingFor: waitingFor(sites, runs), sites, runs, alerts };
}

/** Every site that ever joined, as it is now. */
export function siteStatuses(parts: {
	readonly members: MemberLog;
	readonly server: FederationServer;
	readonly nowMs: number;
	readonly fingerprintOf: (publicKeyPem: string) => string;
}): SiteStatus[] {
	const { members, server, nowMs, fingerprintOf } = parts;
	const online = new Map(server.sites().map(({ site, info }) => [site, info]));
	return members.list().map(({ site, publicKeyPem, state, signs }) => {
		const lastSeenMs = server.lastSeenMs(site);
		return {
			site,
			key: fingerprintOf(publicKeyPem),
			state,
			signs,
			isOnline: online.has(site),
			paused: pausedText(online.get(site)?.details),
			secondsSilent: lastSeenMs === undefined ? null : Math.round((nowMs - lastSeenMs) / 1000),
			numSamples: online.get(site)?.numSamples ?? null,
			doctor: badgeIn(online.get(site)?.details),
		};
	});
}

function waitingFor(sites: ServerStatus["sites"], runs: ServerStatus["runs"]): string | null {
	const pending = sites.filter(({ state }) => state === "pending").map(({ site }) => site);
	const running = runs.find(({ state }) => state === "running");
	const wanted = running === undefined ? null : runWaitsFor(running, sites);
	if (running !== undefined && wanted !== null) return `${running.runId}: ${wanted}`;
	if (pending.length > 0) return `your approval of ${pending.join(", ")}: zk0 server approve <site>`;
	if (sites.length === 0) return "sites: zk0 server invite";
	if (running === undefined && !runs.some(({ state }) => state === "queued"))
		return "a run: zk0 run --rounds <n>";
	return null;
}

/** Tasks that are named one by one. */
const MAX_NAMED = 6;

/** What a run waits for: its tasks, and what stands in their way; null when there are none. */
function runWaitsFor(
	{ tasks, message }: ServerStatus["runs"][number],
	sites: ServerStatus["sites"],
): string | null {
	if (tasks.length === 0) return message?.startsWith("waiting for ") === true ? message.slice(12) : message;
	const named = tasks.slice(0, MAX_NAMED).map((task) => {
		const isOnline = sites.find(({ site }) => site === task.site)?.isOnline === true;
		const paused = sites.find(({ site }) => site === task.site)?.paused ?? null;
		const state = isOnline ? progressText(task) : "offline; keeps its task";
		return `${task.site} (${paused === null ? state : `paused: ${paused}`})`;
	});
	const more = tasks.length - named.length;
	return `${named.join(", ")}${more > 0 ? ` and ${more} more` : ""}`;
}

function progressText({ phase, step, numSteps }: ServerStatus["runs"][number]["tasks"][number]): string {
	return step === null ? phase : `${phase} ${step}/${numSteps ?? "?"}`;
}

/** What an approved site waits for or does. */
function siteDoes(site: string, isOnline: boolean, runs: ServerStatus["runs"]): string {
	if (!isOnline) return "";
	const found = runs
		.flatMap((run) => run.tasks.map((task) => ({ run, task })))
		.find(({ task }) => task.site === site);
	return found === undefined
		? ", waiting for a task"
		: `, ${progressText(found.task)} for ${found.run.runId}`;
}

/** What a site says about why it takes no tasks now; the same as `pauseOf` of @zk0/federation, which is not loaded here. */
function pausedText(details: Readonly<Record<string, unknown>> | undefined): string | null {
	const paused = details?.["paused"];
	return typeof paused === "string" ? paused : null;
}

/** The status for people. */
export function renderStatus({
	address,
	security,
	waitingFor: what,
	sites,
	runs,
	alerts,
}: ServerStatus): string {
	const lines = [`server    ${address} (${security === "tls" ? "TLS 1.3" : "plaintext, this machine only"})`];
	for (const { site, state, signs, isOnline, paused, secondsSilent, numSamples, doctor } of sites) {
		const samples = numSamples === null ? "" : `, ${numSamples} samples`;
		const seen = isOnline
			? `online, seen ${secondsSilent ?? 0} s ago${samples}${doctor === null ? "" : `, doctor: ${badgeWords(doctor)}`}${paused === null ? siteDoes(site, isOnline, runs) : `, paused: ${paused}`}`
			: "offline";
		const kind = signs ? "" : " (Flower node, not signed)";
		lines.push(`site      ${site.padEnd(20)} ${state === "approved" ? seen : state}${kind}`);
	}
	for (const run of runs) {
		const { runId, state, round, rounds, message } = run;
		const wanted = state === "running" ? runWaitsFor(run, sites) : null;
		const why = wanted === null ? message : `${message ?? "running"}, waiting for ${wanted}`;
		lines.push(`run       ${runId} ${state}, round ${round} of ${rounds}${why === null ? "" : `: ${why}`}`);
	}
	for (const { severity, message, cure } of alerts)
		lines.push(`alert     ${severity}: ${message}\n          what to do: ${cure}`);
	if (what !== null) lines.push(`waiting for ${what}`);
	return lines.join("\n");
}
