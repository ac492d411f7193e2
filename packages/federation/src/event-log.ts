// Append-only, fsynced, hash-chained log (interface; see openEventLog).
import type { RoundEvent } from "./events.ts";

/** A run's events.jsonl. */
export interface EventLog extends AsyncDisposable {
	readonly path: string;
	/** Everything in the log, in order. */
	readonly events: readonly RoundEvent[];
	/** Durable when it resolves. */
	append(events: readonly RoundEvent[]): Promise<void>;
}
