// Pulls that wait for a task: a node asks once and is answered when there is something for it.
import type { Clock } from "./clock.ts";
import { isCancelled } from "./errors.ts";

/** The pulls that are held now. */
export interface HeldPulls {
	/** Waits until the site is woken, `waitMs` pass, or the call or the server ends. */
	hold(site: string, waitMs: number, signal: AbortSignal): Promise<void>;
	/** Ends the waits of a site. */
	wake(site: string): void;
}

/** No pulls yet; all of them end when `closing` aborts. */
export function createHeldPulls(clock: Clock, closing: AbortSignal): HeldPulls {
	const waiters = new Map<string, Set<() => void>>();
	const wake = (site: string): void => {
		for (const end of waiters.get(site) ?? []) end();
	};
	closing.addEventListener(
		"abort",
		() => {
			for (const site of waiters.keys()) wake(site);
		},
		{ once: true },
	);
	return {
		wake,
		async hold(site, waitMs, signal) {
			if (closing.aborted) return;
			const done = new AbortController();
			const end = (): void => done.abort();
			const ofSite = waiters.get(site) ?? new Set();
			waiters.set(site, ofSite.add(end));
			signal.addEventListener("abort", end, { once: true });
			try {
				await clock.sleep(waitMs, { signal: done.signal });
			} catch (error) {
				if (!isCancelled(error)) throw error;
			} finally {
				signal.removeEventListener("abort", end);
				ofSite.delete(end);
				if (ofSite.size === 0) waiters.delete(site);
			}
		},
	};
}
