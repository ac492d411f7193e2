// A span of a trace, as this package makes it from events, and the names by which server and clients find each other. The ids of
// the server's spans follow from run, round and site alone: a server that is restarted goes on with the same trace, and
// a task that is sent again is the same message.
import { createHash } from "node:crypto";

/** What happened between two moments. */
export interface Span {
	readonly name: string;
	/** 32 hexadecimal digits. */
	readonly traceId: string;
	/** 16 hexadecimal digits; null: any. */
	readonly spanId: string | null;
	/** The span that it is a part of, in the same trace; null: it is the trace's first. */
	readonly parentId: string | null;
	/** Whether the parent is in another process. */
	readonly isRemote: boolean;
	/** Another trace that it belongs to. */
	readonly link: { readonly traceId: string; readonly spanId: string } | null;
	readonly startMs: number;
	readonly endMs: number;
	readonly attributes: Readonly<Record<string, string | number>>;
	/** Why it did not end well; null: it did. */
	readonly error: string | null;
}

/** Takes finished spans. */
export type SpanSink = (span: Span) => void;

/** A task as its trace names it. */
export interface TracedTask {
	readonly runId: string;
	readonly round: number;
	readonly phase: "train" | "evaluate";
	readonly site: string;
	readonly attempt: number;
}

/** The trace of a run as a whole: one span, to which the rounds' traces are linked. */
export function runTrace(runId: string): { readonly traceId: string; readonly spanId: string } {
	return { traceId: idOf(32, "run", runId), spanId: idOf(16, "run", runId) };
}

/** The trace of a round, with its first span: runs last for days, and whoever looks at a trace looks at a round. */
export function roundTrace(
	runId: string,
	round: number,
): { readonly traceId: string; readonly spanId: string } {
	return { traceId: idOf(32, "round", runId, round), spanId: idOf(16, "round", runId, round) };
}

/** The span of a site's task within its round's trace. */
export function taskSpanId({ runId, round, phase, site, attempt }: TracedTask): string {
	return idOf(16, "task", runId, round, phase, site, attempt);
}

/** The span of a round's aggregation. */
export function aggregationSpanId(runId: string, round: number): string {
	return idOf(16, "aggregate", runId, round);
}

/** What goes with a task to its site: W3C Trace Context's header, for the task's span. */
export function traceparentOf(task: TracedTask): string {
	return `00-${roundTrace(task.runId, task.round).traceId}-${taskSpanId(task)}-01`;
}

/** The ids in a traceparent; null when it is none. */
export function parseTraceparent(
	text: string | null,
): { readonly traceId: string; readonly spanId: string } | null {
	const [, traceId, spanId] =
		/^00-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-[0-9a-f]{2}$/.exec(text ?? "") ?? [];
	return traceId === undefined || spanId === undefined ? null : { traceId, spanId };
}

function idOf(numDigits: number, ...path: readonly (string | number)[]): string {
	return createHash("sha256")
		.update(JSON.stringify(["zk0 trace", ...path]))
		.digest("hex")
		.slice(0, numDigits);
}
