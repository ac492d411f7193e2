// One run's side of the server: its tasks as messages, the objects that nodes pull for them, the replies they push.
// It is the Grid of the run's round loop; the server hands it the calls of approved sites.
import type { DeflatedContent, Message, ObjectId, ObjectSource, ObjectTree } from "@zk0/flower";
import type { Clock } from "./clock.ts";
import { toError } from "./errors.ts";
import type { RunApp } from "./flower-nodes.ts";
import type { Grid, OnlineSite, Outcome, SiteTask, TaskRef, Traffic } from "./grid.ts";
import type { Member } from "./members.ts";
import { runNumber } from "./node-id.ts";
import type { ObjectStore } from "./object-store.ts";
import { createOutcomeQueue } from "./outcome-queue.ts";
import { publishWeights } from "./published-weights.ts";
import { type Announced, createReplyIntake, type Taken } from "./reply-intake.ts";
import { taskMessage } from "./task-message.ts";
import { createTaskTable, type Instruction, type OpenTask } from "./task-table.ts";

/** What a run needs from the server. */
export interface RunGridOptions {
	/** Holds the weights that tasks name and takes the updates. */
	readonly store: ObjectStore;
	readonly clock: Clock;
	/** Sites online now, sorted by name. */
	readonly sites: () => readonly OnlineSite[];
	readonly nodeIdOf: (site: string) => bigint | undefined;
	/** PEM of a site's key; null for a site without one. */
	readonly publicKeyOf: (site: string) => string | null;
	/** There is a task for this site. */
	readonly wake: (site: string) => void;
	/** Bytes moved since the server started. */
	readonly traffic: () => Traffic;
	/** The app for Flower's nodes; without one they take no part. */
	readonly app: RunApp | undefined;
	/** Whether the site is a zk0 node, and not one of Flower's. */
	readonly signs: (site: string) => boolean;
	/** When each site last showed progress, whatever run it was for: one that works for another run is not stuck. */
	readonly activity: Map<string, number>;
}

/** A run's grid, and what the server asks it on behalf of sites. Disposing it abandons unrecorded outcomes. */
export interface RunGrid extends Grid, AsyncDisposable {
	/** The site's oldest unanswered task; the same one until it is answered. */
	nextTask(site: string): Promise<Instruction | undefined>;
	/** Lets every site of the run pull these objects, too (see `offerFiles`). */
	offer(content: DeflatedContent): void;
	/** The bytes of an object that an open task of the site needs, or that the run offers. */
	readObject(site: string, id: ObjectId, signal: AbortSignal): Promise<Uint8Array | undefined>;
	/** Undefined: the reply is for another run, or for one that has not begun yet. */
	announce(member: Member, message: Message, tree: ObjectTree): Promise<Announced | undefined>;
	/** Refuses a reply that is of no run, and records that. */
	refuse(member: Member, message: Message, tree: ObjectTree): Promise<Announced>;
	put(member: Member, id: ObjectId, bytes: Uint8Array, signal: AbortSignal): Promise<Taken | undefined>;
	/** The task of a message, while its site should go on with it. */
	taskOf(instructionId: string): TaskRef | undefined;
	readonly app: RunApp | undefined;
	/** False before the first task of the run in this process. */
	readonly hasBegun: boolean;
	/** Messages of all its tasks, open and closed. */
	messageIds(): readonly string[];
	tell(outcome: Outcome): void;
}

