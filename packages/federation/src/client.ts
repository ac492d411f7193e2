// A site's loop: join, pull a task, fetch the weights it does not hold, let the ClientApp work, deliver the result; again until
// stopped. All connections go out from here. The same code runs in simulations and behind a network transport.
import { randomUUID } from "node:crypto";
import { join } from "node:path";
import { rng } from "@zk0/arrays";
import { announcedMessage, Fleet, FlowerError, type NodeIdentity, type Transport } from "@zk0/flower";
import type { ClientApp, SiteInfo } from "./client-app.ts";
import type { Clock } from "./clock.ts";
import type { TaskEnd } from "./deliver-result.ts";
import { callError, isCancelled } from "./errors.ts";
import { startHeartbeat, type TrustStore } from "./heartbeat.ts";
import { createNodeSession, type NodeSession } from "./node-session.ts";
import { openObjectStore } from "./object-store.ts";
import { isSiteName, type TaskPhase } from "./protocol.ts";
import type { RetryOptions } from "./retry.ts";
import { limitedInfo, type SiteHours, type SiteLimits } from "./site-limits.ts";
import { openSpillingObjects } from "./spilling-objects.ts";
import { receiveTask, runTask, type TaskStep } from "./task-runner.ts";

/** What a client tells about itself. */
export type ClientEvent =
	| { readonly kind: "online" }
	/** The site's own limits; its task waits. */
	| { readonly kind: "paused"; readonly message: string }
	/** The server's operator has to approve the site first. */
	| { readonly kind: "pending"; readonly message: string }
	/** The server cannot be reached; the client goes on trying. */
	| { readonly kind: "retrying"; readonly message: string }
	| {
			readonly kind: "task";
			readonly runId: string;
			readonly round: number;
			readonly phase: TaskPhase;
			/** The task's name in the server's trace; null: it does not trace. */
			readonly traceparent: string | null;
	  }
	/** What it does with the task begins: weights come, the app works, the result goes. */
	| { readonly kind: "task-step"; readonly step: TaskStep }
	| { readonly kind: "task-ended"; readonly end: TaskEnd };

/** Options of `runClient`. */
export interface ClientOptions {
	/** The caller disposes it. */
	readonly transport: Transport;
	/** The site's key: what its name is bound to. */
	readonly identity: NodeIdentity;
	readonly app: ClientApp;
	/** The site's name: its identity in the federation. */
	readonly site: string;
	/** Secret of an invitation, for a key that the server does not know yet. */
	readonly invite?: string;
	/** Directory of this client alone, for weights and updates on their way. */
	readonly dir: string;
	readonly clock: Clock;
	/** Ends the loop: the task is cancelled and the site leaves. */
	readonly signal: AbortSignal;
	readonly onEvent?: (event: ClientEvent) => void;
	/** Limits of the site's own; default none. */
	readonly limits?: SiteLimits;
	/** Largest norm of what an update may change, whatever the server asks; default null: only the server's limit. */
	readonly clipNorm?: number | null;
	/** Follows the server's change of its certificate authority; default: what is trusted stays. */
	readonly trust?: TrustStore | undefined;
	/** Longest silence towards the server; default 3000. */
	readonly heartbeatMs?: number;
	/** Shortest time between progress reports; default 200. */
	readonly progressMs?: number;
	/** How long the server may hold a pull; default 20 000. */
	readonly pullWaitMs?: number;
	/** Per call; default 30 000. */
	readonly timeoutMs?: number;
	readonly retry?: RetryOptions;
}

/** Objects of an instruction that are asked for at once; most are small. */
const PULL_CONCURRENCY = 4;

/** How long an object may be announced and not there; zk0 servers have every object that they announce. */
const OBJECT_WAIT_MS = 60_000;

/**
 * Serves tasks until `signal` aborts.
 * @throws FederationError unavailable | deadline when the server stays away longer than `retry` allows, not-admitted,
 * site-name-taken, disk-full | storage. A failing ClientApp is reported to the server and does not end the loop.
 */
