// One task at a site: fetch the weights, let the app work, deliver the result. A failure of the app is a result, too.

import { mkdir, open, rm, stat } from "node:fs/promises";
import { sha256File } from "@zk0/arrays/node";
import type { ClientApp, EvaluateResult, Metrics, TaskContext } from "./client-app.ts";
import { FederationError, isCancelled, throwIfCancelled, toError } from "./errors.ts";
import type { Heartbeat } from "./heartbeat.ts";
import type { NodeSession } from "./node-session.ts";
import type { ObjectStore, StoredObject } from "./object-store.ts";
import { MAX_CHUNK_BYTES, type ResultStatus, type TaskMessage, type TaskResult } from "./protocol.ts";

/** What a task needs at a site. */
export interface TaskRunner {
	readonly app: ClientApp;
	readonly session: NodeSession;
	/** Weights received earlier. */
	readonly store: ObjectStore;
	readonly heartbeat: Heartbeat;
	/** Directory that this module makes and removes. */
	readonly scratchDir: string;
}

interface Work {
	readonly result: TaskResult;
	/** The update's file, when there is one. */
	readonly updatePath: string | null;
}

/** Longest failure text sent. */
const MAX_FAILURE_LENGTH = 2000;

/**
 * Does one task; returns when the server has its result or no longer wants it.
 * @throws FederationError cancelled when `clientSignal` aborts; failures of transport and storage.
 */
export async function runTask(
	runner: TaskRunner,
	task: TaskMessage,
	clientSignal: AbortSignal,
): Promise<void> {
	using watched = runner.heartbeat.watch(task.taskId, clientSignal);
	const { signal, onProgress } = watched;
	const { scratchDir } = runner;
	try {
		await rm(scratchDir, { recursive: true, force: true });
		await mkdir(scratchDir, { recursive: true });
		const weights = await fetchWeights(runner, task, signal);
		const work = await runApp(runner.app, task, weights, { signal, onProgress, scratchDir });
		await deliver(runner.session, task, work, signal);
	} catch (error) {
		throwIfCancelled(clientSignal, `task ${task.taskId}`);
		// Withdrawn by the server: nobody waits for the result.
		if (!(signal.aborted && isCancelled(error))) throw error;
	} finally {
		await rm(scratchDir, { recursive: true, force: true });
	}
}

/** The weights from the own store or else from the server; weights of earlier tasks are deleted. */
async function fetchWeights(
	{ store, session }: TaskRunner,
	task: TaskMessage,
	signal: AbortSignal,
): Promise<StoredObject> {
	for (const { sha256 } of store.list()) {
		if (sha256 !== task.weights) await store.delete(sha256);
	}
	if (await store.verify(task.weights)) return store.get(task.weights);
	await using upload = await store.receive();
	for await (const bytes of session.pullObject(task.weights, () => upload.receivedBytes, { signal })) {
		await upload.write(bytes);
	}
	return await upload.commit(task.weights);
}

async function runApp(
	app: ClientApp,
	task: TaskMessage,
	weights: StoredObject,
	context: TaskContext,
): Promise<Work> {
	const { runId, round, seed, learning } = task;
	const shared = { runId, round, seed, learning, weightsPath: weights.path, weightsSha256: weights.sha256 };
	try {
		throwIfCancelled(context.signal, `task ${task.taskId}`);
		if (task.phase === "evaluate") {
			const result = evaluationResult(await app.evaluate(shared, context));
			throwIfCancelled(context.signal, `task ${task.taskId}`);
			return { result, updatePath: null };
		}
		const { numLocalSteps, globalStep, totalSteps, proximalMu } = task;
		const trained = await app.train(
			{ ...shared, numLocalSteps, globalStep, totalSteps, proximalMu },
			context,
		);
		throwIfCancelled(context.signal, `task ${task.taskId}`);
		const { weightsPath: updatePath, numSamples } = trained;
		const object = { sha256: await sha256File(updatePath), sizeBytes: (await stat(updatePath)).size };
		const metrics = finiteMetrics(trained.metrics);
		return { result: { kind: "update", object, numSamples, metrics }, updatePath };
	} catch (error) {
		throwIfCancelled(context.signal, `task ${task.taskId}`);
		return { result: { kind: "failure", message: describeFailure(error) }, updatePath: null };
	}
}

function evaluationResult({ loss, numSamples, metrics }: EvaluateResult): TaskResult {
	if (loss !== null && !Number.isFinite(loss)) {
		return { kind: "failure", message: `evaluation gave a loss of ${loss}` };
	}
	return { kind: "evaluation", loss, numSamples, metrics: finiteMetrics(metrics) };
}

/** JSON has no NaN: a metric that is not finite is a missing one. */
function finiteMetrics(metrics: Metrics): Metrics {
	return Object.fromEntries(
		Object.entries(metrics).map(([name, value]) => [name, Number.isFinite(value) ? value : null]),
	);
}

function describeFailure(thrown: unknown): string {
	const error = toError(thrown);
	return `${error.name}: ${error.message}`.slice(0, MAX_FAILURE_LENGTH);
}

/** Announces the result and sends its object as far as the server wants it. */
async function deliver(
	session: NodeSession,
	{ taskId, round }: TaskMessage,
	{ result, updatePath }: Work,
	signal: AbortSignal,
): Promise<void> {
	const announce = async (): Promise<ResultStatus> =>
		(await session.call("pushResult", (nodeId) => ({ nodeId, taskId, round, result }), { signal })).status;
	let status = await announce();
	if (result.kind !== "update" || updatePath === null) return;
	const { sha256 } = result.object;
	const file = await open(updatePath, "r");
	try {
		const buffer = new Uint8Array(MAX_CHUNK_BYTES);
		for (;;) {
			if (status.kind === "unannounced") {
				status = await announce();
				continue;
			}
			if (status.kind !== "wanted") return;
			const { offset } = status;
			const { bytesRead } = await file.read(buffer, 0, buffer.length, offset);
			if (bytesRead === 0) {
				throw new FederationError("bad-message", `the server wants bytes from ${offset} on, past the end`);
			}
			const content = buffer.subarray(0, bytesRead);
			const piece = await session.call(
				"pushObject",
				(nodeId) => ({ nodeId, taskId, sha256, offset, content }),
				{ signal },
			);
			status = piece.status;
		}
	} finally {
		await file.close();
	}
}
