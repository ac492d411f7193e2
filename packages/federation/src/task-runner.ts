// One task at a site: fetch the weights, let the app work, deliver the result. A failure of the app is a result, too.
import { mkdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { openSafetensors } from "@zk0/arrays/node";
import {
	type AnnouncedMessage,
	type ArrayRecord,
	confirmMessage,
	FlowerError,
	type ObjectStore as FlowerObjects,
	type NodeIdentity,
	type ObjectLink,
	pullObjects,
	type RetryPolicy,
} from "@zk0/flower";
import type { ClientApp, EvaluateResult, Metrics, TaskContext } from "./client-app.ts";
import type { Clock } from "./clock.ts";
import { deliverResult, describeFailure, type TaskEnd, type Work } from "./deliver-result.ts";
import { isCancelled, throwIfCancelled } from "./errors.ts";
import type { Heartbeat } from "./heartbeat.ts";
import type { NodeSession } from "./node-session.ts";
import type { ObjectStore, StoredObject } from "./object-store.ts";
import { fetchFiles } from "./offered-files.ts";
import {
	CLIPPED_TO,
	NORM_BEFORE_CLIPPING,
	type SentTask,
	type TaskPhase,
	type TaskResult,
} from "./protocol.ts";
import type { RetryOptions } from "./retry.ts";
import { readTask } from "./task-message.ts";
import { dtypeOf, widenWeights, writeDifference } from "./update-dtype.ts";
import { clipUpdate } from "./update-norm.ts";
import { fileBytes } from "./wire-arrays.ts";

/** What a site does with a task, one after the other. */
export type TaskStep = "pull" | "work" | "upload";

/** What a task needs at a site. */
export interface TaskRunner {
	/** Is told when a step begins. */
	readonly onStep: (step: TaskStep) => void;
	readonly app: ClientApp;
	readonly identity: NodeIdentity;
	readonly session: NodeSession;
	readonly clock: Clock;
	/** How to wait for objects and to repeat what the server could not take. */
	readonly policy: RetryPolicy;
	readonly retry: RetryOptions;
	/** Weights received earlier, as files. */
	readonly weights: ObjectStore;
	/** Objects on their way in. */
	readonly objects: FlowerObjects;
	readonly heartbeat: Heartbeat;
	/** Tasks that the site takes; null: all. */
	readonly accepts: readonly TaskPhase[] | null;
	/** The site's own limit on the norm of what it changes; null: only the task's. */
	readonly clipNorm: number | null;
	/** Directory that this module makes and removes. */
	readonly scratchDir: string;
	/** Directory for results that came too late. */
	readonly refusedDir: string;
}

/**
 * Does one task; returns when the server has its result or no longer wants it.
 * @throws FederationError cancelled when `clientSignal` aborts; failures of transport and storage.
 */
export async function runTask(
	runner: TaskRunner,
	{ instruction, task, arrays }: ReceivedTask,
	clientSignal: AbortSignal,
): Promise<TaskEnd> {
	using watched = runner.heartbeat.watch(instruction.id, clientSignal);
	const { signal, onProgress } = watched;
	const { scratchDir, onStep } = runner;
	try {
		await rm(scratchDir, { recursive: true, force: true });
		await mkdir(scratchDir, { recursive: true });
		onStep("pull");
		const pullMs = runner.clock.now();
		const weights = await fetchWeights(runner, { instruction, task, arrays }, signal);
		onStep("work");
		const startMs = runner.clock.now();
		const { runId } = instruction.message.metadata;
		const context = {
			signal,
			onProgress,
			scratchDir,
			fetchFiles: (id: string, directory: string) => bring(runner, runId, { id, directory, signal }),
		};
		const done = await runApp(runner, task, weights, context);
		const runtimeSeconds = (runner.clock.now() - startMs) / 1000;
		const work = withTimes(done, { pullSeconds: (startMs - pullMs) / 1000, workSeconds: runtimeSeconds });
		onStep("upload");
		// A finished result is delivered although a newer task waits: the server says whether it takes it.
		return await deliverResult(runner, { instruction, task }, work, { runtimeSeconds, signal: clientSignal });
	} catch (error) {
		throwIfCancelled(clientSignal, "the task");
		// Withdrawn by the server: nobody waits for the result, and it has forgotten the task's objects.
		const isForgotten = error instanceof FlowerError && error.code === "not-found";
		if (!(isForgotten || (signal.aborted && isCancelled(error)))) throw error;
		return { kind: "withdrawn" };
	} finally {
		await rm(scratchDir, { recursive: true, force: true });
	}
}

/** A task with the message it came in. */
export interface ReceivedTask {
	readonly instruction: AnnouncedMessage;
	readonly task: SentTask;
	/** The weights; their data are not here yet. */
	readonly arrays: ArrayRecord;
}

/** Reads an instruction. @throws FederationError bad-message */
export function receiveTask(instruction: AnnouncedMessage): ReceivedTask {
	const { task, weights } = readTask(instruction.message);
	return { instruction, task, arrays: weights };
}

/** The weights from the own store or else from the server; weights of earlier tasks are deleted. */
async function fetchWeights(
	{ weights, objects, session, policy }: TaskRunner,
	{ instruction, task, arrays }: ReceivedTask,
	signal: AbortSignal,
): Promise<StoredObject> {
	for (const { sha256 } of weights.list()) if (sha256 !== task.weights) await weights.delete(sha256);
	const nodeId = await session.join(signal);
	if (!(await weights.verify(task.weights))) {
		const { runId } = instruction.message.metadata;
		const link: ObjectLink = { transport: session.calls, service: "fleet", nodeId, runId };
		await pullObjects(link, instruction.chunkIds, objects, { retry: policy, signal });
		await using upload = await weights.receive();
		for await (const bytes of fileBytes(arrays, { signal })) await upload.write(bytes);
		await upload.commit(task.weights);
	}
	await confirmMessage(session.calls, nodeId, instruction, { signal });
	for (const id of [...instruction.indexIds, ...instruction.chunkIds]) await objects.remove(id);
	return weights.get(task.weights);
}

/** Files that the server offers with a run. */
async function bring(
	{ session, objects, policy }: TaskRunner,
	runId: bigint,
	{
		id,
		directory,
		signal,
	}: { readonly id: string; readonly directory: string; readonly signal: AbortSignal },
): Promise<void> {
	const nodeId = await session.join(signal);
	const link: ObjectLink = { transport: session.calls, service: "fleet", nodeId, runId };
	await fetchFiles(id, directory, { link, objects, retry: policy, signal });
}

/** Lets the app work; its failure is a result. @throws FederationError cancelled */
export async function runApp(
	{ app, clipNorm, accepts }: Pick<TaskRunner, "app" | "clipNorm" | "accepts">,
	task: SentTask,
	weights: StoredObject,
	context: TaskContext,
): Promise<Work> {
	const { runId, round, seed, learning } = task;
	try {
		throwIfCancelled(context.signal, "the task");
		if (accepts !== null && !accepts.includes(task.phase)) {
			const message = `declined: this site takes ${accepts.join(" and ")} tasks only`;
			return { result: { kind: "failure", message }, updatePath: null };
		}
		const { sha256: weightsSha256 } = weights;
		const isRounded = dtypeOf(weights.path) === "bfloat16";
		const weightsPath = isRounded ? join(context.scratchDir, "weights.safetensors") : weights.path;
		if (isRounded) await widenWeights(weights.path, weightsPath);
		const shared = { runId, round, seed, learning, weightsPath, weightsSha256 };
		if (task.phase === "evaluate") {
			const result = evaluationResult(await app.evaluate(shared, context));
			throwIfCancelled(context.signal, "the task");
			return { result, updatePath: null };
		}
		const { numLocalSteps, globalStep, totalSteps, proximalMu } = task;
		const trained = await app.train(
			{ ...shared, numLocalSteps, globalStep, totalSteps, proximalMu },
			context,
		);
		throwIfCancelled(context.signal, "the task");
		const { numSamples } = trained;
		const limit = Math.min(task.clipNorm ?? Number.POSITIVE_INFINITY, clipNorm ?? Number.POSITIVE_INFINITY);
		const { path, metrics } = await clipped(trained.weightsPath, weightsPath, limit);
		const updatePath = isRounded ? join(context.scratchDir, "difference.safetensors") : path;
		// A site answers in the element type in which it was asked.
		if (isRounded) await writeDifference(path, weightsPath, updatePath);
		// What cannot be read is the app's failure here, and would be the client's on the way out.
		openSafetensors(updatePath)[Symbol.dispose]();
		const all = { ...finiteMetrics(trained.metrics), ...metrics };
		return { result: { kind: "update", numSamples, metrics: all }, updatePath };
	} catch (error) {
		throwIfCancelled(context.signal, "the task");
		// A server that was restarted does not offer its files again yet: the task comes once more.
		if (error instanceof FlowerError && error.code === "not-found") throw error;
		return { result: { kind: "failure", message: describeFailure(error) }, updatePath: null };
	}
}

/** The update within the limit, and what the site says about that. */
async function clipped(
	update: string,
	base: string,
	limit: number,
): Promise<{ readonly path: string; readonly metrics: Metrics }> {
	if (limit === Number.POSITIVE_INFINITY) return { path: update, metrics: {} };
	const out = `${update}.clipped`;
	const found = await clipUpdate({ update, base, out, limit });
	if (found === null) return { path: update, metrics: {} };
	return { path: out, metrics: { [NORM_BEFORE_CLIPPING]: found.norm, [CLIPPED_TO]: limit } };
}

function evaluationResult({ loss, numSamples, metrics }: EvaluateResult): TaskResult {
	if (loss !== null && !Number.isFinite(loss)) {
		return { kind: "failure", message: `evaluation gave a loss of ${loss}` };
	}
	return { kind: "evaluation", loss, numSamples, metrics: finiteMetrics(metrics) };
}

/** The work with how long the weights took to come and the work itself, for whoever asks where a round's time went. */
function withTimes({ result, updatePath }: Work, times: Metrics): Work {
	if (result.kind === "failure") return { result, updatePath };
	return { result: { ...result, metrics: { ...result.metrics, ...times } }, updatePath };
}

/** A metric that is not finite is a missing one. */
function finiteMetrics(metrics: Metrics): Metrics {
	return Object.fromEntries(
		Object.entries(metrics).map(([name, value]) => [name, Number.isFinite(value) ? value : null]),
	);
}
