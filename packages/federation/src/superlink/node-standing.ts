// A node's standing at a real Flower SuperLink, which knows less than a zk0 server: no names, no invitations, no sessions.
// A key registers itself, or waits until the SuperLink's operator has registered it; signs of life keep it online.
import { Fleet, FlowerError, type Transport } from "@zk0/flower";
import type { Clock } from "../clock.ts";
import { isCancelled } from "../errors.ts";
import { createBackoff, isTransient, type RetryOptions } from "../retry.ts";

/** The SuperLink does not know the node any more: it was restarted without a database. */
export class ForgottenError extends Error {
	override readonly name = "ForgottenError";
}

/** What joining needs. */
export interface StandingOptions {
	/** Signs every call with the node's key; tries once. */
	readonly calls: Transport;
	readonly publicKeyPem: string;
	readonly clock: Clock;
	readonly timeoutMs: number;
	readonly retry: RetryOptions;
	/** Is told why the SuperLink does not let the node in yet. */
	readonly onPending: (message: string) => void;
	readonly onRetry: (failure: FlowerError) => void;
}

/** What Flower's protocol allows at least: after twice that, a client that died may come back. */
const HEARTBEAT_SECONDS = 10;
const HEARTBEAT_MS = 4000;
/** How often a node that is not let in asks again. */
const PENDING_DELAY_MS = 2000;

/**
 * Joins, however long it takes. @returns the node's id, which the SuperLink chooses
 * @throws FlowerError when the SuperLink refuses for good
 */
export async function joinSuperLink(options: StandingOptions, signal: AbortSignal): Promise<bigint> {
	const { calls, clock, timeoutMs, retry, onPending, onRetry } = options;
	const publicKey = Buffer.from(options.publicKeyPem);
	const callOptions = { signal, timeoutMs };
	const activate = async (): Promise<bigint> => {
		const request = { publicKey, heartbeatInterval: HEARTBEAT_SECONDS };
		return (await calls.unary(Fleet.method.activateNode, request, callOptions)).nodeId;
	};
	const backoff = createBackoff(options.publicKeyPem, clock, retry);
	for (;;) {
		try {
			return await activate();
		} catch (failure) {
			if (!(failure instanceof FlowerError)) throw failure;
			if (isTransient(failure)) {
				onRetry(failure);
				await backoff.pause(failure, signal);
				continue;
			}
			if (failure.code !== "failed-precondition") throw failure;
			const refusal = await register(calls, publicKey, callOptions);
			if (refusal === undefined) continue;
			// Not registered by the operator, or still online in an earlier life: both pass.
			onPending(`${failure.message} ${refusal}`);
			await clock.sleep(PENDING_DELAY_MS, { signal });
		}
	}
}

/** Undefined: the key is registered now; else why not. */
async function register(
	calls: Transport,
	publicKey: Uint8Array,
	options: { readonly signal: AbortSignal; readonly timeoutMs: number },
): Promise<string | undefined> {
	try {
		await calls.unary(Fleet.method.registerNode, { publicKey }, options);
		return undefined;
	} catch (failure) {
		if (failure instanceof FlowerError && failure.code === "failed-precondition") return failure.message;
		throw failure;
	}
}

/**
 * Calls of a node that is online, repeated while the way to the SuperLink is the trouble.
 * @returns a transport that throws ForgottenError besides its own errors; disposing it does nothing
 */
export function persistentCalls({
	calls,
	publicKeyPem,
	clock,
	timeoutMs,
	retry,
	onRetry,
}: StandingOptions): Transport {
	return {
		async unary(method, request, options = {}) {
			const backoff = createBackoff(publicKeyPem, clock, retry);
			for (;;) {
				try {
					return await calls.unary(method, request, { timeoutMs, ...options });
				} catch (failure) {
					if (failure instanceof FlowerError && failure.code === "unauthenticated")
						throw new ForgottenError(failure.message, { cause: failure });
					if (failure instanceof FlowerError && isTransient(failure)) onRetry(failure);
					await backoff.pause(failure, options.signal);
				}
			}
		},
		[Symbol.asyncDispose]: () => Promise.resolve(),
	};
}

/** Shows life until disposed; a beat that fails is made up for by the next. */
export function keepAlive({ calls, clock, timeoutMs }: StandingOptions, nodeId: bigint): AsyncDisposable {
	const stopping = new AbortController();
	const { signal } = stopping;
	const beat = async (): Promise<void> => {
		for (;;) {
			await clock.sleep(HEARTBEAT_MS, { signal });
			const request = { node: { nodeId }, heartbeatInterval: HEARTBEAT_SECONDS };
			try {
				await calls.unary(Fleet.method.sendNodeHeartbeat, request, { signal, timeoutMs });
			} catch (failure) {
				if (!(failure instanceof FlowerError)) throw failure;
			}
		}
	};
	const beating = beat().catch((error: unknown) => {
		if (!isCancelled(error)) throw error;
	});
	return {
		async [Symbol.asyncDispose]() {
			stopping.abort();
			await beating;
		},
	};
}

/** Says goodbye; a SuperLink that cannot be reached will notice by itself. */
export async function leaveSuperLink({ calls }: StandingOptions, nodeId: bigint): Promise<void> {
	try {
		await calls.unary(Fleet.method.deactivateNode, { nodeId }, { timeoutMs: 1000 });
	} catch (failure) {
		if (!(failure instanceof FlowerError)) throw failure;
	}
}
