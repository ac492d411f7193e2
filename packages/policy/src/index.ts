// Public names of @zk0/policy.
export { SMALL_BASE_DIR, SMALL_TOKENIZER_DIR } from "./bundled.ts";
export { bindCheckpoint, boundTo, type SiteBinding } from "./checkpoint/bind.ts";
export { type HubCheckpoint, type HubOptions, resolveHubCheckpoint } from "./checkpoint/hub-checkpoint.ts";
export {
	type CheckpointProblem,
	type CheckpointReport,
	inspectCheckpoint,
	type MisshapenTensor,
	type PartReport,
} from "./checkpoint/inspect.ts";
export { weightsPath } from "./checkpoint/layout.ts";
export { assertDeployable, type Checkpoint, openCheckpoint } from "./checkpoint/open.ts";
export type { OpenOptions } from "./checkpoint/parts.ts";
export type { RenameMap } from "./checkpoint/processors.ts";
export type { CheckpointKind } from "./checkpoint/sidecar.ts";
export { type CheckpointContent, contentOf, writeCheckpoint } from "./checkpoint/write.ts";
export { smolvlaBasePreset } from "./config/base-preset.ts";
export { type ModelDims, modelDims } from "./config/dims.ts";
export {
	actionLength,
	cameraKeys,
	parsePolicyConfig,
	type RtcConfig,
	type SmolVLAConfig,
	stateLength,
} from "./config/policy-config.ts";
export { smallPreset } from "./config/small-preset.ts";
export { parseVlmConfig, smolvlm2Config, type VlmConfig } from "./config/vlm-config.ts";
export { PolicyError, type PolicyErrorCode } from "./errors.ts";
// For checks and caches that look inside a model.
export {
	type BatchContext,
	flowFeeds,
	observationFeeds,
	type PreparedActions,
	type PreparedObservation,
	type Prompt,
	pictureFeed,
	prepareBatch,
	prepareObservations,
	preparePrompts,
	type TrainingBatchContext,
} from "./inputs/batch.ts";
export { FEED } from "./inputs/feeds.ts";
export type { Frame, PolicyImage } from "./inputs/frame.ts";
export { createNormalizer, type FeatureStats, type Normalizer, type Stats } from "./inputs/normalizer.ts";
export { MASKED_BIAS, type PrefixLayout, type PrefixOptions, prefixLayout } from "./inputs/prefix-layout.ts";
export { resizeWithPad } from "./inputs/resize.ts";
export { trainTokenizer } from "./language/bpe-training.ts";
export { type EncodedTasks, encodeTasks, loadTokenizer, type Tokenizer } from "./language/tokenizer.ts";
export type { LoraAdapter } from "./lora/adapter.ts";
export { type AdapterBase, baseOf } from "./lora/adapter-base.ts";
export { readAdapterConfig, readStoredAdapter } from "./lora/adapter-files.ts";
export { DEFAULT_ALPHA, type FreshAdapter, withFreshAdapter } from "./lora/init-adapter.ts";
export { mergedTensors } from "./lora/merge.ts";
export { hasFrozenPrefix, type PolicyModel, trainedNames } from "./model/policy-model.ts";
export {
	buildImageTokensGraph,
	buildPrefixGraph,
	IMAGE_TOKENS,
	prefixName,
} from "./model/prefix-graphs.ts";
export type { RtcGuidance, RtcSchedule } from "./model/rtc.ts";
export {
	type ActionSampler,
	buildSamplerGraphs,
	createSampler,
	denoise,
	type RunSamplerGraph,
	type SampledActions,
	type SampleOptions,
	type SamplerGraphs,
	type SamplerOptions,
	type SamplerSetup,
	samplerOn,
} from "./model/sampler.ts";
export {
	buildLossGraph,
	buildTrainGraph,
	composeForward,
	type EvalGraphOptions,
	type ForwardValues,
	type GraphOptions,
	openStages,
	type PrefixFeed,
	type StageContext,
} from "./model/smolvla.ts";
export { initTensors, initWeights } from "./weights/init-weights.ts";
export { tensorShapes, trainableNames } from "./weights/tensor-shapes.ts";
export {
	checkTensors,
	fileTensors,
	float32Tensors,
	memoryTensors,
	overlayTensors,
	type TensorSource,
} from "./weights/tensor-source.ts";
