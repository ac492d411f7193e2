// Public names of @zk0/monitor.

// Alerts.
export type { ActiveAlert, Alert, AlertChange, AlertRule, Severity } from "./alerts/alert.ts";
export { type AlertLimits, alertsOf, DEFAULT_LIMITS } from "./alerts/rules.ts";
export {
	type AlertMessage,
	createWebhook,
	deliver,
	parseWebhook,
	testMessage,
	type Webhook,
} from "./alerts/webhook.ts";
export { MonitorError, type MonitorErrorCode } from "./errors.ts";
// Logs.
export { eventLine, logEvent } from "./log/event-line.ts";
export type { Log } from "./log/log.ts";
export { METRICS_CONTENT_TYPE } from "./metrics/metrics.ts";
// For users: a server's monitor.
export { type Monitor, type MonitorOptions, type NodeState, startMonitor } from "./monitor.ts";
export type { MachineView, NodeView, Observation, RunCounts } from "./view/observation.ts";
export type { RunPhase, RunView, SiteRunView } from "./view/run-view.ts";