/** A grid without tasks; sites that are online already are its first outcomes. */
export function createRunGrid(options: RunGridOptions): RunGrid {
	const { store, clock, nodeIdOf, publicKeyOf, wake, traffic, app, signs, activity } = options;
	/** The number by which messages name the run; known from its first task. */
	let run: bigint | null = null;
	const takes = (site: string): boolean => app !== undefined || signs(site);
	const sites = (): OnlineSite[] => options.sites().filter(({ site }) => takes(site));
	const tasks = createTaskTable();
	const outcomes = createOutcomeQueue();
	const weights = publishWeights(store);
	const intake = createReplyIntake({ store, tasks, outcomes, clock });
	const offered = new Map<ObjectId, ObjectSource>();
	const withdrawn = new Set<string>();
	/** Tasks of sites that have not registered yet, so that there is no node to address. */
	const parked = new Map<string, SiteTask>();
	/** Tasks become messages one batch after another. */
	let preparing: Promise<void> = Promise.resolve();
	const before = traffic();
	const prepare = async (batch: readonly SiteTask[], isReleased: boolean): Promise<void> => {
		for (const task of batch) {
			const nodeId = nodeIdOf(task.site);
			if (withdrawn.delete(task.message.taskId)) continue;
			if (nodeId === undefined && isReleased) continue;
			if (nodeId === undefined) {
				parked.set(task.message.taskId, task);
				continue;
			}
			run = runNumber(task.message.runId);
			const objects = await weights.objectsOf(task.message.weights);
			const message = await taskMessage(task.message, nodeId, objects);
			const instruction = { message, id: message.id, metadata: message.metadata };
			tasks.open(task, instruction, { nowMs: clock.now(), isReleased });
			if (!isReleased) wake(task.site);
		}
		// Before the first task that is waited for, what lies there may be of one.
		if (!isReleased) await intake.sweep();
	};
	const touch = (site: string): void => {
		activity.set(site, clock.now());
	};
	const close = (open: OpenTask | undefined): void => {
		if (open !== undefined) intake.forget(open).catch(intake.report);
	};
	const send = (batch: readonly SiteTask[], isReleased = false): Promise<void> => {
		preparing = preparing
			.then(() => prepare(batch, isReleased))
			.catch((error: unknown) => intake.report(toError(error)));
		return preparing;
	};
	for (const { site, info } of sites())
		outcomes.offer({ kind: "joined", site, info, publicKey: publicKeyOf(site) });
	return {
		sites,
		app,
		send: (batch) => void send(batch),
		reopen: (batch) => (batch.length === 0 ? Promise.resolve() : send(batch, true)),
		withdraw(taskIds) {
			const open = new Map(tasks.all().map((task) => [task.ref.taskId, task]));
			for (const taskId of taskIds) {
				if (open.has(taskId)) close(tasks.close(taskId, null));
				else if (!parked.delete(taskId)) withdrawn.add(taskId);
			}
			preparing = preparing.then(() => withdrawn.clear());
		},
		release(taskIds) {
			for (const taskId of taskIds) {
				const open = tasks.get(taskId);
				if (open === undefined) {
					if (!parked.delete(taskId)) withdrawn.add(taskId);
					continue;
				}
				// A site finishes at most its newest task without being waited for.
				for (const older of tasks.ofSite(open.ref.site))
					if (older.isReleased) close(tasks.close(older.ref.taskId, null));
				open.isReleased = true;
			}
			preparing = preparing.then(() => withdrawn.clear());
		},
		offer(content) {
			for (const [id, object] of content.objects) offered.set(id, object);
		},
		activeAtMs(taskId) {
			const open = tasks.get(taskId);
			return open === undefined ? null : Math.max(open.openedAtMs, activity.get(open.ref.site) ?? 0);
		},
		messageIds: () => tasks.messageIds(),
		poll: () => outcomes.poll(),
		next: ({ signal } = {}) => outcomes.next(signal),
		traffic() {
			const { bytesUp, bytesDown } = traffic();
			return { bytesUp: bytesUp - before.bytesUp, bytesDown: bytesDown - before.bytesDown };
		},
		get hasBegun() {
			return tasks.hasBegun;
		},
		async nextTask(site) {
			await preparing;
			// Whoever asks for work is not stuck, whatever became of its earlier task.
			touch(site);
			return tasks.nextOf(site)?.instruction;
		},
		async readObject(site, id, signal) {
			const source = tasks.ofSite(site).find(({ instruction }) => instruction.message.objects.has(id));
			const object = source?.instruction.message.objects.get(id) ?? offered.get(id);
			if (object !== undefined) touch(site);
			return await object?.read({ signal });
		},
		async announce(member, message, tree) {
			await preparing;
			const { runId, replyToMessageId = "" } = message.metadata ?? {};
			// What is no task of this process yet may be one of the next.
			const isKnown = tasks.hasBegun || tasks.find(replyToMessageId) !== undefined;
			return runId === run && isKnown ? await intake.announce(member, message, tree) : undefined;
		},
		refuse: (member, message, tree) => intake.announce(member, message, tree),
		put(member, id, bytes, signal) {
			touch(member.site);
			return intake.put(member, id, bytes, signal);
		},
		taskOf(instructionId) {
			const open = tasks.find(instructionId);
			// The site has something better to do than to finish what nobody waits for, unless it is finished.
			const isIdle = open?.isReleased === true && open.reply === null;
			return isIdle && tasks.nextOf(open.ref.site) !== undefined ? undefined : open?.ref;
		},
		tell(outcome) {
			if ((outcome.kind === "joined" || outcome.kind === "left") && !takes(outcome.site)) return;
			outcomes.offer(outcome);
			if (outcome.kind === "progress") touch(outcome.task.site);
			if (outcome.kind !== "joined") return;
			const waiting = [...parked.values()].filter(({ site }) => site === outcome.site);
			for (const { message } of waiting) parked.delete(message.taskId);
			if (waiting.length > 0) void send(waiting);
		},
		async [Symbol.asyncDispose]() {
			outcomes.close();
			await preparing;
			await intake[Symbol.asyncDispose]();
			await Promise.all(tasks.all().map(({ tail }) => tail));
		},
	};
}
