// Time as a parameter: nothing in this package reads the wall clock or sets a timer on its own. The clock that a test moves.
import type { Clock } from "@zk0/flower";
import { FederationError, throwIfCancelled } from "./errors.ts";

export { type Clock, systemClock } from "@zk0/flower";

/** A clock that moves only when told to, for deterministic tests. */
export interface ManualClock extends Clock {
	/** Moves time forward and wakes every sleep that has ended, in order of its end. */
	advance(durationMs: number): void;
	/** Number of sleeps still waiting; 0 shows that every timer was cleaned up. */
	readonly numSleepers: number;
}

/** A manual clock that starts at `startMs`. */
export function manualClock(startMs = 0): ManualClock {
	let nowMs = startMs;
	const sleepers = new Set<{ readonly wakeMs: number; readonly wake: () => void }>();
	return {
		now: () => nowMs,
		get numSleepers() {
			return sleepers.size;
		},
		sleep: (durationMs, { signal } = {}) =>
			cancellable(signal, (resolve) => {
				const sleeper = { wakeMs: nowMs + durationMs, wake: resolve };
				sleepers.add(sleeper);
				return () => sleepers.delete(sleeper);
			}),
		advance(durationMs) {
			nowMs += durationMs;
			for (const sleeper of [...sleepers].sort((a, b) => a.wakeMs - b.wakeMs)) {
				if (sleeper.wakeMs <= nowMs) sleeper.wake();
			}
		},
	};
}

function cancellable(
	signal: AbortSignal | undefined,
	start: (resolve: () => void) => () => unknown,
): Promise<void> {
	return new Promise((resolve, reject) => {
		try {
			throwIfCancelled(signal, "sleep");
		} catch (error) {
			reject(error);
			return;
		}
		const onAbort = (): void => {
			stop();
			reject(new FederationError("cancelled", "sleep was cancelled", { cause: signal?.reason }));
		};
		const stop = start(() => {
			stop();
			signal?.removeEventListener("abort", onAbort);
			resolve();
		});
		signal?.addEventListener("abort", onAbort, { once: true });
	});
}
