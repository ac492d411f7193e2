// What an open page is told while it is open: the federation's status when it changes, the events of the run it shows,
// and how far its tasks are. One stream per page; the id of a message is the number of events that its reader has then.
import type { Clock, RoundEvent } from "@zk0/federation";
import type { StreamMessage } from "../http/route.ts";
import type { RunFeed } from "./run-feed.ts";

/** How far a site is with its task. */
export type TaskProgress = Extract<RoundEvent, { kind: "task.progress" }>;

/** What the run under way tells beside its log. */
export interface LiveProgress {
	/** Counts changes. */
	readonly version: number;
	/** By site. */
	readonly tasks: () => readonly TaskProgress[];
	/** Takes note of an event of the run under way. */
	note(event: RoundEvent): void;
}

/** A page's wishes. */
export interface StreamOptions {
	/** The run that it shows; null: none. */
	readonly feed: RunFeed | null;
	/** Events that it has already. */
	readonly numSeen: number;
	readonly status: () => unknown;
	readonly progress: LiveProgress;
	readonly clock: Clock;
	readonly signal: AbortSignal;
}

/** Time between two looks at the log: an update is at a page well within a second. */
const LOOK_MS = 250;

/** No progress yet. */
export function createLiveProgress(): LiveProgress {
	const tasks = new Map<string, TaskProgress>();
	let version = 0;
	return {
		get version() {
			return version;
		},
		tasks: () => [...tasks.values()],
		note(event) {
			if (event.kind === "task.progress") tasks.set(event.site, event);
			else if (event.kind === "round.accepted" || event.kind === "round.evaluated") tasks.clear();
			else if (event.kind === "update.received" || event.kind === "site.evaluated") tasks.delete(event.site);
			else if (event.kind === "site.failed") tasks.delete(event.site);
			else return;
			version++;
		},
	};
}

/** The messages until the signal aborts. `reset`: the reader is too far behind and reads the view again. */
export async function* streamLive(options: StreamOptions): AsyncGenerator<StreamMessage> {
	const { feed, status, progress, clock, signal } = options;
	let numSeen = options.numSeen;
	let lastStatus = "";
	let lastVersion = -1;
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
		const { version } = progress;
		if (version !== lastVersion) yield { event: "progress", data: progress.tasks() };
		lastVersion = version;
		await clock.sleep(LOOK_MS, { signal }).catch((error: unknown) => {
			if (!signal.aborted) throw error;
		});
	}
}
