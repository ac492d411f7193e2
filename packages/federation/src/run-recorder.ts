// The run's memory while it runs: every event goes through here, into the log first, then into the state.
import type { Clock } from "./clock.ts";
import type { EventLog } from "./event-log.ts";
import type { RoundEvent } from "./events.ts";
import { type RunState, reduceRun, replayRun } from "./run-state.ts";

/** An event without its time, which the recorder adds. */
export type NewEvent = RoundEvent extends infer Event
	? Event extends RoundEvent
		? Omit<Event, "at">
		: never
	: never;

/** Records events and keeps the state that follows from them. */
export class RunRecorder {
	readonly #log: EventLog;
	readonly #clock: Clock;
	#state: RunState;

	/** Continues from what is in the log. */
	constructor(log: EventLog, clock: Clock) {
		this.#log = log;
		this.#clock = clock;
		this.#state = replayRun(log.events);
	}

	/** The state after every event recorded so far. */
	get state(): RunState {
		return this.#state;
	}

	/** Makes events durable, then effective, then `settle`s what waited for that, then yields them. */
	async *record(events: readonly NewEvent[], settle?: () => void): AsyncGenerator<RoundEvent, void> {
		const at = new Date(this.#clock.now()).toISOString();
		const timed = events.map((event): RoundEvent => ({ ...event, at }));
		await this.#log.append(timed);
		for (const event of timed) this.#state = reduceRun(this.#state, event);
		settle?.();
		yield* timed;
	}
}
