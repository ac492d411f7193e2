// A task's result on its way to the server: pushed until the server has it or says for good why it does not take it.
import { type AnnouncedMessage, FlowerError, pushMessage, type ReplyRefusal } from "@zk0/flower";
import { toError } from "./errors.ts";
import type { TaskResult } from "./protocol.ts";
import { type Kept, keepRefused } from "./refused-results.ts";
import { replyMessage } from "./reply-message.ts";
import { createBackoff } from "./retry.ts";
import type { ReceivedTask, TaskRunner } from "./task-runner.ts";

/** What became of a task. */
export type TaskEnd =
	| { readonly kind: "delivered"; readonly result: TaskResult["kind"] }
	| { readonly kind: "refused"; readonly refusal: ReplyRefusal; readonly kept: Kept }
	| { readonly kind: "withdrawn" };

/** What came of a task's work. */
export interface Work {
	readonly result: TaskResult;
	/** The update's file, when there is one. */
	readonly updatePath: string | null;
}

/** What a delivery needs of a site. */
type Courier = Pick<TaskRunner, "session" | "identity" | "clock" | "retry" | "scratchDir" | "refusedDir">;

/** Chunks under way at once: while one is hashed and written at the server, two keep the connection busy. */
const PUSH_CONCURRENCY = 3;

/** Longest failure text sent. */
const MAX_FAILURE_LENGTH = 2000;

/** Delivers the result; one that the server cannot take whatever is done becomes the task's failure, which it can. */
export async function deliverResult(
	runner: Courier,
	received: Pick<ReceivedTask, "instruction" | "task">,
	work: Work,
	how: { readonly runtimeSeconds: number; readonly signal: AbortSignal },
): Promise<TaskEnd> {
	const { result, updatePath } = work;
	try {
		const refusal = await deliver(runner, received.instruction, work, how);
		if (refusal === undefined) return { kind: "delivered", result: result.kind };
		const { scratchDir, refusedDir, clock } = runner;
		const isOwn = updatePath?.startsWith(`${scratchDir}/`) === true;
		const about = { instructionId: received.instruction.id, task: received.task, nowMs: clock.now() };
		const kept = await keepRefused(refusedDir, { ...about, result, updatePath, isOwn, refusal });
		return { kind: "refused", refusal, kept };
	} catch (error) {
		if (result.kind === "failure" || !isOverLimit(error)) throw error;
		const message = `the server does not take the result: ${describeFailure(error)}`;
		const failure: Work = { result: { kind: "failure", message }, updatePath: null };
		return await deliverResult(runner, received, failure, how);
	}
}

/** More than the server takes, however often it is sent. */
function isOverLimit(error: unknown): boolean {
	return (
		error instanceof FlowerError && error.code === "resource-exhausted" && error.retryAfterMs === undefined
	);
}

/** Pushes the reply until the server has all of it or says why it does not take it. */
async function deliver(
	{ session, identity, clock, retry }: Courier,
	{ id, message: { metadata } }: AnnouncedMessage,
	{ result, updatePath }: Work,
	{ runtimeSeconds, signal }: { readonly runtimeSeconds: number; readonly signal: AbortSignal },
): Promise<ReplyRefusal | undefined> {
	const instruction = { id, metadata };
	const reply = await replyMessage({
		instruction,
		result,
		updatePath,
		identity,
		nowMs: clock.now(),
		signal,
	});
	const nodeId = await session.join(signal);
	const backoff = createBackoff(`${identity.publicKeyPem} delivery`, clock, retry);
	for (;;) {
		try {
			const about = { runtimeSeconds, runId: metadata.runId };
			const options = { ...about, signal, inline: true, concurrency: PUSH_CONCURRENCY };
			return await pushMessage(session.calls, nodeId, reply, options);
		} catch (failure) {
			// The server lost track of the reply (it was restarted, or an answer was lost): announce it again.
			const isLost = failure instanceof FlowerError && failure.code === "failed-precondition";
			if (!isLost) throw failure;
			await backoff.pause(new FlowerError("unavailable", failure.message, { cause: failure }), signal);
		}
	}
}

/** A failure as text for the server. */
export function describeFailure(thrown: unknown): string {
	const error = toError(thrown);
	return `${error.name}: ${error.message}`.slice(0, MAX_FAILURE_LENGTH);
}
