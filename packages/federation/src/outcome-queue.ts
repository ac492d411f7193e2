// Outcomes on their way from the server's handlers to the round loop, in order of arrival. A newer progress report of a
// task replaces one that was not read yet, so a slow reader costs no memory.
import { FederationError, throwIfCancelled } from "./errors.ts";
import type { Outcome, PendingOutcome } from "./grid.ts";

/** First in, first out, with one reader. */
export interface OutcomeQueue {
	/** Adds an outcome; resolves when the reader has settled it. @throws FederationError unavailable when closed first. */
	push(outcome: Outcome): Promise<void>;
	/** Adds an outcome that nobody waits for; dropped when the queue is closed. */
	offer(outcome: Outcome): void;
	/** The next outcome if there is one. */
	poll(): PendingOutcome | null;
	/** The next outcome. @throws FederationError cancelled | closed, or the error given to `fail`. */
	next(signal: AbortSignal | undefined): Promise<PendingOutcome>;
	/** Makes `next` throw after what is queued: the server can no longer do its work. */
	fail(error: Error): void;
	/** Ends the queue; unsettled outcomes are not acknowledged. */
	close(): void;
}

interface Entry extends PendingOutcome {
	readonly abandon: (error: Error) => void;
}

/** An empty queue. */
export function createOutcomeQueue(): OutcomeQueue {
	let entries: Entry[] = [];
	const unsettled = new Set<Entry>();
	let failure: Error | null = null;
	let wake: () => void = ignore;

	const add = (outcome: Outcome, acknowledge: () => void, abandon: (error: Error) => void): void => {
		const entry: Entry = {
			outcome,
			settle: () => {
				unsettled.delete(entry);
				acknowledge();
			},
			abandon,
		};
		const staleIndex = entries.findIndex((other) => isSameProgress(other.outcome, outcome));
		if (staleIndex >= 0) for (const stale of entries.splice(staleIndex, 1)) unsettled.delete(stale);
		entries.push(entry);
		unsettled.add(entry);
		wake();
	};
	return {
		push(outcome) {
			if (failure !== null) return Promise.reject(notRecorded(failure));
			return new Promise((resolve, reject) => add(outcome, resolve, reject));
		},
		offer(outcome) {
			if (failure === null) add(outcome, ignore, ignore);
		},
		poll: () => entries.shift() ?? null,
		async next(signal) {
			for (;;) {
				throwIfCancelled(signal, "waiting for the sites");
				const entry = entries.shift();
				if (entry !== undefined) return entry;
				if (failure !== null) throw failure;
				await new Promise<void>((resolve) => {
					wake = () => {
						signal?.removeEventListener("abort", wake);
						resolve();
					};
					signal?.addEventListener("abort", wake, { once: true });
				});
			}
		},
		fail(error) {
			failure ??= error;
			wake();
		},
		close() {
			failure ??= new FederationError("closed", "the server was closed");
			for (const entry of unsettled) entry.abandon(notRecorded(failure));
			unsettled.clear();
			entries = [];
			wake();
		},
	};
}

function ignore(): void {}

function notRecorded(cause: Error): FederationError {
	return new FederationError("unavailable", "the server stopped before it could record this; try again", {
		cause,
	});
}

function isSameProgress(a: Outcome, b: Outcome): boolean {
	return a.kind === "progress" && b.kind === "progress" && a.task.taskId === b.task.taskId;
}
