// The watch over silent nodes: failures are found by missing signs of life, never by the length of honest work.
import type { Clock } from "./clock.ts";
import { isCancelled } from "./errors.ts";
import type { NodeRegistry } from "./node-registry.ts";

/** What the watch works on. */
export interface NodeWatchOptions {
	readonly registry: NodeRegistry;
	readonly clock: Clock;
	/** A node silent for this long is offline, unless it announced another limit. */
	readonly offlineAfterMs: number;
	/** Ends the watch. */
	readonly signal: AbortSignal;
	/** Takes a silent site offline. */
	readonly drop: (site: string, why: string) => void;
}

/** Watches until the signal aborts. */
export async function watchNodes(options: NodeWatchOptions): Promise<void> {
	const { registry, clock, offlineAfterMs, signal, drop } = options;
	const intervalMs = offlineAfterMs / 5;
	try {
		for (;;) {
			const startMs = clock.now();
			await clock.sleep(intervalMs, { signal });
			// This process was suspended or busy, so nobody could reach it: nobody is to blame for silence.
			if (clock.now() - startMs > 2 * intervalMs) registry.forgive(clock.now());
			for (const { site, limitMs } of registry.silent(clock.now(), offlineAfterMs))
				drop(site, `no sign of life for ${limitMs} ms`);
		}
	} catch (error) {
		if (!isCancelled(error)) throw error;
	}
}
