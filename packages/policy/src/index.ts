// Public names of @zk0/policy.
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
export type { Frame, PolicyImage } from "./inputs/frame.ts";
export { createNormalizer, type FeatureStats, type Normalizer, type Stats } from "./inputs/normalizer.ts";
export { trainTokenizer } from "./language/bpe-training.ts";
export { type EncodedTasks, encodeTasks, loadTokenizer, type Tokenizer } from "./language/tokenizer.ts";
export { initWeights } from "./weights/init-weights.ts";
export { tensorShapes, trainableNames } from "./weights/tensor-shapes.ts";
