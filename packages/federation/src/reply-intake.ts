// Takes replies and their objects from sites: refuses what is not asked for before it costs anything, collects the
// rest, checks it while it is written as one file, and answers only when the outcome is recorded.

import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { codeOf } from "@zk0/arrays";
import {
	checkMetadata,
	checkReply,
	FlowerError,
	inflateMessage,
	type Message,
	type MessageMetadata,
	type ObjectId,
	type ObjectTree,
	parseObjectId,
	type ReplyRefusal,
	readMetadata,
} from "@zk0/flower";
import type { Clock } from "./clock.ts";
import { earlyChunkRoom } from "./early-chunks.ts";
import { FederationError, toError } from "./errors.ts";
import type { SignedReply } from "./events.ts";
import type { Member } from "./members.ts";
import type { ObjectStore } from "./object-store.ts";
import type { OutcomeQueue } from "./outcome-queue.ts";
import { checkSignature, type ReadReply, readReply } from "./reply-message.ts";
import { collectObjects, forgetObjects, type ReplyBounds, type ReplyObjects } from "./reply-objects.ts";
import { MIN_FILE_BYTES } from "./spilling-objects.ts";
import { commitUpdate } from "./stored-update.ts";
import { inOrder, type OpenTask, type TaskDefect, type TaskTable } from "./task-table.ts";
import { assembleUpdate, type UpdateAssembly } from "./update-assembly.ts";
import { NO_SAMPLES, type TensorSpecs } from "./update-check.ts";

/** What the intake works on. */
export interface ReplyIntakeOptions {
	readonly store: ObjectStore;
	readonly tasks: TaskTable;
	readonly outcomes: OutcomeQueue;
	readonly clock: Clock;
}

/** Answer to an announced reply: what is missing of it, nothing when it is recorded, or why it is not taken. */
export type Announced =
	| { readonly kind: "wanted"; readonly missing: readonly ObjectId[] }
	| { readonly kind: "refused"; readonly refusal: ReplyRefusal };

/** Answer to an object. */
export type Taken =
	| { readonly kind: "stored"; readonly refusal: ReplyRefusal | undefined }
	| { readonly kind: "not-stored" };

/** The receiving end of PushMessages and PushObject. Disposing it ends what is under way; what arrived stays on disk. */
export interface ReplyIntake extends AsyncDisposable {
	announce(member: Member, message: Message, tree: ObjectTree): Promise<Announced>;
	/** Undefined: the object belongs to no reply of the member. */
	put(member: Member, id: ObjectId, bytes: Uint8Array, signal: AbortSignal): Promise<Taken | undefined>;
	/** Removes what a closed task left on disk. */
	forget(open: OpenTask): Promise<void>;
	/** Removes what tasks of an earlier process left on disk that are not open any more. */
	sweep(): Promise<void>;
	/** Makes a failure of the server's own storage known to the round loop. */
	report(this: void, error: unknown): void;
}

/** Replies without an update are small: names and numbers. */
const MAX_SMALL_REPLY_BYTES: number = 1 << 20;
/** A message, its records, and Flower's own beside ours. */
const MAX_SMALL_REPLY_OBJECTS = 100;
/** Stray replies of one site that a run's log takes; the audit counts the others. */
const MAX_STRAYS_RECORDED = 100;
/** Heads and indexes of an update, per tensor, beside its data. */
const MAX_INDEX_BYTES_PER_TENSOR = 20_000;

/** Chunks of a run's updates in memory before their turn. */
const MAX_EARLY_BYTES: number = 64 << 20;

