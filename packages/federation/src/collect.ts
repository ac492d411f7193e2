// One phase of a round: hand tasks to sites and record what becomes of them until none is open.

import type { RoundEvent } from "./events.ts";
import type { Grid, Outcome, SiteTask } from "./grid.ts";
import type { NewEvent, RunRecorder } from "./run-recorder.ts";

/** What a phase works with. */
export interface CollectOptions {
	readonly recorder: RunRecorder;
	readonly grid: Grid;
	readonly offlineSites: "fail" | "wait";
	readonly signal: AbortSignal | undefined;
}

/**
 * Sends the tasks and yields events until each has an update, an evaluation, a rejection or a failure.
 * Ending the iteration early withdraws the open tasks.
 */
export async function* collect(
	{ recorder, grid, offlineSites, signal }: CollectOptions,
	tasks: readonly SiteTask[],
): AsyncGenerator<RoundEvent, void> {
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
			const next = await grid.next({ signal });
			const { events, done, isLost } = interpret(next.outcome, pending, offlineSites);
			for (const taskId of done) pending.delete(taskId);
			if (isLost) grid.withdraw(done);
			yield* recorder.record(events, () => next.settle());
		}
	} finally {
		grid.withdraw([...pending.keys()]);
	}
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
			const { site, info } = outcome;
			return { events: [{ kind: "site.joined", site, ...info }], done: [], isLost: false };
		}
		case "left": {
			const { site, reason, message } = outcome;
			const isLost = reason === "left" || offlineSites === "fail";
			const lost = [...pending.values()].filter((task) => isLost && task.site === site);
			const left = { kind: "site.left", site, reason } as const;
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
	// Answered between withdrawal and its arrival here: the result is no longer wanted.
	if (!pending.has(taskId)) return { events: [], done: [], isLost: false };
	return { events: [resultEvent(outcome)], done: [taskId], isLost: false };
}

function resultEvent(outcome: Extract<Outcome, { kind: "update" | "evaluation" | "failure" }>): NewEvent {
	const { round, site, phase } = outcome.task;
	if (outcome.kind === "update") {
		const { sha256, sizeBytes, numSamples, metrics, signed } = outcome;
		return { kind: "update.received", round, site, sha256, sizeBytes, numSamples, metrics, signed };
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
