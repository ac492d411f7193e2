// Time as a parameter: nothing in this package reads the wall clock or waits on its own.
import { cancelledError } from "./errors.ts";

/** Source of time and of waiting. */
export interface Clock {
	/** Milliseconds since the Unix epoch. */
	now(): number;
	/** Resolves after `durationMs`. @throws FlowerError cancelled when `signal` aborts first. */
	sleep(durationMs: number, options?: { readonly signal?: AbortSignal | undefined }): Promise<void>;
}

/** The machine's clock; timers are cleared when a sleep ends or is cancelled. */
export function systemClock(): Clock {
	return {
		now: () => Date.now(),
		sleep: (durationMs, { signal } = {}) =>
			new Promise((resolve, reject) => {
				const stop = (): void => {
					clearTimeout(timer);
					if (signal !== undefined) reject(cancelledError(signal));
				};
				const timer = setTimeout(() => {
					signal?.removeEventListener("abort", stop);
					resolve();
				}, durationMs);
				if (signal?.aborted === true) stop();
				else signal?.addEventListener("abort", stop, { once: true });
			}),
	};
}
