// Public names of @zk0/finetune.
export { type CameraMap, type CameraMapRequest, resolveCameraMap } from "./camera-map.ts";
export { createFinetuneApp, type FinetuneAppOptions, heldOutMetrics } from "./client-app.ts";
export {
	type Actor,
	type ClosedLoopOptions,
	type ClosedLoopResult,
	type Environment,
	type EpisodeOutcome,
	episodeSeed,
	evaluateClosedLoop,
	type Observation,
	type PlanContext,
	type RgbPicture,
	randomActor,
	scriptedActor,
} from "./closed-loop.ts";
export { FinetuneError, type FinetuneErrorCode } from "./errors.ts";
export { type SuccessRate, wilsonInterval } from "./interval.ts";
export { type JointErrors, type JointUnit, jointUnit } from "./joint-error.ts";
export {
	defaultLearning,
	type Learning,
	learningJson,
	learningRate,
	learningSchema,
	parseLearning,
} from "./learning.ts";
export type { LostFrame } from "./lost-frames.ts";
export { describeMemory, type MemoryPlan, type MemoryRequest, planMemory } from "./memory-plan.ts";
export {
	createMicroBatching,
	type MicroBatching,
	type MicroBatchingOptions,
	type MicroBatchShrunk,
	microBatchesOf,
} from "./micro-batch.ts";
export { normalizerStats } from "./normalizer-stats.ts";
export {
	type OpenLoopOptions,
	type OpenLoopResult,
	type OpenLoopRtc,
	predictEpisode,
	type RecordedEpisode,
} from "./open-loop.ts";
export { createPolicyActor, type PolicyActorOptions } from "./policy-actor.ts";
export {
	type CompiledSampler,
	createPolicyEngine,
	type EngineShape,
	type PolicyEngine,
	type PolicyTrainer,
} from "./policy-engine.ts";
export { createPool, type Pool, type UseOptions } from "./pool.ts";
export { chooseLevel, type LevelChoice, type LevelRequest } from "./prefix-cache/choose-level.ts";
export { type CacheCounts, createPrefixEncoder, zeroCounts } from "./prefix-cache/encoder.ts";
export type { EntryDtype } from "./prefix-cache/entry-codec.ts";
export { freeDiskBytes } from "./prefix-cache/file-system.ts";
export {
	clearStore,
	type InspectOptions,
	inspectStore,
	type SegmentReport,
} from "./prefix-cache/maintenance.ts";
export {
	type CacheLevel,
	openPrefixCache,
	type PrefixCache,
	type PrefixCacheOptions,
} from "./prefix-cache/prefix-cache.ts";
export type { StoreEvent } from "./prefix-cache/store.ts";
export { type ShuffledLosses, type ShuffleOptions, shuffledLosses } from "./shuffled-loss.ts";
export { createSite, EVAL_BATCH_SIZE, type HeldOutResult, type Site, type SiteOptions } from "./site.ts";
export type { PolicyInputs, SiteData, SiteDataOptions } from "./site-data.ts";
export {
	type LocalTrainingResult,
	type StepProgress,
	type TrainingPosition,
} from "./train-locally.ts";
export { evaluateOnSite, type SiteEvaluation, type SiteTraining, trainOnSite } from "./train-on-site.ts";
export {
	openTrainingCheckpoints,
	type TrainingCheckpoints,
	type TrainingProgress,
} from "./training-checkpoints.ts";
export { foldUnits, type SiteUnits, type UnitMap } from "./units.ts";
