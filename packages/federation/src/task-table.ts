// The tasks a server has handed out: open ones by site, and what became of the closed ones, so that a late or repeated
// result gets the right answer.
import { FederationError, type UpdateRejection } from "./errors.ts";
import type { SiteTask, TaskRef } from "./grid.ts";
import type { ObjectUpload } from "./object-store.ts";
import type { TaskResult } from "./protocol.ts";
import type { UpdateInspector } from "./update-check.ts";

/** Bytes of an update on their way in. */
export interface RunningUpload {
	/** The result that announced them. */
	readonly result: Extract<TaskResult, { kind: "update" }>;
	readonly upload: ObjectUpload;
	readonly inspector: UpdateInspector;
}

/** A task nobody has answered yet. */
export interface OpenTask {
	readonly task: SiteTask;
	readonly ref: TaskRef;
	/** The update while bytes are missing. */
	upload: RunningUpload | null;
	/** Calls about one task run one after another. */
	tail: Promise<unknown>;
	/** True from the moment the result is whole: the task is no longer handed out. */
	isAnswered: boolean;
}

/** Why a result found no open task. */
export interface TaskDefect {
	readonly code: UpdateRejection;
	readonly message: string;
}

/** Open and closed tasks. */
export interface TaskTable {
	/** Adds open tasks. @throws TypeError when a task id is open already. */
	open(tasks: readonly SiteTask[]): void;
	find(taskId: string): OpenTask | undefined;
	/** The site's oldest open task that is not answered. */
	nextOf(site: string): OpenTask | undefined;
	ofSite(site: string): OpenTask[];
	/**
	 * Closes a task. Resolves when calls already running on it are done and its upload is freed; a call that closes its
	 * own task must not wait for that.
	 */
	close(taskId: string, how: "answered" | "withdrawn"): Promise<void>;
	/** What to say to a result for a task that is not open. */
	explain(taskId: string, round: number): TaskDefect;
	/** Closes every task. */
	clear(): Promise<void>;
}

/** Closed task ids remembered. */
const MAX_CLOSED = 10_000;

/** An empty table. */
export function createTaskTable(): TaskTable {
	const tasks = new Map<string, OpenTask>();
	const closed = new Map<string, "answered" | "withdrawn">();
	let latestRound = 0;
	return {
		open(added) {
			for (const task of added) {
				const { taskId, round, phase } = task.message;
				if (tasks.has(taskId)) throw new TypeError(`task ${taskId} is already open`);
				const ref = { taskId, site: task.site, round, phase };
				closed.delete(taskId);
				latestRound = Math.max(latestRound, round);
				tasks.set(taskId, {
					task,
					ref,
					upload: null,
					tail: Promise.resolve(),
					isAnswered: false,
				});
			}
		},
		find: (taskId) => tasks.get(taskId),
		nextOf: (site) => [...tasks.values()].find((open) => open.ref.site === site && !open.isAnswered),
		ofSite: (site) => [...tasks.values()].filter((open) => open.ref.site === site),
		async close(taskId, how) {
			const open = tasks.get(taskId);
			if (open === undefined) return;
			tasks.delete(taskId);
			closed.set(taskId, how);
			const [oldest] = closed.keys();
			if (oldest !== undefined && closed.size > MAX_CLOSED) closed.delete(oldest);
			await inOrder(open, () => freeUpload(open));
		},
		explain(taskId, round) {
			const how = closed.get(taskId);
			if (how === "answered") return { code: "duplicate", message: `task ${taskId} already has its result` };
			if (how === "withdrawn" || round < latestRound) {
				return { code: "late", message: `task ${taskId} of round ${round} is no longer waited for` };
			}
			return { code: "unknown-task", message: `there is no task ${taskId}` };
		},
		async clear() {
			const remaining = [...tasks.values()];
			tasks.clear();
			for (const open of remaining) await inOrder(open, () => freeUpload(open));
		},
	};
}

/** Drops what has arrived of an update; to be called in order with other actions on the task. */
export async function freeUpload(open: OpenTask): Promise<void> {
	const running = open.upload;
	open.upload = null;
	await running?.upload[Symbol.asyncDispose]();
}

/** Runs `action` after every earlier action on the same task. */
export function inOrder<T>(open: OpenTask, action: () => Promise<T>): Promise<T> {
	const done = open.tail.then(action);
	// The caller gets the failure; the next action starts afterwards either way.
	open.tail = done.catch(() => undefined);
	return done;
}

/** The open task a site may answer. */
export function requireTask(
	table: TaskTable,
	taskId: string,
	site: string,
	round: number,
): OpenTask | TaskDefect {
	const open = table.find(taskId);
	if (open === undefined) return table.explain(taskId, round);
	if (open.ref.site !== site) {
		return { code: "wrong-site", message: `task ${taskId} belongs to another site than ${site}` };
	}
	if (open.ref.round !== round) {
		const message = `the result says round ${round}, task ${taskId} is of round ${open.ref.round}`;
		return { code: "wrong-round", message };
	}
	return open;
}

/** Narrows the answer of `requireTask`. */
export function isDefect(found: OpenTask | TaskDefect): found is TaskDefect {
	return "code" in found;
}

/** An answer that an operator did not expect from an honest node. */
export function mismatched(taskId: string, what: string): FederationError {
	return new FederationError("bad-message", `task ${taskId}: ${what}`);
}
