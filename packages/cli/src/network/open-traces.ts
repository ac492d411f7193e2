// Where a process of this program sends its spans: nowhere, unless OpenTelemetry's environment variables name a collector.
import { openTraceExport, type TraceExport } from "@zk0/monitor/traces";
import type { Host } from "../host.ts";
import { VERSION } from "../version.ts";

/** Opens the way to the collector; null: there is none. `warn` is told what keeps spans from it. */
export function openTraces(
	service: "zk0-server" | "zk0-client" | "zk0-simulate",
	host: Host,
	warn: (message: string) => void,
): Promise<TraceExport | null> {
	return openTraceExport(host.env, { service, version: VERSION, onFault: warn });
}
