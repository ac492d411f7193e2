// Who did what when in one round: the tasks of every site and the aggregation. A site says itself how long it pulled and
// worked; the rest of the time until its result was there is the way back.
import type { RoundEvent } from "@zk0/federation/events";
import { z } from "zod";
import { type Folds, fold } from "./fold.ts";

/** Schema of {@link TimelineTask}. */
const taskSchema = z.object({
	site: z.string(),
	phase: z.enum(["train", "evaluate"]),
	sentAt: z.string(),
	/** Null: still under way. */
	endAt: z.string().nullable(),
	outcome: z.enum(["open", "done", "refused", "failed", "late"]),
	/** Seconds until the weights were there, and of the work itself; null: not told. */
	pullSeconds: z.number().nullable(),
	workSeconds: z.number().nullable(),
});

/** Schema of {@link Timeline}. */
export const timelineSchema = z.object({
	round: z.int(),
	startedAt: z.string(),
	tasks: z.array(taskSchema),
	aggregation: z.object({ startedAt: z.string(), endAt: z.string().nullable() }).nullable(),
});

/** One task of one site. */
export type TimelineTask = z.infer<typeof taskSchema>;

/** One round's tasks in the order in which they were sent. */
export type Timeline = z.infer<typeof timelineSchema>;

/** A timeline without tasks. */
export function startTimeline(round: number, startedAt: string): Timeline {
	return { round, startedAt, tasks: [], aggregation: null };
}

const FOLDS: Folds<Timeline> = {
	"task.sent": ({ tasks }, { site, phase, at }) => {
		// After a crash the same task is sent again: it goes on.
		if (openTask(tasks, site, phase) !== undefined) return;
		const ends = { endAt: null, outcome: "open" as const, pullSeconds: null, workSeconds: null };
		tasks.push({ site, phase, sentAt: at, ...ends });
	},
	"update.received": ({ tasks }, { site, at, metrics }) =>
		end(openTask(tasks, site, "train"), at, "done", metrics),
	"update.late": ({ tasks }, { site, at, metrics }) =>
		end(openTask(tasks, site, "train"), at, "late", metrics),
	"update.rejected": ({ tasks }, { site, at, endsTask }) => {
		if (endsTask) end(openTask(tasks, site, "train"), at, "refused", {});
	},
	"site.failed": ({ tasks }, { site, phase, at }) => end(openTask(tasks, site, phase), at, "failed", {}),
	"site.evaluated": ({ tasks }, { site, at, metrics }) =>
		end(openTask(tasks, site, "evaluate"), at, "done", metrics),
	"round.accepted": (timeline, { at }) => {
		timeline.aggregation ??= { startedAt: at, endAt: null };
	},
	"round.aggregated": (timeline, { at }) => {
		if (timeline.aggregation !== null) timeline.aggregation.endAt = at;
	},
};

/** Adds an event of the timeline's round. */
export function foldTimeline(timeline: Timeline, event: RoundEvent): void {
	fold(FOLDS, timeline, event);
}

function openTask(
	tasks: readonly TimelineTask[],
	site: string,
	phase: TimelineTask["phase"],
): TimelineTask | undefined {
	return tasks.findLast((task) => task.site === site && task.phase === phase && task.endAt === null);
}

function end(
	task: TimelineTask | undefined,
	at: string,
	outcome: TimelineTask["outcome"],
	metrics: Readonly<Record<string, number | null>>,
): void {
	if (task === undefined) return;
	task.endAt = at;
	task.outcome = outcome;
	task.pullSeconds = metrics["pullSeconds"] ?? null;
	task.workSeconds = metrics["workSeconds"] ?? null;
}
