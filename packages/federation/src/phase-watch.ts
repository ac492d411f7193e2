// Whom a phase of a round still waits for. Honest work may last as long as it likes: what counts is whether a site is
// there and whether anything moves. Without a quorum and a deadline everybody who was asked is waited for.
import type { Clock } from "./clock.ts";
import type { RoundClosed } from "./events.ts";
import type { Grid, SiteTask } from "./grid.ts";
import type { NewEvent } from "./run-recorder.ts";

/** The operator's rules; see `RoundsOptions`. */
export interface WaitingRules {
	readonly quorum: number | null;
	readonly minSites: number;
	readonly roundDeadlineMs: number | null;
	readonly stallAfterMs: number | null;
}

/** A phase under watch. */
export interface PhaseWatch {
	/** When to look again although nothing has happened; null: never. */
	lookAgainMs(): number | null;
	/** Events for the open tasks whose sites have stalled since the last look. */
	stalled(open: Iterable<SiteTask>): NewEvent[];
	/** Why nobody is waited for any more, or null. */
	closes(open: Iterable<SiteTask>, numReceived: number): RoundClosed["reason"] | null;
}

/** Looks for stalled sites this often within the time that makes a site one. */
const LOOKS_PER_STALL = 4;

/** Starts the clock of a phase. The time in which no server ran does not count. */
export function watchPhase(
	rules: WaitingRules,
	{ grid, clock }: { readonly grid: Pick<Grid, "sites" | "activeAtMs">; readonly clock: Clock },
): PhaseWatch {
	const { quorum, minSites, roundDeadlineMs, stallAfterMs } = rules;
	const startMs = clock.now();
	const deadlineMs = roundDeadlineMs === null ? null : startMs + roundDeadlineMs;
	const pauseMs = stallAfterMs === null ? null : Math.ceil(stallAfterMs / LOOKS_PER_STALL);
	let lookMs = pauseMs === null ? null : startMs + pauseMs;
	/** Ids of the tasks of stalled sites. */
	const stalledTasks = new Set<string>();
	const isOver = (): boolean => deadlineMs !== null && clock.now() >= deadlineMs;
	return {
		lookAgainMs() {
			const times = [isOver() ? null : deadlineMs, lookMs].filter((time) => time !== null);
			return times.length === 0 ? null : Math.min(...times);
		},
		stalled(open) {
			const nowMs = clock.now();
			if (lookMs === null || pauseMs === null || stallAfterMs === null || nowMs < lookMs) return [];
			lookMs = nowMs + pauseMs;
			const online = new Set(grid.sites().map(({ site }) => site));
			const events: NewEvent[] = [];
			for (const { site, message } of open) {
				const { taskId, round, phase } = message;
				const idleMs = nowMs - (grid.activeAtMs(taskId) ?? nowMs);
				if (!online.has(site) || idleMs < stallAfterMs) stalledTasks.delete(taskId);
				else if (!stalledTasks.has(taskId)) {
					stalledTasks.add(taskId);
					events.push({ kind: "site.stalled", round, phase, site, seconds: idleMs / 1000 });
				}
			}
			return events;
		},
		closes(open, numReceived) {
			if (numReceived < (quorum ?? minSites)) return null;
			if (isOver()) return "deadline";
			if (quorum === null) return null;
			const online = new Set(grid.sites().map(({ site }) => site));
			for (const { site, message } of open)
				if (online.has(site) && !stalledTasks.has(message.taskId)) return null;
			return "quorum";
		},
	};
}
