// The round loop's sites as the SuperNodes of a real Flower SuperLink: tasks go out and replies come in over ServerAppIo.
// A node is known by its number only, shows no progress, cannot be told that a task is unwanted, and its updates are
// recorded as not signed, since a SuperLink does not give away its nodes' keys.
import { join } from "node:path";
import { rng } from "@zk0/arrays";
import {
	FlowerError,
	inflateMessage,
	type Message,
	type ObjectTree,
	parseObjectId,
	pullObjects,
	pushObjects,
	ServerAppIo,
	SUPERLINK_NODE_ID,
	treeNodes,
} from "@zk0/flower";
import type { SiteInfo } from "../client-app.ts";
import type { Clock } from "../clock.ts";
import { isCancelled, toError } from "../errors.ts";
import type { Grid, OnlineSite, SiteTask, TaskRef } from "../grid.ts";
import type { ObjectStore } from "../object-store.ts";
import { createOutcomeQueue } from "../outcome-queue.ts";
import { publishWeights } from "../published-weights.ts";
import { readReply } from "../reply-message.ts";
import { openSpillingObjects } from "../spilling-objects.ts";
import { storeUpdate } from "../stored-update.ts";
import { taskMessage } from "../task-message.ts";
import type { SuperLinkRun } from "./server-app.ts";

/** Options of `openSuperLinkGrid`. */
export interface SuperLinkGridOptions {
	readonly run: SuperLinkRun;
	/** Holds the weights that tasks name and takes the updates. */
	readonly store: ObjectStore;
	readonly clock: Clock;
	/** Between two looks for nodes and replies; default 500. */
	readonly pollMs?: number;
}

/** What is known of a SuperLink's node. */
const INFO: SiteInfo = { numSamples: null, details: { software: "Flower", signs: false } };
/** How long a reply may be announced and its objects not there. */
const OBJECT_WAIT_MS = 600_000;
/** Objects of a reply that are asked for at once. */
const PULL_CONCURRENCY = 4;

interface Open {
	readonly task: SiteTask;
	readonly ref: TaskRef;
	/** The reply is on its way: the task is not asked for again. */
	isAnswered: boolean;
}

