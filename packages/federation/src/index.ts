// Public names of @zk0/federation.

// For other packages: the parts a run is made of.
export { type AggregateOptions, aggregateFiles, type UpdateFile } from "./aggregate.ts";
export type { Offence, OffenceKind } from "./audit.ts";
export { type CallLimits, DEFAULT_CALL_LIMITS } from "./call-guard.ts";
export { type ClientEvent, type ClientOptions, runClient } from "./client.ts";
// For users: a site's work, ways of federating, a run.
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
export { type CompareOptions, compareUpdates, type UpdateComparison } from "./compare-updates.ts";
export { FederationError, type FederationErrorCode, type UpdateRejection } from "./errors.ts";
export { type EventLog, openEventLog, verifyEventLog } from "./event-log.ts";
export { roundEventSchema } from "./event-schema.ts";
export { type RoundEvent, TRANSIENT_KINDS } from "./events.ts";
export type { FileSystem } from "./file-system.ts";
export type { RunApp } from "./flower-nodes.ts";
export type { Grid, OnlineSite, Outcome, PendingOutcome, SiteTask, TaskRef, Traffic } from "./grid.ts";
export { type HashLog, type LogContent, type LogKind, openHashLog } from "./hash-log.ts";
export type { TrustStore } from "./heartbeat.ts";
export { canonicalJson, type JsonValue } from "./json.ts";
export type { MemberEvent } from "./member-events.ts";
export { type MemberLog, openMemberLog, readMembers } from "./member-log.ts";
export { type Member, type Members, newMember, openMembers, type Registration } from "./members.ts";
export { keyFingerprint, nodeIdOf, runNumber } from "./node-id.ts";
export { type ObjectStore, type ObjectUpload, openObjectStore, type StoredObject } from "./object-store.ts";
export { offerFiles } from "./offered-files.ts";
export { isSiteName, type TaskMessage, type TaskPhase, type TaskResult } from "./protocol.ts";
export { isSignedReply } from "./reply-message.ts";
export type { RetryOptions } from "./retry.ts";
export { rounds } from "./rounds.ts";
export { type RoundsOptions } from "./rounds-options.ts";
export type { RunGrid } from "./run-grid.ts";
export { type OpenRound, type RunState, replayRun } from "./run-state.ts";
export type { SamplingOptions } from "./sampling.ts";
export { createSemaphore, limitWork, type Semaphore } from "./semaphore.ts";
export { createServer, type FederationServer, type ServerOptions } from "./server.ts";
export { type SimulatedSite, type SimulationOptions, simulate } from "./simulation.ts";
export { pauseOf, type SiteHours, type SiteLimits } from "./site-limits.ts";
export { fedAvg } from "./strategies/fedavg.ts";
export { type FedProxOptions, fedProx } from "./strategies/fedprox.ts";
export type {
	Aggregation,
	ConfigureRequest,
	RoundPlan,
	ServerStep,
	Strategy,
	UpdateSummary,
} from "./strategy.ts";
export { runSuperLinkClient, type SuperLinkClientOptions } from "./superlink/client.ts";
export { openSuperLinkGrid, type SuperLinkGridOptions } from "./superlink/grid.ts";
export type { SiteDefaults } from "./superlink/instruction.ts";
export { type SuperLinkRun, type TakeRunOptions, takeSuperLinkRun } from "./superlink/server-app.ts";
export { readTensorSpecs, type TensorSpecs } from "./update-check.ts";
export type { UpdateDtype } from "./update-dtype.ts";
