// When things happened in a run, from the times of its events.
import type { RoundEvent } from "@zk0/federation";

/** One task of one site on the run's clock, which stands still while no process works on the run. */
export interface Span {
	readonly site: string;
	readonly round: number;
	readonly phase: "train" | "evaluate";
	readonly startSeconds: number;
	readonly endSeconds: number;
}

/** Seconds on the run's clock for each event: time between a stop or crash and the resume is left out. */
function runClock(events: readonly RoundEvent[]): number[] {
	let elapsedMs = 0;
	let previousMs: number | undefined;
	return events.map((event) => {
		const atMs = Date.parse(event.at);
		if (previousMs !== undefined && event.kind !== "run.resumed") elapsedMs += Math.max(0, atMs - previousMs);
		previousMs = atMs;
		return elapsedMs / 1000;
	});
}

/** Seconds of work on the run, or null without events. */
export function sessionSeconds(events: readonly RoundEvent[]): number | null {
	return runClock(events).at(-1) ?? null;
}

/** Every task that was finished. With several sites at once, a task counts from when it was sent. */
export function taskSpans(events: readonly RoundEvent[]): Span[] {
	const clock = runClock(events);
	const open = new Map<string, number>();
	const spans: Span[] = [];
	for (const [index, event] of events.entries()) {
		const now = clock[index] ?? 0;
		if (event.kind === "run.resumed") open.clear();
		if (event.kind === "task.sent") open.set(`${event.phase} ${event.site}`, now);
		const phase =
			event.kind === "update.received" ? "train" : event.kind === "site.evaluated" ? "evaluate" : undefined;
		if (phase === undefined || !("site" in event) || !("round" in event)) continue;
		const startSeconds = open.get(`${phase} ${event.site}`);
		open.delete(`${phase} ${event.site}`);
		if (startSeconds === undefined) continue;
		spans.push({ site: event.site, round: event.round, phase, startSeconds, endSeconds: now });
	}
	return spans;
}
