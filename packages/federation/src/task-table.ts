// The tasks a server has handed out: open ones by site and by message, and what became of the closed ones, so that a
// late or repeated reply gets the right answer.
import type { DeflatedMessage, MessageMetadata, ObjectId } from "@zk0/flower";
import type { UpdateRejection } from "./errors.ts";
import type { SiteTask, TaskRef } from "./grid.ts";
import type { ReplyObjects } from "./reply-objects.ts";

/** A task as its node gets it. */
export interface Instruction {
	readonly message: DeflatedMessage;
	readonly id: ObjectId;
	readonly metadata: MessageMetadata;
}

/** A task nobody has answered yet. */
export interface OpenTask {
	readonly task: SiteTask;
	readonly ref: TaskRef;
	readonly instruction: Instruction;
	/** The reply while objects are missing. */
	reply: ReplyObjects | null;
	/** Calls about one task run one after another. */
	tail: Promise<unknown>;
	/** True from the moment the reply is whole: the task is no longer handed out. */
	isAnswered: boolean;
	/** True when nobody waits for the task any more: it is no longer handed out, its reply is taken. */
	isReleased: boolean;
	readonly openedAtMs: number;
}

/** Why a result found no open task. */
export interface TaskDefect {
	readonly code: UpdateRejection;
	readonly message: string;
}

/** Open and closed tasks. */
export interface TaskTable {
	/** Adds an open task. @throws TypeError when its id is open already. */
	open(
		task: SiteTask,
		instruction: Instruction,
		how: { readonly nowMs: number; readonly isReleased: boolean },
	): void;
	/** The open task with this id. */
	get(taskId: string): OpenTask | undefined;
	/** The open task that this message asked for. */
	find(instructionId: string): OpenTask | undefined;
	/** The site's oldest open task that is neither answered nor released. */
	nextOf(site: string): OpenTask | undefined;
	ofSite(site: string): OpenTask[];
	/** Closes a task; false when it is not open. `answer` is the id of the reply that was taken. */
	close(taskId: string, answer: ObjectId | null): OpenTask | undefined;
	/** True when this reply is the one that was taken for its task. */
	isAnswer(replyId: string): boolean;
	/** What to say to a reply for a task that is not open. */
	explain(instructionId: string): TaskDefect;
	all(): readonly OpenTask[];
	/** Messages of all tasks, open and closed. */
	messageIds(): readonly string[];
	/** False until the first task that is waited for: after a restart, what a node works on may still be asked for again. */
	readonly hasBegun: boolean;
}

/** Closed task ids remembered. */
const MAX_CLOSED = 10_000;

/** An empty table. */
export function createTaskTable(): TaskTable {
	const tasks = new Map<string, OpenTask>();
	const byMessage = new Map<string, OpenTask>();
	/** In the order in which they were opened. Asked for at every pull and every object. */
	const bySite = new Map<string, Set<OpenTask>>();
	const ofSite = (site: string): OpenTask[] => [...(bySite.get(site) ?? [])];
	const closed = new Map<string, "answered" | "withdrawn">();
	const answers = new Set<string>();
	let hasBegun = false;
	return {
		get hasBegun() {
			return hasBegun;
		},
		open(task, instruction, { nowMs, isReleased }) {
			const { taskId, round, phase } = task.message;
			if (tasks.has(taskId)) throw new TypeError(`task ${taskId} is already open`);
			hasBegun ||= !isReleased;
			const ref = { taskId, site: task.site, round, phase };
			const state = { isAnswered: false, isReleased, openedAtMs: nowMs };
			const open = { task, ref, instruction, reply: null, tail: Promise.resolve(), ...state };
			closed.delete(instruction.id);
			tasks.set(taskId, open);
			byMessage.set(instruction.id, open);
			bySite.set(task.site, (bySite.get(task.site) ?? new Set()).add(open));
		},
		get: (taskId) => tasks.get(taskId),
		find: (instructionId) => byMessage.get(instructionId),
		nextOf: (site) => ofSite(site).find((open) => !open.isAnswered && !open.isReleased),
		ofSite,
		close(taskId, answer) {
			const open = tasks.get(taskId);
			if (open === undefined) return undefined;
			tasks.delete(taskId);
			byMessage.delete(open.instruction.id);
			const others = bySite.get(open.ref.site);
			others?.delete(open);
			if (others?.size === 0) bySite.delete(open.ref.site);
			closed.set(open.instruction.id, answer === null ? "withdrawn" : "answered");
			if (answer !== null) answers.add(answer);
			forgetOldest(closed);
			forgetOldest(answers);
			return open;
		},
		isAnswer: (replyId) => answers.has(replyId),
		explain(instructionId) {
			const how = closed.get(instructionId);
			if (how === "answered") return { code: "duplicate", message: "the task already has its result" };
			if (how === "withdrawn") return { code: "late", message: "the task is no longer waited for" };
			return { code: "unknown-task", message: `there is no task ${instructionId.slice(0, 64)}` };
		},
		all: () => [...tasks.values()],
		messageIds: () => [...byMessage.keys(), ...closed.keys()],
	};
}

function forgetOldest(entries: Map<string, unknown> | Set<string>): void {
	const [oldest] = entries.keys();
	if (oldest !== undefined && entries.size > MAX_CLOSED) entries.delete(oldest);
}

/** Runs `action` after every earlier action on the same task. */
export function inOrder<T>(open: OpenTask, action: () => Promise<T>): Promise<T> {
	const done = open.tail.then(action);
	// The caller gets the failure; the next action starts afterwards either way.
	open.tail = done.catch(() => undefined);
	return done;
}
