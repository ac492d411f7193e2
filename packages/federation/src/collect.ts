// One phase of a round: hand tasks to sites and record what becomes of them until none is open, or until the operator's
// rules say that those that are open are not waited for.
import type { Clock } from "./clock.ts";
import type { RoundClosed, RoundEvent } from "./events.ts";
import type { Grid, Outcome, SiteTask } from "./grid.ts";
import { nextOutcome } from "./next-outcome.ts";
import { type WaitingRules, watchPhase } from "./phase-watch.ts";
import { CLIPPED_TO, NORM_BEFORE_CLIPPING } from "./protocol.ts";
import type { NewEvent, RunRecorder } from "./run-recorder.ts";
import type { RunState } from "./run-state.ts";

/** What a phase works with. */
export interface CollectOptions {
	readonly recorder: RunRecorder;
	readonly grid: Grid;
	readonly clock: Clock;
	readonly offlineSites: "fail" | "wait";
	readonly rules: WaitingRules;
	readonly signal: AbortSignal | undefined;
}

/**
 * Sends the tasks, all of one phase, and yields events until each has an update, an evaluation, a rejection or a
 * failure, or the phase is closed without the rest. Ending the iteration early withdraws the open tasks.
 */
export async function* collect(
	options: CollectOptions,
	tasks: readonly SiteTask[],
): AsyncGenerator<RoundEvent, void> {
	const { recorder, grid, clock, offlineSites, rules, signal } = options;
	const watch = watchPhase(rules, options);
	const pending = new Map(tasks.map((task) => [task.message.taskId, task]));
	const online = new Set(grid.sites().map(({ site }) => site));
	yield* recorder.record(
		tasks.map(({ site, message: { round, phase } }) => ({ kind: "task.sent", round, phase, site })),
	);
	grid.send(tasks);
	try {
		for (const task of tasks) {
			if (offlineSites === "wait" || online.has(task.site)) continue;
			pending.delete(task.message.taskId);
			grid.withdraw([task.message.taskId]);
			yield* recorder.record([failed(task, "offline", "the site is offline")]);
		}
		while (pending.size > 0) {
			yield* recorder.record(watch.stalled(pending.values()));
			const closing = closingOf(
				pending,
				(numReceived) => watch.closes(pending.values(), numReceived),
				recorder.state,
			);
			if (closing !== null) {
				yield* recorder.record([closing]);
				// An update that is made all the same is kept; an evaluation is of no use any more.
				if (closing.phase === "train") grid.release([...pending.keys()]);
				else grid.withdraw([...pending.keys()]);
				pending.clear();
				return;
			}
			const next = await nextOutcome(grid, { clock, untilMs: watch.lookAgainMs(), signal });
			if (next === null) continue;
			const { events, done, isLost } = interpret(next.outcome, pending, offlineSites);
			for (const taskId of done) pending.delete(taskId);
			if (isLost) grid.withdraw(done);
			yield* recorder.record(events, () => next.settle());
		}
	} finally {
		grid.withdraw([...pending.keys()]);
	}
}

/** The end of a phase with open tasks, if `decide` finds a reason. */
function closingOf(
	pending: ReadonlyMap<string, SiteTask>,
	decide: (numReceived: number) => RoundClosed["reason"] | null,
	{ open, evaluations }: RunState,
): (NewEvent & { readonly kind: "round.closed" }) | null {
	const [task] = pending.values();
	if (task === undefined) return null;
	const { round, phase } = task.message;
	const numReceived = phase === "train" ? (open?.updates.size ?? 0) : evaluations.size;
	const reason = decide(numReceived);
	if (reason === null) return null;
	const without = Array.from(pending.values(), ({ site }) => site).sort();
	return { kind: "round.closed", round, phase, reason, numReceived, without };
}

/** What follows from an outcome. */
export interface Interpretation {
	readonly events: readonly NewEvent[];
	/** Ids of the tasks it ends. */
	readonly done: readonly string[];
	/** True when their sites are gone, so that nobody will answer them. */
	readonly isLost: boolean;
}

/** What follows from an outcome while `pending` tasks are open. */
export function interpret(
	outcome: Outcome,
	pending: ReadonlyMap<string, SiteTask>,
	offlineSites: "fail" | "wait",
): Interpretation {
	switch (outcome.kind) {
		case "joined": {
			const { site, info, publicKey } = outcome;
			return { events: [{ kind: "site.joined", site, ...info, publicKey }], done: [], isLost: false };
		}
		case "left": {
			const { site, reason, message } = outcome;
			const left = { kind: "site.left", site, reason } as const;
			// A site that pauses goes on with its task.
			if (reason === "paused") return { events: [left], done: [], isLost: false };
			const isLost = reason === "left" || offlineSites === "fail";
			const lost = [...pending.values()].filter((task) => isLost && task.site === site);
			return {
				events: [left, ...lost.map((task) => failed(task, reason, message))],
				done: lost.map((task) => task.message.taskId),
				isLost: true,
			};
		}
		case "rejected": {
			const { site, round, code, message, endsTask } = outcome;
			const ended = [...pending.values()].filter((task) => endsTask && task.site === site);
			return {
				events: [{ kind: "update.rejected", round, site, code, message, endsTask }],
				done: ended.map((task) => task.message.taskId),
				isLost: false,
			};
		}
		case "progress": {
			const { round, phase, site, taskId } = outcome.task;
			const events = [{ kind: "task.progress", round, phase, site, ...outcome.progress } as const];
			return { events: pending.has(taskId) ? events : [], done: [], isLost: false };
		}
		case "update":
		case "evaluation":
		case "failure":
			break;
	}
	const { taskId } = outcome.task;
	const isOpen = pending.has(taskId);
	// Not waited for any more: an update is kept and named, anything else is no longer wanted.
	if (!isOpen && outcome.kind !== "update") return { events: [], done: [], isLost: false };
	const events = [resultEvent(outcome, isOpen), ...clippedBySite(outcome)];
	return { events, done: isOpen ? [taskId] : [], isLost: false };
}

/** What a site says about having clipped its update. */
function clippedBySite(outcome: Outcome): NewEvent[] {
	if (outcome.kind !== "update") return [];
	const { [NORM_BEFORE_CLIPPING]: norm, [CLIPPED_TO]: limit } = outcome.metrics;
	if (norm === undefined || norm === null || limit === undefined || limit === null) return [];
	const { round, site } = outcome.task;
	return [{ kind: "update.clipped", round, site, by: "site", norm, limit }];
}

function resultEvent(
	outcome: Extract<Outcome, { kind: "update" | "evaluation" | "failure" }>,
	isInTime: boolean,
): NewEvent {
	const { round, site, phase } = outcome.task;
	if (outcome.kind === "update") {
		const { sha256, sizeBytes, numSamples, metrics, norm, signed } = outcome;
		const kind = isInTime ? "update.received" : "update.late";
		return { kind, round, site, sha256, sizeBytes, numSamples, metrics, norm, signed };
	}
	if (outcome.kind === "evaluation") {
		const { loss, numSamples, metrics } = outcome;
		return { kind: "site.evaluated", round, site, loss, numSamples, metrics };
	}
	return { kind: "site.failed", round, phase, site, code: "client-app", message: outcome.message };
}

function failed({ site, message: task }: SiteTask, code: "left" | "offline", message: string): NewEvent {
	const { round, phase } = task;
	return { kind: "site.failed", round, phase, site, code, message };
}