/** An intake for a run. */
export function createReplyIntake({ store, tasks, outcomes, clock }: ReplyIntakeOptions): ReplyIntake {
	const repliesDir = join(store.dir, "replies");
	const directoryOf = ({ instruction }: OpenTask): string => join(repliesDir, instruction.id);
	const openEarly = earlyChunkRoom(MAX_EARLY_BYTES);
	const report = (error: unknown): void => outcomes.fail(toError(error));

	/** Updates that are being written, by their replies. */
	const assemblies = new WeakMap<ReplyObjects, UpdateAssembly>();

	/** The file of a reply's update, begun when it is first asked for. */
	const assemblyOf = (open: OpenTask, reply: ReplyObjects): UpdateAssembly => {
		const known = assemblies.get(reply);
		if (known !== undefined) return known;
		const fresh = assembleUpdate(reply, open.task.expects ?? new Map(), store);
		assemblies.set(reply, fresh);
		return fresh;
	};

	/** Ends what is under way for a reply. */
	const drop = async (reply: ReplyObjects | null): Promise<void> => {
		if (reply === null) return;
		reply[Symbol.dispose]();
		await assemblies.get(reply)?.[Symbol.asyncDispose]();
		assemblies.delete(reply);
	};

	const forget = async (open: OpenTask): Promise<void> => {
		await drop(open.reply);
		await forgetObjects(directoryOf(open));
	};

	/** Files that are being removed while the site has its answer already; what a crash leaves of them is swept. */
	const removals = new Set<Promise<void>>();

	const close = async (open: OpenTask, answer: ObjectId | null): Promise<void> => {
		tasks.close(open.ref.taskId, answer);
		await drop(open.reply);
		const removal = forgetObjects(directoryOf(open))
			.catch(report)
			.finally(() => removals.delete(removal));
		removals.add(removal);
	};

	/** Ends the task of an unusable reply. */
	const refuse = async (open: OpenTask, { code, message }: TaskDefect): Promise<ReplyRefusal> => {
		const { site, round } = open.ref;
		open.isAnswered = true;
		await outcomes.push({ kind: "rejected", site, round, code, message, endsTask: true });
		await close(open, open.reply?.id ?? null);
		return { code, reason: message };
	};

	const numStrays = new Map<string, number>();
	/** A stray reply: nobody's task ends. */
	const refuseStray = async (member: Member, round: number, defect: TaskDefect): Promise<Announced> => {
		const { code, message } = defect;
		const numBefore = numStrays.get(member.site) ?? 0;
		numStrays.set(member.site, numBefore + 1);
		if (numBefore >= MAX_STRAYS_RECORDED) return { kind: "refused", refusal: { code, reason: message } };
		await outcomes.push({ kind: "rejected", site: member.site, round, code, message, endsTask: false });
		return { kind: "refused", refusal: { code, reason: message } };
	};

	const finish = async (open: OpenTask, reply: ReplyObjects, member: Member) => {
		const { instruction, ref } = open;
		const message = await inflateMessage(reply.id, reply.objects);
		const defect = replyDefect(message.metadata, open, member, clock.now());
		if (defect !== null) return await refuse(open, defect);
		const result = readReply(message, ref.phase);
		if (result.kind === "defect") return await refuse(open, { code: "bad-file", message: result.message });
		open.isAnswered = true;
		if (result.kind === "failure") {
			await outcomes.push({ kind: "failure", task: ref, message: result.message });
			await close(open, reply.id);
			return undefined;
		}
		const signed = member.signs
			? checkSignature(message, reply.tree, instruction.id, member.publicKeyPem)
			: null;
		if (signed === undefined)
			return await refuse(open, {
				code: "bad-signature",
				message: "the reply is not signed by the site's key",
			});
		if (result.kind === "evaluation") await outcomes.push({ ...result, task: ref });
		else {
			const refusal = await takeUpdate(open, reply, result, signed);
			if (refusal !== undefined) return refusal;
		}
		await close(open, reply.id);
		return undefined;
	};

	const takeUpdate = async (
		open: OpenTask,
		reply: ReplyObjects,
		update: Extract<ReadReply, { kind: "update" }>,
		signed: SignedReply | null,
	): Promise<ReplyRefusal | undefined> => {
		const { numSamples, metrics } = update;
		if (numSamples === 0) return await refuse(open, NO_SAMPLES);
		const assembled = await assemblyOf(open, reply).done;
		if (assembled.kind === "defect") return await refuse(open, assembled.defect);
		await using upload = assembled.upload;
		const stored = await commitUpdate(store, open.task, upload);
		await outcomes.push({ kind: "update", task: open.ref, ...stored, numSamples, metrics, signed });
		return undefined;
	};

	/** Finishes the reply once nothing is missing of it; one call at a time, the others find it closed. */
	const settle = (open: OpenTask, reply: ReplyObjects, member: Member): Promise<ReplyRefusal | undefined> =>
		inOrder(open, async () => {
			if (tasks.isAnswer(reply.id)) return undefined;
			if (tasks.find(open.instruction.id) !== open) {
				const { code, message } = tasks.explain(open.instruction.id);
				return { code, reason: message };
			}
			try {
				return await finish(open, reply, member);
			} catch (caught) {
				open.isAnswered = false;
				await assemblies.get(reply)?.[Symbol.asyncDispose]();
				assemblies.delete(reply);
				if (caught instanceof FlowerError && isSitesFault(caught))
					return await refuse(open, { code: "bad-file", message: caught.message });
				throw caught;
			}
		});

	/** Storage failures are the server's trouble: the round loop hears of them, the site may try again. */
	const answering = async <T>(action: () => Promise<T>): Promise<T> => {
		try {
			return await action();
		} catch (error) {
			const isOurs =
				(error instanceof FederationError && (error.code === "disk-full" || error.code === "storage")) ||
				(error instanceof FlowerError && (error.code === "internal" || isFullDisk(error)));
			if (isOurs) report(error);
			if (isOurs || (error instanceof FederationError && error.code === "unavailable"))
				throw new FlowerError("unavailable", "the server cannot store this now; try again", { cause: error });
			throw error;
		}
	};

	return {
		report,
		announce: (member, message, tree) =>
			answering(async () => {
				const metadata = readMetadata(message);
				const open = tasks.find(metadata.replyToMessageId);
				const round = Number.parseInt(metadata.groupId, 10);
				if (open === undefined) {
					if (tasks.isAnswer(tree.objectId)) return { kind: "wanted", missing: [] };
					const strayRound = Number.isSafeInteger(round) && round >= 0 ? round : 0;
					return await refuseStray(member, strayRound, tasks.explain(metadata.replyToMessageId));
				}
				const defect = replyDefect(metadata, open, member, clock.now());
				if (defect !== null) return await refuseStray(member, open.ref.round, defect);
				const reply = await inOrder(open, async () => {
					if (open.reply?.id !== tree.objectId) {
						const bounds = replyBounds(open.task.expects);
						const reply = await collectObjects(tree, directoryOf(open), bounds, openEarly());
						// One reply's worth of disk for each task, however often a site changes its mind.
						await drop(open.reply);
						await open.reply?.leaveTo(reply);
						open.reply = reply;
					}
					return open.reply;
				});
				if (reply === null) throw new FlowerError("aborted", "the task was closed meanwhile; try again");
				const missing = reply.missing();
				if (missing.length > 0) return { kind: "wanted", missing };
				const refusal = await settle(open, reply, member);
				return refusal === undefined ? { kind: "wanted", missing } : { kind: "refused", refusal };
			}),
		put: (member, id, bytes, signal) =>
			answering(async () => {
				const open = tasks.ofSite(member.site).find(({ reply }) => reply?.expects(id) === true);
				const reply = open?.reply;
				if (open === undefined || reply === null || reply === undefined) return undefined;
				if (!(await reply.put(id, bytes, signal))) return { kind: "not-stored" };
				const isUpdate = open.ref.phase === "train" && reply.hasIndexes();
				const isDefective = isUpdate && assemblyOf(open, reply).isDefective;
				if (reply.missing().length > 0 && !isDefective) return { kind: "stored", refusal: undefined };
				return { kind: "stored", refusal: await settle(open, reply, member) };
			}),
		forget: (open) => inOrder(open, () => forget(open)),
		async [Symbol.asyncDispose]() {
			for (const { reply } of tasks.all()) await drop(reply);
			await Promise.all(removals);
		},
		async sweep() {
			const wanted = new Set<string>(tasks.all().map(({ instruction }) => instruction.id));
			for (const name of await foldersIn(repliesDir))
				if (!wanted.has(name)) await forgetObjects(join(repliesDir, name));
		},
	};
}

