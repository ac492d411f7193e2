// The spans of a run whose rounds are done in this process: folded from the events that its reporter is told.
import type { RoundEvent, RoundsOptions } from "@zk0/federation";
import { type TraceExport, traceparentOf, traceRun } from "@zk0/monitor/traces";
import type { RunReporter } from "../progress/reporter.ts";

/** A run whose events become spans. */
export interface TracedRun {
	/** Tells the same, and makes the spans. */
	readonly reporter: RunReporter;
	/** Takes what happened before this process. @returns what the rounds put into their tasks, so that sites join the trace */
	begin(past: readonly RoundEvent[]): Pick<RoundsOptions, "traceparentOf">;
}

/** Follows a run; without `traces` it only reports. */
export function tracedRun(runId: string, traces: TraceExport | null, reporter: RunReporter): TracedRun {
	if (traces === null) return { reporter, begin: () => ({}) };
	const tracer = traceRun(runId, traces.emit);
	return {
		reporter: {
			...reporter,
			event(event) {
				reporter.event(event);
				tracer.record(event);
			},
		},
		begin(past) {
			tracer.replay(past);
			return { traceparentOf };
		},
	};
}
