// A run as it lies on disk: its record and its summary. Never writes. The federation is loaded when a log is read, so that
// naming a run costs no package.

import { codeOf } from "@zk0/arrays";
import type { verifyEventLog } from "@zk0/federation";
import type { RunPaths } from "./paths.ts";
import { type RunRecord, readRunRecord } from "./run-record.ts";
import { type RunSummary, summarizeRun } from "./run-summary.ts";

/** What is known about a run. */
export interface StoredRun {
	readonly paths: RunPaths;
	readonly record: RunRecord;
	readonly summary: RunSummary;
	/** Hash of the log's last line: names the whole history. */
	readonly head: string;
}

/**
 * Reads a run and checks its log.
 * @throws RecordsError "run-damaged" for an unreadable record; FederationError "log-tampered".
 */
export async function readRun(paths: RunPaths): Promise<StoredRun> {
	const record = await readRunRecord(paths.config);
	const { events, head } = await readEvents(paths.events);
	return { paths, record, summary: summarizeRun(events), head };
}

/** The events of a run so far, checked. A run that was stopped before its first event has no log yet. */
export async function readEvents(
	path: string,
): Promise<Pick<Awaited<ReturnType<typeof verifyEventLog>>, "events" | "head">> {
	const federation = await import("@zk0/federation");
	try {
		return await federation.verifyEventLog(path);
	} catch (error) {
		if (error instanceof Error && codeOf(error.cause) === "ENOENT") return { events: [], head: "" };
		throw error;
	}
}