export async function runClient(options: ClientOptions): Promise<void> {
	const { transport, identity, app, site, dir, clock, signal, onEvent = ignore } = options;
	if (!isSiteName(site)) {
		throw new RangeError(`runClient: site "${site}" must be 1-63 letters, digits, '.', '_' or '-'`);
	}
	const { heartbeatMs = 3000, progressMs = 200, pullWaitMs = 20_000, timeoutMs = 30_000 } = options;
	const retry = options.retry ?? {};
	const limits = options.limits ?? { accepts: null, hoursAt: null };
	const hours = limits.hoursAt ?? alwaysOpen;
	const infoAt = (nowMs: number): SiteInfo => {
		const { isOpen, reason } = hours(nowMs);
		return limitedInfo(app.describe(), limits, isOpen ? null : reason);
	};
	const session = createNodeSession({
		transport,
		identity,
		site,
		invite: options.invite ?? "",
		info: infoAt(clock.now()),
		// Unguessable and new in every life; no result depends on it.
		session: randomUUID(),
		clock,
		timeoutMs,
		heartbeatSeconds: 10,
		retry,
		onPending: (message) => onEvent({ kind: "pending", message }),
		onRetry: ({ message }) => onEvent({ kind: "retrying", message }),
	});
	const weights = await openObjectStore(join(dir, "weights"));
	const objects = await openSpillingObjects(join(dir, "objects"));
	const policy = {
		clock,
		rng: rng(site, "pull"),
		firstDelayMs: 50,
		maxDelayMs: 1000,
		maxWaitMs: OBJECT_WAIT_MS,
	};
	const runTransfers = { store: objects, retry: policy, signal, timeoutMs, concurrency: PULL_CONCURRENCY };
	await using heartbeat = startHeartbeat({ session, clock, heartbeatMs, progressMs, trust: options.trust });
	const scratchDir = join(dir, "scratch");
	const refusedDir = join(dir, "refused");
	const own = { clipNorm: options.clipNorm ?? null, accepts: limits.accepts, scratchDir, refusedDir };
	const onStep = (step: TaskStep): void => onEvent({ kind: "task-step", step });
	const runner = {
		onStep,
		app,
		identity,
		session,
		clock,
		policy,
		retry,
		weights,
		objects,
		heartbeat,
		...own,
	};
	try {
		const nodeId = await session.join(signal);
		onEvent({ kind: "online" });
		while (!signal.aborted) {
			const { isOpen, changesAtMs, reason } = hours(clock.now());
			if (!isOpen) {
				await session.announce(infoAt(clock.now()), signal);
				onEvent({ kind: "paused", message: reason });
				await clock.sleep(Math.max(1, changesAtMs - clock.now()), { signal });
				await session.announce(infoAt(clock.now()), signal);
				onEvent({ kind: "online" });
				continue;
			}
			const instruction = await announcedMessage(session.calls, nodeId, {
				...runTransfers,
				messageTimeoutMs: timeoutMs + pullWaitMs,
				hold: { session: session.session, waitMs: pullWaitMs },
			}).catch(withdrawnMeanwhile);
			if (instruction === undefined) continue;
			if (!hours(clock.now()).isOpen) continue;
			const received = receiveTask(instruction);
			const { runId, round, phase, traceparent = null } = received.task;
			onEvent({ kind: "task", runId, round, phase, traceparent });
			using open = whileOpen(changesAtMs, clock, signal);
			try {
				onEvent({ kind: "task-ended", end: await runTask(runner, received, open.signal) });
			} catch (error) {
				// The hours are over: the task stays this site's, and begins again when they come.
				if (!isCancelled(error) || signal.aborted) throw error;
			}
		}
	} catch (error) {
		if (!(signal.aborted && isCancelled(error))) throw callError(error);
	} finally {
		await leave(session);
	}
}

/** Aborted when `signal` is, or at `endMs`. */
function whileOpen(
	endMs: number,
	clock: Clock,
	signal: AbortSignal,
): Disposable & { readonly signal: AbortSignal } {
	const closing = new AbortController();
	const over = new AbortController();
	const stop = (): void => closing.abort();
	if (signal.aborted) stop();
	signal.addEventListener("abort", stop, { once: true });
	if (Number.isFinite(endMs))
		clock.sleep(Math.max(0, endMs - clock.now()), { signal: over.signal }).then(stop, ignore);
	return {
		signal: closing.signal,
		[Symbol.dispose]() {
			signal.removeEventListener("abort", stop);
			over.abort();
		},
	};
}

function alwaysOpen(): SiteHours {
	return { isOpen: true, changesAtMs: Number.POSITIVE_INFINITY, reason: "" };
}

/** The task was withdrawn between its announcement and the pull of its objects. */
function withdrawnMeanwhile(error: unknown): undefined {
	if (error instanceof FlowerError && error.code === "not-found") return undefined;
	throw error;
}

/** Says goodbye; a server that cannot be reached will notice by itself. */
async function leave(session: NodeSession): Promise<void> {
	const standing = session.once(AbortSignal.timeout(1000));
	if (standing === undefined) return;
	try {
		const { nodeId } = standing;
		await standing.calls.unary(Fleet.method.deactivateNode, { nodeId }, { timeoutMs: 1000 });
	} catch (error) {
		if (!(error instanceof FlowerError)) throw error;
	}
}

function ignore(): void {}
