// This process as the ServerApp of a run at a real Flower SuperLink (ServerAppIo of Flower 1.24 to 1.34): takes a run that
// waits, keeps it alive, and says how it ended. What the run does is the round loop's; see grid.ts.
import { FlowerError, ServerAppIo, type Transport } from "@zk0/flower";
import type { Clock } from "../clock.ts";
import { FederationError, isCancelled, throwIfCancelled } from "../errors.ts";
import { createBackoff, isTransient } from "../retry.ts";

/** A run that this process has taken. */
export interface SuperLinkRun extends AsyncDisposable {
	/** The SuperLink's number of the run. */
	readonly runId: bigint;
	/** `<publisher>/<name>` and version of the app that its Python nodes run. */
	readonly app: string;
	/** Calls of this run, repeated while the way to the SuperLink is the trouble. */
	readonly calls: Transport;
	/** Rejects when the SuperLink ends the run; never resolves. */
	readonly ended: Promise<never>;
	/** Tells the SuperLink how the run ended; afterwards it is over there. */
	finish(outcome: "completed" | "failed", details: string): Promise<void>;
}

/** Options of `takeSuperLinkRun`. */
export interface TakeRunOptions {
	/** To the ServerAppIo API; the caller disposes it. */
	readonly transport: Transport;
	readonly clock: Clock;
	readonly signal: AbortSignal;
	/** Is told that no run waits at the SuperLink. */
	readonly onWaiting: () => void;
	readonly timeoutMs?: number;
}

const LOOK_MS = 1000;
/** An app's token lives 60 s from beat to beat. */
const HEARTBEAT_MS = 10_000;

/**
 * Waits for a run that nobody has started and takes it.
 * @throws FederationError cancelled | closed; FlowerError for a SuperLink that does not speak this API
 */
export async function takeSuperLinkRun(options: TakeRunOptions): Promise<SuperLinkRun> {
	const { clock, signal, onWaiting } = options;
	const calls = persistent(options);
	const callOptions = { signal, timeoutMs: options.timeoutMs ?? 30_000 };
	for (;;) {
		throwIfCancelled(signal, "waiting for a run");
		const { runIds } = await calls.unary(ServerAppIo.method.listAppsToLaunch, {}, callOptions);
		for (const runId of runIds) {
			const { token } = await calls.unary(ServerAppIo.method.requestToken, { runId }, callOptions);
			// Somebody else was quicker, for example a SuperExec.
			if (token !== "") return await begin(options, calls, runId, token);
		}
		onWaiting();
		await clock.sleep(LOOK_MS, { signal });
	}
}

async function begin(
	{ clock, signal, timeoutMs = 30_000 }: TakeRunOptions,
	calls: Transport,
	runId: bigint,
	token: string,
): Promise<SuperLinkRun> {
	const inputs = await calls.unary(ServerAppIo.method.pullAppInputs, { token }, { signal, timeoutMs });
	const stopping = new AbortController();
	let isFinished = false;
	const beat = async (): Promise<never> => {
		for (;;) {
			await clock.sleep(HEARTBEAT_MS, { signal: stopping.signal });
			const options = { signal: stopping.signal, timeoutMs };
			const { success } = await calls.unary(ServerAppIo.method.sendAppHeartbeat, { token }, options);
			if (!success) throw runEnded("it was stopped, or this process was silent for a minute");
		}
	};
	const ended = beat();
	// Whoever waits for the run hears of it; nobody may be waiting when it ends well.
	const beating = ended.catch((error: unknown) => error);
	return {
		runId,
		app: `${inputs.run?.fabId ?? ""} ${inputs.run?.fabVersion ?? ""}`.trim(),
		calls,
		ended,
		async finish(outcome, details) {
			if (isFinished) return;
			isFinished = true;
			const options = { timeoutMs };
			const { context } = inputs;
			const runStatus = { status: "finished", subStatus: outcome, details };
			await calls.unary(
				ServerAppIo.method.pushAppOutputs,
				{ token, runId, ...(context && { context }) },
				options,
			);
			await calls.unary(ServerAppIo.method.updateRunStatus, { runId, runStatus }, options);
		},
		async [Symbol.asyncDispose]() {
			stopping.abort();
			const last = await beating;
			if (!isCancelled(last) && !(last instanceof FederationError)) throw last;
		},
	};
}

/** Calls that are repeated while that can help; a run that is over there is over here. */
function persistent({ transport, clock, timeoutMs = 30_000 }: TakeRunOptions): Transport {
	return {
		async unary(method, request, options = {}) {
			const backoff = createBackoff("server app", clock, { attempts: Number.POSITIVE_INFINITY });
			for (;;) {
				try {
					return await transport.unary(method, request, { timeoutMs, ...options });
				} catch (failure) {
					if (failure instanceof FlowerError && failure.code === "permission-denied")
						throw runEnded(failure.message);
					if (!isTransient(failure)) throw failure;
					await backoff.pause(failure, options.signal);
				}
			}
		},
		[Symbol.asyncDispose]: () => Promise.resolve(),
	};
}

function runEnded(why: string): FederationError {
	return new FederationError("closed", `the SuperLink ended the run: ${why}`);
}
