// Public names of @zk0/finetune.
export { type CameraMap, type CameraMapRequest, resolveCameraMap } from "./camera-map.ts";
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
export {
	type ChunkPair,
	constantChunk,
	type JointErrors,
	type JointUnit,
	jointErrors,
	jointUnit,
} from "./joint-error.ts";
