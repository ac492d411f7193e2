// What an open page is told while it is open: the federation's status when it changes, with how far the tasks of every run
// are, and the events of the run it shows. One stream per page; the id of a message is the number of events that its reader
// has then.
import type { Clock } from "@zk0/federation";
import type { StreamMessage } from "../http/route.ts";
import type { RunFeed } from "./run-feed.ts";

/** A page's wishes. */
export interface StreamOptions {
	/** The run that it shows; null: none. */
	readonly feed: RunFeed | null;
	/** Events that it has already. */
	readonly numSeen: number;
	readonly status: () => unknown;
	readonly clock: Clock;
	readonly signal: AbortSignal;
}

/** Time between two looks at the log: an update is at a page well within a second. */
const LOOK_MS = 250;

/** The messages until the signal aborts. `reset`: the reader is too far behind and reads the view again. */
export async function* streamLive(options: StreamOptions): AsyncGenerator<StreamMessage> {
	const { feed, status, clock, signal } = options;
	let numSeen = options.numSeen;
	let lastStatus = "";
	while (!signal.aborted) {
		const nowStatus = JSON.stringify(status());
		if (nowStatus !== lastStatus) yield { event: "status", data: JSON.parse(nowStatus) };
		lastStatus = nowStatus;
		if (feed !== null) {
			await feed.refresh();
			const events = feed.since(numSeen);
			if (events === null) {
				yield { event: "reset", data: {} };
				return;
			}
			numSeen = feed.numEvents;
			if (events.length > 0) yield { id: String(numSeen), event: "events", data: events };
		}
		await clock.sleep(LOOK_MS, { signal }).catch((error: unknown) => {
			if (!signal.aborted) throw error;
		});
	}
}
