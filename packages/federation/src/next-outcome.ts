// Waiting for an outcome, but not beyond a point in time.
import type { Clock } from "./clock.ts";
import { isCancelled, throwIfCancelled } from "./errors.ts";
import type { Grid, PendingOutcome } from "./grid.ts";

/** How long to wait. */
export interface NextOutcomeOptions {
	readonly clock: Clock;
	/** Milliseconds since the Unix epoch; null: without end. */
	readonly untilMs: number | null;
	readonly signal: AbortSignal | undefined;
}

/** The next outcome, or null when `untilMs` comes first. @throws FederationError cancelled | closed */
export async function nextOutcome(
	grid: Pick<Grid, "poll" | "next">,
	{ clock, untilMs, signal }: NextOutcomeOptions,
): Promise<PendingOutcome | null> {
	throwIfCancelled(signal, "waiting for the sites");
	if (untilMs === null) return await grid.next({ signal });
	const early = grid.poll();
	if (early !== null) return early;
	const waiting = new AbortController();
	const over = new AbortController();
	const stop = (): void => waiting.abort();
	signal?.addEventListener("abort", stop, { once: true });
	const timer = clock
		.sleep(Math.max(0, untilMs - clock.now()), { signal: over.signal })
		.then(stop, ignoreCancelled);
	try {
		return await grid.next({ signal: waiting.signal });
	} catch (error) {
		if (!isCancelled(error) || signal?.aborted === true) throw error;
		return null;
	} finally {
		signal?.removeEventListener("abort", stop);
		over.abort();
		await timer;
	}
}

function ignoreCancelled(error: unknown): void {
	if (!isCancelled(error)) throw error;
}
