// Bounded repetition of calls that may succeed later, with growing pauses.
import { rng } from "@zk0/arrays";
import { FlowerError } from "@zk0/flower";
import type { Clock } from "./clock.ts";

/** How often and how fast. */
export interface RetryOptions {
	/** Calls in all before giving up; default 10. `Infinity` never gives up. */
	readonly attempts?: number;
	/** Pause after the first failure; doubles each time; default 100. */
	readonly firstDelayMs?: number;
	/** Longest pause; default 1000: a network that is back is used again within seconds. */
	readonly maxDelayMs?: number;
}

/** Longest pause that a server can ask for. */
const MAX_WANTED_MS = 60_000;

/** Waits before repeating a failed call. */
export interface Backoff {
	/** Waits after a failure. @throws the failure itself when it cannot be repeated or was too often. */
	pause(failure: unknown, signal: AbortSignal | undefined): Promise<void>;
	/** A call succeeded: count from the start again. */
	reset(): void;
}

/** True for failures of the way to the server, which may pass, and for refusals that say when to try again. */
export function isTransient(failure: unknown): boolean {
	if (!(failure instanceof FlowerError)) return false;
	const { code, retryAfterMs } = failure;
	return code === "unavailable" || code === "deadline-exceeded" || retryAfterMs !== undefined;
}

/** Backoff with up to 25 % jitter from the stream of `name`, so that sites do not come back all at once. */
export function createBackoff(name: string, clock: Clock, options: RetryOptions = {}): Backoff {
	const { attempts = 10, firstDelayMs = 100, maxDelayMs = 1000 } = options;
	const jitter = rng(name, "backoff");
	let numFailures = 0;
	return {
		async pause(failure, signal) {
			numFailures++;
			if (!isTransient(failure) || numFailures >= attempts) throw failure;
			const wantedMs = failure instanceof FlowerError ? (failure.retryAfterMs ?? 0) : 0;
			const grownMs = Math.min(maxDelayMs, firstDelayMs * 2 ** Math.min(numFailures - 1, 30));
			const delayMs = Math.max(grownMs, Math.min(wantedMs, MAX_WANTED_MS));
			await clock.sleep(delayMs * (1 + jitter.uniform() / 4), { signal });
		},
		reset() {
			numFailures = 0;
		},
	};
}
