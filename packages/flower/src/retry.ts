// Waiting longer and longer between attempts.
import type { Rng } from "@zk0/arrays";
import type { Clock } from "./clock.ts";
import { FlowerError } from "./errors.ts";
import type { Transport } from "./transport.ts";

/** When to try again. */
export interface RetryPolicy {
	readonly clock: Clock;
	/** Draws the jitter: each wait is uniform between half and all of the current delay. */
	readonly rng: Rng;
	/** Delay before the second attempt; it doubles from attempt to attempt. */
	readonly firstDelayMs: number;
	/** Where doubling stops. */
	readonly maxDelayMs: number;
	/** When to give up, counted from the first attempt. */
	readonly maxWaitMs: number;
}

/**
 * Calls `attempt` until it gives a value.
 * @throws whatever `attempt` throws; FlowerError deadline-exceeded when it still gives undefined after `maxWaitMs`,
 * cancelled when `signal` aborts.
 */
export async function retryUntil<T>(
	policy: RetryPolicy,
	attempt: () => Promise<T | undefined>,
	options: { readonly signal?: AbortSignal | undefined; readonly waitingFor: string },
): Promise<T> {
	const { clock, rng, firstDelayMs, maxDelayMs, maxWaitMs } = policy;
	const endMs = clock.now() + maxWaitMs;
	for (let delayMs = firstDelayMs; ; delayMs = Math.min(2 * delayMs, maxDelayMs)) {
		const value = await attempt();
		if (value !== undefined) return value;
		const waitMs = delayMs * (0.5 + rng.uniform() / 2);
		if (clock.now() + waitMs > endMs)
			throw new FlowerError("deadline-exceeded", `Gave up after ${maxWaitMs} ms: ${options.waitingFor}.`);
		await clock.sleep(waitMs, { signal: options.signal });
	}
}

/** A transport that repeats calls while the server is `unavailable`. Disposes `transport` when disposed. */
export function retrying(transport: Transport, policy: RetryPolicy): Transport {
	return {
		unary: (method, request, options = {}) =>
			retryUntil(
				policy,
				async () => {
					try {
						return await transport.unary(method, request, options);
					} catch (caught) {
						if (caught instanceof FlowerError && caught.code === "unavailable") return undefined;
						throw caught;
					}
				},
				{ signal: options.signal, waitingFor: `${method.name} found no server` },
			),
		[Symbol.asyncDispose]: () => transport[Symbol.asyncDispose](),
	};
}
