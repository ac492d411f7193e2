// A site's loop at a real Flower SuperLink: the same ClientApp and the same messages as at a zk0 server, without what only
// zk0 servers have: names, held pulls, progress, withdrawal, tasks that come again. A message is handed out once.
import { mkdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { rng } from "@zk0/arrays";
import {
	type AnnouncedMessage,
	announcedMessage,
	authenticated,
	confirmMessage,
	type DeflatedMessage,
	FlowerError,
	type NodeIdentity,
	pullObjects,
	pushMessage,
	type Transport,
} from "@zk0/flower";
import type { ClientEvent } from "../client.ts";
import type { ClientApp } from "../client-app.ts";
import type { Clock } from "../clock.ts";
import { callError, FederationError, isCancelled, toError } from "../errors.ts";
import { type ObjectStore, openObjectStore } from "../object-store.ts";
import type { RetryOptions } from "../retry.ts";
import { openSpillingObjects } from "../spilling-objects.ts";
import { runApp } from "../task-runner.ts";
import { readTensorSpecs } from "../update-check.ts";
import { fileBytes } from "../wire-arrays.ts";
import { type AnswerContext, arraysAnswer, errorAnswer, propertiesAnswer, taskAnswer } from "./answer.ts";
import { type Instruction, modelArrays, readInstruction, type SiteDefaults } from "./instruction.ts";
import {
	ForgottenError,
	joinSuperLink,
	keepAlive,
	leaveSuperLink,
	persistentCalls,
	type StandingOptions,
} from "./node-standing.ts";

/** Options of `runSuperLinkClient`. */
export interface SuperLinkClientOptions {
	/** The caller disposes it. */
	readonly transport: Transport;
	readonly identity: NodeIdentity;
	readonly app: ClientApp;
	readonly defaults: SiteDefaults;
	/** Safetensors file (float32) with the tensors that travel: what messages must bring, and a start for ServerApps. */
	readonly initialWeightsPath: string;
	/** Directory of this client alone. */
	readonly dir: string;
	readonly clock: Clock;
	/** Ends the loop: the task is given up and the node leaves. */
	readonly signal: AbortSignal;
	readonly onEvent: (event: ClientEvent) => void;
	readonly retry?: RetryOptions;
	/** Between two looks for a message; default 1000. */
	readonly pollMs?: number;
	/** Per call; default 30 000. */
	readonly timeoutMs?: number;
}

/** How long an object may be announced and not there: a ServerApp uploads while nodes already wait. */
const OBJECT_WAIT_MS = 600_000;

/**
 * Serves messages until `signal` aborts.
 * @throws FederationError unavailable | deadline when the SuperLink stays away longer than `retry` allows, not-admitted,
 * disk-full | storage
 */
export async function runSuperLinkClient(options: SuperLinkClientOptions): Promise<void> {
	const { signal, clock, onEvent } = options;
	const standing: StandingOptions = {
		calls: authenticated(options.transport, options.identity, () => clock.now()),
		publicKeyPem: options.identity.publicKeyPem,
		clock,
		timeoutMs: options.timeoutMs ?? 30_000,
		retry: options.retry ?? {},
		onPending: (message) => onEvent({ kind: "pending", message }),
		onRetry: ({ message }) => onEvent({ kind: "retrying", message }),
	};
	const node = await SuperLinkNode.open(options, persistentCalls(standing));
	while (!signal.aborted) {
		try {
			const nodeId = await joinSuperLink(standing, signal);
			try {
				await using _ = keepAlive(standing, nodeId);
				onEvent({ kind: "online" });
				await node.serve(nodeId);
			} finally {
				await leaveSuperLink(standing, nodeId);
			}
		} catch (error) {
			if (signal.aborted && isCancelled(error)) return;
			// A SuperLink that was restarted without a database knows no node any more: join again.
			if (!(error instanceof ForgottenError)) throw callError(error);
			onEvent({ kind: "retrying", message: error.message });
		}
	}
}

class SuperLinkNode {
	readonly #options: SuperLinkClientOptions;
	readonly #calls: Transport;
	readonly #objects: Awaited<ReturnType<typeof openSpillingObjects>>;
	readonly #weights: ObjectStore;
	/** Trained rounds by run, for servers that do not count aloud. */
	readonly #rounds = new Map<bigint, number>();

	private constructor(
		options: SuperLinkClientOptions,
		calls: Transport,
		objects: Awaited<ReturnType<typeof openSpillingObjects>>,
		weights: ObjectStore,
	) {
		this.#options = options;
		this.#calls = calls;
		this.#objects = objects;
		this.#weights = weights;
	}

	static async open(options: SuperLinkClientOptions, calls: Transport): Promise<SuperLinkNode> {
		// What an earlier life left belongs to messages that are lost.
		await rm(options.dir, { recursive: true, force: true });
		const objects = await openSpillingObjects(join(options.dir, "objects"));
		const weights = await openObjectStore(join(options.dir, "weights"));
		return new SuperLinkNode(options, calls, objects, weights);
	}

	/** Serves as this node. @throws ForgottenError */
	async serve(nodeId: bigint): Promise<void> {
		const { signal, clock, pollMs = 1000, onEvent } = this.#options;
		const calls = this.#calls;
		const transfers = { store: this.#objects, retry: this.#patience(), signal };
		while (!signal.aborted) {
			const found = await announcedMessage(calls, nodeId, transfers).catch((error: unknown) => {
				if (!(error instanceof FlowerError) || !isOfTheMessage(error)) throw error;
				onEvent({ kind: "task-ended", end: refused(error) });
				return undefined;
			});
			if (found === undefined) await clock.sleep(pollMs, { signal });
			else await this.#answer(nodeId, found);
		}
	}

	async #answer(nodeId: bigint, found: AnnouncedMessage): Promise<void> {
		const { signal, onEvent, clock, defaults } = this.#options;
		const calls = this.#calls;
		const { runId } = found.message.metadata;
		const countRound = (run: bigint): number => (this.#rounds.get(run) ?? 0) + 1;
		try {
			const link = { transport: calls, service: "fleet", nodeId, runId } as const;
			await pullObjects(link, found.chunkIds, this.#objects, { retry: this.#patience(), signal });
			await confirmMessage(calls, nodeId, found, { signal });
			const instruction = readInstruction(found.message, defaults, countRound);
			if (instruction.kind === "task" && instruction.task.phase === "train")
				this.#rounds.set(runId, instruction.task.round);
			const startMs = clock.now();
			await using work = await this.#work(found, instruction);
			const runtimeSeconds = (clock.now() - startMs) / 1000;
			onEvent({ kind: "task-step", step: "upload" });
			const refusal = await pushMessage(calls, nodeId, work.reply, { runtimeSeconds, runId, signal });
			const result = work.kind;
			onEvent({
				kind: "task-ended",
				end:
					refusal === undefined
						? { kind: "delivered", result }
						: { kind: "refused", refusal, kept: { kind: "dropped" } },
			});
		} catch (error) {
			// The run ended, or the message's objects are gone: nobody waits for the answer.
			if (!(error instanceof FlowerError) || !isOfTheMessage(error)) throw error;
			onEvent({ kind: "task-ended", end: refused(error) });
		} finally {
			for (const id of [...found.indexIds, ...found.chunkIds]) await this.#objects.remove(id);
		}
	}

	/** The answer, whose files stay until it is disposed. */
	async #work(found: AnnouncedMessage, instruction: Instruction) {
		const { app, identity, clock, dir, initialWeightsPath, onEvent, signal } = this.#options;
		const scratchDir = join(dir, "scratch");
		const context: AnswerContext = {
			instruction: { id: found.id, metadata: found.message.metadata },
			dialect: "dialect" in instruction ? instruction.dialect : "message",
			identity,
			nowMs: clock.now(),
			signal,
		};
		const clean = async (): Promise<void> => {
			await rm(scratchDir, { recursive: true, force: true });
			for (const { sha256 } of this.#weights.list()) await this.#weights.delete(sha256);
		};
		const answer = async (): Promise<{
			reply: DeflatedMessage;
			kind: "update" | "evaluation" | "failure";
		}> => {
			if (instruction.kind === "unsupported")
				return { reply: errorAnswer(context, instruction.reason), kind: "failure" };
			if (instruction.kind === "properties")
				return { reply: await propertiesAnswer(context, app.describe()), kind: "evaluation" };
			if (instruction.kind === "arrays")
				return { reply: await arraysAnswer(context, initialWeightsPath), kind: "evaluation" };
			const { runId, round, phase, traceparent = null } = instruction.task;
			onEvent({ kind: "task", runId, round, phase, traceparent });
			await mkdir(scratchDir, { recursive: true });
			// zk0's own tasks bring the model that they are about.
			const arrays =
				instruction.weights === null
					? await modelArrays(instruction.arrays, readTensorSpecs(initialWeightsPath), { signal })
					: instruction.arrays;
			await using upload = await this.#weights.receive();
			for await (const bytes of fileBytes(arrays, { signal })) await upload.write(bytes);
			const weights = await upload.commit(instruction.weights ?? undefined);
			onEvent({ kind: "task-step", step: "work" });
			const task = { ...instruction.task, weights: weights.sha256 };
			const work = await runApp({ app, clipNorm: null, accepts: null }, task, weights, {
				signal,
				onProgress: () => undefined,
				scratchDir,
				fetchFiles: () => Promise.reject(noFiles()),
			});
			const now = { ...context, nowMs: clock.now() };
			return { reply: await taskAnswer(now, work.result, work.updatePath), kind: work.result.kind };
		};
		await clean();
		try {
			return { ...(await answer()), [Symbol.asyncDispose]: clean };
		} catch (error) {
			await clean();
			const isOfTheData = error instanceof FederationError && error.code === "hash-mismatch";
			if (!(error instanceof FlowerError || isOfTheData) || isCancelled(error)) throw error;
			// What the message brought cannot be used: the server hears why.
			const reply = errorAnswer(context, `zk0 client: ${toError(error).message}`);
			return { reply, kind: "failure" as const, [Symbol.asyncDispose]: clean };
		}
	}

	#patience() {
		const { clock, identity } = this.#options;
		const stream = rng(identity.publicKeyPem, "pull");
		return { clock, rng: stream, firstDelayMs: 50, maxDelayMs: 1000, maxWaitMs: OBJECT_WAIT_MS };
	}
}

/** Errors that end a message and not the client. */
function isOfTheMessage({ code }: FlowerError): boolean {
	return (
		code === "permission-denied" ||
		code === "not-found" ||
		code === "invalid-argument" ||
		code === "failed-precondition" ||
		code === "deadline-exceeded" ||
		code === "unimplemented"
	);
}

function refused({ code, message }: FlowerError) {
	return { kind: "refused", refusal: { code, reason: message }, kept: { kind: "dropped" } } as const;
}

function noFiles(): FlowerError {
	return new FlowerError(
		"unimplemented",
		"a SuperLink brings no model to its nodes: join it again with `zk0 client join-superlink --init <the run's start>`",
	);
}
