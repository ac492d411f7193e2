// Public names of @zk0/monitor/traces.
export { traceClient } from "./client-spans.ts";
export { openTraceExport, type TraceExport, type TraceExportOptions } from "./export.ts";
export { type RunTracer, traceRun } from "./run-spans.ts";
export { type Span, type SpanSink, traceparentOf } from "./span.ts";
