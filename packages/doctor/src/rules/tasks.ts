// Rules about the task sentences.
import type { Evidence } from "../evidence.ts";
import type { Hit, Rule } from "../rule.ts";
import { hitOf } from "./rows.ts";

/** Sentences that differ only in case, spaces or a final stop are the same to a reader, not to a policy. */
export function sameTask(a: string, b: string): boolean {
	const fold = (text: string): string =>
		text.trim().toLowerCase().replaceAll(/\s+/g, " ").replace(/[.!]$/, "");
	return fold(a) === fold(b);
}

function episodesWith({ rows }: Evidence, taskIndex: number): number[] {
	return rows.episodes.flatMap(({ episodeIndex, taskIndices }) =>
		taskIndices.has(taskIndex) ? [episodeIndex] : [],
	);
}

function duplicates(evidence: Evidence): Hit[] {
	const tasks = evidence.tasks ?? [];
	return tasks.flatMap((task, index) => {
		const first = tasks.findIndex((other) => sameTask(other, task));
		if (first === index || task.trim() === "") return [];
		return [
			{
				message: `tasks ${first} "${tasks[first] ?? ""}" and ${index} "${task}" say the same`,
				episodes: episodesWith(evidence, index),
			},
		];
	});
}

/** The rules, in the order of the documentation. */
export const TASK_RULES: readonly Rule[] = [
	{
		code: "task-empty",
		severity: "error",
		subject: "tasks",
		summary: "There is no task sentence, or one is empty: the policy is told in words what to do.",
		cure: 'Write one sentence per task in the task table, such as "Put the red cube on the plate".',
		fix: "manual",
		check: (evidence) => {
			if (evidence.tasks === null) return [];
			if (evidence.tasks.length === 0) return [{ message: "the task table is empty" }];
			return evidence.tasks.flatMap((task, index) =>
				task.trim() === ""
					? [{ message: `task ${index} has no sentence`, episodes: episodesWith(evidence, index) }]
					: [],
			);
		},
	},
	{
		code: "task-duplicate",
		severity: "warning",
		subject: "tasks",
		summary: "Two tasks differ only in case, spaces or a stop.",
		cure: "Write a repaired copy, which gives both the first sentence.",
		fix: "copy",
		check: duplicates,
	},
	{
		code: "task-index",
		severity: "error",
		subject: "tasks",
		summary: "Rows name a task that the task table does not have.",
		cure: "Add the sentence to the task table, or leave the episodes out.",
		fix: "quarantine",
		check: ({ rows, tasks }) =>
			hitOf(
				rows.episodes.flatMap(({ episodeIndex, badTask }) =>
					badTask.count === 0 ? [] : [{ episode: episodeIndex, ...badTask, frames: badTask.frames }],
				),
				(count) => `${count} rows have a task_index outside the ${tasks?.length ?? 0} tasks`,
			),
	},
];
