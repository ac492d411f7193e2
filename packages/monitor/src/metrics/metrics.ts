// A server's metrics in Prometheus's text format: process, federation, sites, transport, alerts. prom-client keeps the numbers
// and the process's own metrics; what they mean for a federation is in the files beside this one.
import type { RoundEvent } from "@zk0/federation";
import type { Routes } from "@zk0/flower";
import { Counter, collectDefaultMetrics, Registry } from "prom-client";
import type { RunView } from "../view/run-view.ts";
import { eventMetrics, siteLabels } from "./event-metrics.ts";
import { rpcMetrics } from "./rpc-metrics.ts";
import { type Scraped, stateMetrics } from "./state-metrics.ts";

/** Media type of `Metrics.text`. */
export const METRICS_CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8";

/** How a webhook delivery ended. */
export type DeliveryOutcome = "delivered" | "failed";

/** The metrics of one server. */
export interface Metrics {
	/** Counts one event of a run, with the views before and after it. */
	record(event: RoundEvent, before: RunView | null, after: RunView | null): void;
	/** The same routes, measured. */
	observeRoutes(routes: Routes): Routes;
	/** Counts a delivery to the webhook. */
	delivered(outcome: DeliveryOutcome): void;
	/** Everything, as one scrape shows it. */
	text(scraped: Scraped): Promise<string>;
	/** Name, type and label names of every metric, for checks of dashboards and rules. */
	names(): readonly string[];
}

/** Metrics of a server; `nowMs` is a monotonic clock. */
export function createMetrics(options: { readonly nowMs: () => number; readonly process: boolean }): Metrics {
	const registry = new Registry();
	if (options.process) collectDefaultMetrics({ register: registry });
	const events = eventMetrics(registry, siteLabels());
	const setState = stateMetrics(registry);
	const observeRoutes = rpcMetrics(registry, options.nowMs);
	const deliveries = new Counter({
		name: "zk0_alert_deliveries_total",
		help: "Messages to the alerts' webhook, by how they ended.",
		labelNames: ["outcome"] as const,
		registers: [registry],
	});
	return {
		record: (event, before, after) => events.record(event, before, after),
		observeRoutes,
		delivered: (outcome) => deliveries.inc({ outcome }),
		async text(scraped) {
			setState(scraped);
			return await registry.metrics();
		},
		names: () => registry.getMetricsAsArray().map(({ name }) => name),
	};
}
