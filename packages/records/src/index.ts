// Public names of @zk0/records: a run's directory, and what is read from it. Pages and charts, exports, publishing and
// verification are subpaths: they load more.
export { RecordsError, type RecordsErrorCode } from "./errors.ts";
export { eventText } from "./run-directory/event-text.ts";
export { roundsWithCheckpoints } from "./run-directory/kept-rounds.ts";
export { lastEvent } from "./run-directory/last-event.ts";
export { isRunDirectory, listRunIds } from "./run-directory/list-runs.ts";
export { localAgainstJoint } from "./run-directory/local-weights.ts";
export { type RunPaths, runPaths } from "./run-directory/paths.ts";
export { type PrunablePart, planPrune, prunableRuns } from "./run-directory/prune-plan.ts";
export { readEvents, readRun, type StoredRun } from "./run-directory/read-run.ts";
export { holderOf, withRunLock } from "./run-directory/run-lock.ts";
export { type RunRecord, readRunRecord, requireRounds, writeRunRecord } from "./run-directory/run-record.ts";
export { incidentText, type RunSummary, summarizeRun } from "./run-directory/run-summary.ts";
export {
	incidentOf,
	openTrainingLog,
	readTrainingLog,
	summarizeTraining,
	type TrainingEvent,
	type TrainingLine,
	type TrainingLog,
	type TrainingSummary,
} from "./run-directory/training-log.ts";
