// A model that graphs can be built of: its configurations and where its weights come from.
import { type ModelDims, modelDims } from "../config/dims.ts";
import type { SmolVLAConfig } from "../config/policy-config.ts";
import type { VlmConfig } from "../config/vlm-config.ts";
import type { ImageTokenIds } from "../language/tokenizer.ts";
import { adapterTrainedNames, type LoraAdapter } from "../lora/adapter.ts";
import { trainableNames } from "../weights/tensor-shapes.ts";
import type { TensorSource } from "../weights/tensor-source.ts";

/** Ids of SmolVLM2's image tokens, for models whose tokenizer is not at hand. */
const SMOLVLM2_IMAGE_TOKENS: ImageTokenIds = { fake: 49189, global: 49152 };

/** A model without statistics or tokenizer. */
export interface PolicyModel {
	readonly config: SmolVLAConfig;
	readonly vlm: VlmConfig;
	readonly tensors: TensorSource;
	/** Needed with `add_image_special_tokens`; default: SmolVLM2's. */
	readonly imageTokens?: ImageTokenIds | null;
	/** A LoRA adapter, whose tensors are among `tensors`; then nothing else is trained. */
	readonly adapter?: LoraAdapter;
}

/** Names of the tensors that training changes, in checkpoint order. @throws PolicyError unsupported | bad-config */
export function trainedNames({ config, vlm, adapter }: PolicyModel): string[] {
	return adapter === undefined ? trainableNames(config, vlm) : adapterTrainedNames(adapter, config, vlm);
}

/** True when no trained tensor enters the prefix, so that its keys and values depend on the frame alone. */
export function hasFrozenPrefix({ config, adapter }: PolicyModel): boolean {
	return config.train_expert_only || adapter !== undefined;
}

/** The dimensions of a model. @throws PolicyError unsupported | bad-config */
export function dimsOf(model: PolicyModel): ModelDims {
	return modelDims(model.config, model.vlm);
}

/** Ids of the tokens around images. */
export function imageTokensOf(model: PolicyModel): ImageTokenIds {
	return model.imageTokens ?? SMOLVLM2_IMAGE_TOKENS;
}
