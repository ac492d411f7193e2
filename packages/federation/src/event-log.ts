// A run's events.jsonl: the log of what happened in it, and the only memory of its round loop.
import { roundEventSchema } from "./event-schema.ts";
import { type RoundEvent, TRANSIENT_KINDS } from "./events.ts";
import type { FileSystem } from "./file-system.ts";
import { type HashLog, type LogContent, type LogKind, openHashLog, verifyHashLog } from "./hash-log.ts";

/** A run's log. One process may have it open. */
export type EventLog = HashLog<RoundEvent>;

const RUN_LOG: LogKind<RoundEvent> = {
	schema: roundEventSchema,
	isKept: ({ kind }) => !TRANSIENT_KINDS.has(kind),
};

/**
 * Reads and checks a run's log without changing it.
 * @throws FederationError log-tampered naming the first line that does not fit; storage.
 */
export function verifyEventLog(path: string): Promise<LogContent<RoundEvent>> {
	return verifyHashLog(path, RUN_LOG);
}

/** Opens a run's log for appending; see `openHashLog`. */
export function openEventLog(path: string, fs?: FileSystem): Promise<EventLog> {
	return openHashLog(path, RUN_LOG, fs);
}