/** Opens a run's nodes as a grid; disposing it stops looking for replies. */
export async function openSuperLinkGrid(options: SuperLinkGridOptions): Promise<Grid & AsyncDisposable> {
	const { run, store, clock, pollMs = 500 } = options;
	const { calls, runId } = run;
	const link = { transport: calls, service: "serverapp", nodeId: SUPERLINK_NODE_ID, runId } as const;
	const objects = await openSpillingObjects(join(store.dir, "superlink"));
	const outcomes = createOutcomeQueue();
	const weights = publishWeights(store);
	const retry = {
		clock,
		rng: rng("superlink", "pull"),
		firstDelayMs: 50,
		maxDelayMs: 1000,
		maxWaitMs: OBJECT_WAIT_MS,
	};
	const stopping = new AbortController();
	const { signal } = stopping;
	/** Open tasks by the id of their message. */
	const open = new Map<string, Open>();
	const withdrawn = new Set<string>();
	const receiving = new Set<Promise<void>>();
	let nodes = new Map<string, bigint>();
	let sending: Promise<void> = Promise.resolve();
	const fail = (error: unknown): void => {
		if (!(signal.aborted && isCancelled(error))) outcomes.fail(toError(error));
	};

	const sites = (): OnlineSite[] => [...nodes.keys()].sort().map((site) => ({ site, info: INFO }));

	const lookForNodes = async (): Promise<void> => {
		const found = await calls.unary(ServerAppIo.method.getNodes, { runId }, { signal });
		const now = new Map(found.nodes.map(({ nodeId }) => [siteOf(nodeId), nodeId]));
		const before = nodes;
		nodes = now;
		for (const site of now.keys())
			if (!before.has(site)) outcomes.offer({ kind: "joined", site, info: INFO, publicKey: null });
		const message = "the SuperLink has no sign of life of the node";
		for (const site of before.keys())
			if (!now.has(site)) outcomes.offer({ kind: "left", site, reason: "offline", message });
	};

	const sendOne = async (task: SiteTask): Promise<void> => {
		const { site, message } = task;
		const { taskId, round, phase } = message;
		if (withdrawn.delete(taskId)) return;
		const ref = { taskId, site, round, phase };
		const nodeId = nodes.get(site);
		const failure = (why: string): void => outcomes.offer({ kind: "failure", task: ref, message: why });
		if (nodeId === undefined) return failure("the node is not at the SuperLink any more");
		const sent = await taskMessage(message, nodeId, await weights.objectsOf(message.weights), runId);
		const request = { messagesList: [sent.wire], messageObjectTrees: [sent.tree], runId };
		open.set(sent.id, { task, ref, isAnswered: false });
		const answer = await calls.unary(ServerAppIo.method.pushMessages, request, { signal });
		if (answer.messageIds[0] === "") {
			open.delete(sent.id);
			return failure("the SuperLink does not take the message: the node went, or a clock is wrong");
		}
		await pushObjects(link, answer.objectsToPush, sent.objects, { signal });
	};

	/** Takes a reply whole. @throws FederationError | FlowerError when this side cannot go on */
	const receive = async (one: Open, instruction: string, tree: ObjectTree): Promise<void> => {
		const { ref, task } = one;
		const ids = treeNodes(tree).map(({ id }) => id);
		const refuse = (code: "bad-file" | "zero-samples", message: string): Promise<void> =>
			outcomes.push({ kind: "rejected", site: ref.site, round: ref.round, code, message, endsTask: true });
		try {
			await pullObjects(link, ids, objects, { retry, signal, concurrency: PULL_CONCURRENCY });
			const reply = readReply(await inflateMessage(parseObjectId(tree.objectId), objects), ref.phase);
			if (reply.kind === "failure") await outcomes.push({ ...reply, task: ref });
			else if (reply.kind === "defect") await refuse("bad-file", reply.message);
			else if (reply.kind === "evaluation") await outcomes.push({ ...reply, task: ref });
			else {
				const { numSamples, metrics } = reply;
				const stored = await storeUpdate(store, task, reply);
				const { site, round } = ref;
				await outcomes.push(
					"code" in stored
						? { kind: "rejected", site, round, ...stored, endsTask: true }
						: { kind: "update", task: ref, ...stored, numSamples, metrics, signed: null },
				);
			}
			const messageObjectId = tree.objectId;
			const node = { nodeId: SUPERLINK_NODE_ID };
			await calls.unary(
				ServerAppIo.method.confirmMessageReceived,
				{ node, runId, messageObjectId },
				{ signal },
			);
		} catch (error) {
			if (!(error instanceof FlowerError) || !isOfTheReply(error)) throw error;
			await refuse("bad-file", error.message);
		} finally {
			open.delete(instruction);
			for (const id of ids) await objects.remove(id);
		}
	};

	const lookForReplies = async (): Promise<void> => {
		const messageIds = [...open].flatMap(([id, { isAnswered }]) => (isAnswered ? [] : [id]));
		if (messageIds.length === 0) return;
		const found = await calls.unary(ServerAppIo.method.pullMessages, { messageIds, runId }, { signal });
		for (const [index, message] of found.messagesList.entries()) {
			const tree = found.messageObjectTrees[index];
			const instruction = instructionOf(message);
			const one = open.get(instruction);
			if (tree === undefined || one === undefined || one.isAnswered) continue;
			one.isAnswered = true;
			const task = receive(one, instruction, tree)
				.catch(fail)
				.finally(() => receiving.delete(task));
			receiving.add(task);
		}
	};

	const look = async (): Promise<void> => {
		for (;;) {
			await lookForNodes();
			await lookForReplies();
			await clock.sleep(pollMs, { signal });
		}
	};
	await lookForNodes();
	const looking = look().catch(fail);
	run.ended.catch(fail);
	return {
		sites,
		send(tasks) {
			for (const task of tasks) sending = sending.then(() => sendOne(task)).catch(fail);
		},
		withdraw(taskIds) {
			const wanted = new Set(taskIds);
			const found = [...open].filter(([, { ref }]) => wanted.has(ref.taskId));
			for (const [id, { ref }] of found) {
				wanted.delete(ref.taskId);
				open.delete(id);
			}
			for (const taskId of wanted) withdrawn.add(taskId);
			sending = sending.then(() => withdrawn.clear());
		},
		// A reply that comes all the same is taken as long as the run lasts.
		release: () => undefined,
		// Replies to an earlier process are the SuperLink's to keep, and it drops them with that process's run.
		reopen: () => Promise.resolve(),
		activeAtMs: () => null,
		poll: () => outcomes.poll(),
		next: ({ signal: waiting } = {}) => outcomes.next(waiting),
		traffic: () => null,
		async [Symbol.asyncDispose]() {
			stopping.abort();
			outcomes.close();
			await sending;
			await looking;
			await Promise.all(receiving);
		},
	};
}

/** A node's name as a site: numbers of 64 bits, padded so that they sort as numbers do. */
function siteOf(nodeId: bigint): string {
	return `node-${String(nodeId).padStart(20, "0")}`;
}

function instructionOf({ metadata }: Message): string {
	return metadata?.replyToMessageId ?? "";
}

/** Errors of a reply's content, and not of this side. */
function isOfTheReply({ code }: FlowerError): boolean {
	return (
		code === "invalid-argument" ||
		code === "unimplemented" ||
		code === "not-found" ||
		code === "deadline-exceeded" ||
		code === "data-loss" ||
		code === "failed-precondition"
	);
}