/** Why a reply does not answer the task, or null. */
function replyDefect(
	metadata: MessageMetadata,
	{ ref, instruction }: OpenTask,
	member: Member,
	nowMs: number,
): TaskDefect | null {
	if (ref.site !== member.site || metadata.srcNodeId !== member.nodeId)
		return { code: "wrong-site", message: `the task belongs to another site than ${member.site}` };
	if (metadata.groupId !== instruction.metadata.groupId)
		return { code: "wrong-round", message: `the reply is of round ${metadata.groupId.slice(0, 20)}` };
	try {
		checkReply(metadata, instruction.metadata, parseObjectId(instruction.id));
		checkMetadata(metadata, nowMs / 1000);
	} catch (caught) {
		if (!(caught instanceof FlowerError)) throw caught;
		return { code: "late", message: caught.message };
	}
	return null;
}

/** This side's disk, and not a bound on what a site may send. */
function isFullDisk({ code, cause }: FlowerError): boolean {
	return code === "resource-exhausted" && cause instanceof Error && "code" in cause;
}

/** Errors that the content of a reply causes, and not this side's storage. */
function isSitesFault({ code }: FlowerError): boolean {
	return code === "invalid-argument" || code === "unimplemented" || code === "failed-precondition";
}

/** What a reply to a task may be. */
function replyBounds(specs: TensorSpecs | null): ReplyBounds {
	const tensors = [...(specs?.values() ?? [])];
	const dataBytes = tensors.reduce(
		(sum, { shape }) => sum + shape.reduce((product, dim) => product * dim, 4),
		0,
	);
	const indexBytes = MAX_SMALL_REPLY_BYTES + tensors.length * MAX_INDEX_BYTES_PER_TENSOR;
	return {
		maxBytes: indexBytes + dataBytes,
		maxSmallBytes: indexBytes + tensors.length * MIN_FILE_BYTES,
		maxObjects: MAX_SMALL_REPLY_OBJECTS + 2 * tensors.length + Math.ceil(dataBytes / MIN_FILE_BYTES),
	};
}

async function foldersIn(directory: string): Promise<string[]> {
	try {
		return await readdir(directory);
	} catch (caught) {
		if (codeOf(caught) === "ENOENT") return [];
		throw caught;
	}
}
