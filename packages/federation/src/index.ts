// Public names of @zk0/federation. For users: the client's seam, strategies, rounds, simulation.
export type {
	ClientApp,
	EvaluateResult,
	EvaluateTask,
	Metrics,
	SiteInfo,
	TaskContext,
	TaskProgress,
	TrainResult,
	TrainTask,
} from "./client-app.ts";
export { type Clock, type ManualClock, manualClock, systemClock } from "./clock.ts";
export { FederationError, type FederationErrorCode, type UpdateRejection } from "./errors.ts";
export type { RoundEvent } from "./events.ts";
export { canonicalJson, type JsonValue } from "./json.ts";
export type { RoundsOptions } from "./rounds-options.ts";
export type { Strategy } from "./strategy.ts";
