// A site's loop: join, pull a task, fetch the weights it does not hold, let the ClientApp work, deliver the result; again until
// stopped. All connections go out from here. The same code runs in simulations and behind a network transport.
import { join } from "node:path";
import type { ClientApp } from "./client-app.ts";
import type { Clock } from "./clock.ts";
import { FederationError, isCancelled } from "./errors.ts";
import { startHeartbeat } from "./heartbeat.ts";
import { createNodeSession, type NodeSession } from "./node-session.ts";
import { openObjectStore } from "./object-store.ts";
import { isSiteName } from "./protocol.ts";
import type { RetryOptions } from "./retry.ts";
import { runTask } from "./task-runner.ts";
import type { Transport } from "./transport.ts";

/** Options of `runClient`. */
export interface ClientOptions {
	/** The caller disposes it. */
	readonly transport: Transport;
	readonly app: ClientApp;
	/** The site's name: its identity in the federation. */
	readonly site: string;
	/** Directory of this client alone, for weights and updates on their way. */
	readonly dir: string;
	readonly clock: Clock;
	/** Ends the loop: the task is cancelled and the site leaves. */
	readonly signal: AbortSignal;
	/** Longest silence towards the server; default 5000. */
	readonly heartbeatMs?: number;
	/** Shortest time between progress reports; default 200. */
	readonly progressMs?: number;
	/** How long the server may hold a pull; default 20 000. */
	readonly pullWaitMs?: number;
	/** Per call; default 30 000. */
	readonly timeoutMs?: number;
	readonly retry?: RetryOptions;
}

/**
 * Serves tasks until `signal` aborts.
 * @throws FederationError unavailable | deadline when the server stays away longer than `retry` allows,
 * site-name-taken, disk-full | storage, closed. A failing ClientApp is reported to the server and does not end the loop.
 */
export async function runClient(options: ClientOptions): Promise<void> {
	const { transport, app, site, clock, signal } = options;
	if (!isSiteName(site)) {
		throw new RangeError(`runClient: site "${site}" must be 1-63 letters, digits, '.', '_' or '-'`);
	}
	const timeoutMs = options.timeoutMs ?? 30_000;
	const retry = options.retry ?? {};
	const session = createNodeSession({ transport, site, info: app.describe(), clock, timeoutMs, retry });
	const store = await openObjectStore(join(options.dir, "weights"));
	const { heartbeatMs = 5000, progressMs = 200 } = options;
	await using heartbeat = startHeartbeat({ session, clock, heartbeatMs, progressMs });
	const runner = { app, session, store, heartbeat, scratchDir: join(options.dir, "scratch") };
	try {
		const pullWaitMs = options.pullWaitMs ?? 20_000;
		while (!signal.aborted) {
			const { task } = await session.call("pullTask", (nodeId) => ({ nodeId, waitMs: pullWaitMs }), {
				signal,
				timeoutMs: timeoutMs + pullWaitMs,
			});
			if (task !== null) await runTask(runner, task, signal);
		}
	} catch (error) {
		if (!(signal.aborted && isCancelled(error))) throw error;
	} finally {
		await leave(session);
	}
}

/** Says goodbye; a server that cannot be reached will notice by itself. */
async function leave(session: NodeSession): Promise<void> {
	try {
		await session.callOnce("unregisterNode", (nodeId) => ({ nodeId }), { timeoutMs: 1000 });
	} catch (error) {
		if (!(error instanceof FederationError)) throw error;
	}
}
