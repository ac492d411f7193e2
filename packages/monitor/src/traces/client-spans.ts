// Spans of a site's client: what it did with each task, below the span that the server opened for it.
import type { ClientEvent } from "@zk0/federation";
import { parseTraceparent, type SpanSink } from "./span.ts";

type Task = Extract<ClientEvent, { kind: "task" }>;
type Step = Extract<ClientEvent, { kind: "task-step" }>["step"];

/** Follows a client's events; tasks without a traceparent are not traced. */
export function traceClient(site: string, sink: SpanSink, now: () => number): (event: ClientEvent) => void {
	let task: Task | null = null;
	let open: { readonly step: Step; readonly startMs: number } | null = null;
	const end = (error: string | null): void => {
		const parent = parseTraceparent(task?.traceparent ?? null);
		if (task !== null && parent !== null && open !== null) {
			const { runId, round, phase } = task;
			sink({
				name: open.step === "work" ? phase : open.step,
				traceId: parent.traceId,
				spanId: null,
				parentId: parent.spanId,
				isRemote: true,
				link: null,
				startMs: open.startMs,
				endMs: now(),
				attributes: { "zk0.run": runId, "zk0.round": round, "zk0.site": site, "zk0.phase": phase },
				error,
			});
		}
		open = null;
	};
	return (event) => {
		if (event.kind === "task") {
			end("given up");
			task = event;
		}
		if (event.kind === "task-step") {
			end(null);
			open = { step: event.step, startMs: now() };
		}
		if (event.kind === "task-ended") {
			end(errorOf(event.end));
			task = null;
		}
	};
}

/** Codes only: what a site says in words may name its files. */
function errorOf(end: Extract<ClientEvent, { kind: "task-ended" }>["end"]): string | null {
	if (end.kind === "refused") return end.refusal.code;
	if (end.kind === "withdrawn") return "withdrawn";
	return end.result === "failure" ? "failed" : null;
}
