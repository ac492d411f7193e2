// Public names of @zk0/sim.
export { type Domain, domainOf } from "./domain.ts";
export { type Engine, loadEngine } from "./engine.ts";
export {
	type EpisodeOptions,
	expertPolicy,
	generateEpisodes,
	HOLD_S,
	MAX_EPISODE_S,
	type Outcome,
	type RecordedEpisode,
	randomPolicy,
	rollOut,
	SETTLE_S,
	type WorldPolicy,
} from "./episodes.ts";
export { SimError, type SimErrorCode } from "./errors.ts";
export { JOINT_LIMITS, JOINT_NAMES, NUM_JOINTS } from "./joints.ts";
export type { Layout } from "./layout.ts";
export { type RecordOptions, recordDataset } from "./record.ts";
export type { ImageSize } from "./render/renderer.ts";
export type { Situation } from "./success.ts";
export { DEMO_SITES, type DemoSite, findTask, TASKS, type Task, type TaskGoal, tasksOf } from "./tasks.ts";
export { formatSimUri, isSimUri, parseSimUri, type SimSource } from "./uri.ts";
export { CAMERA_KEYS, type CameraKey } from "./views.ts";
export { createWorld, DEFAULT_IMAGE, type Observation, type World, type WorldOptions } from "./world.ts";
