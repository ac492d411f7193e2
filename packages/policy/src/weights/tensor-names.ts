// Names of the tensors in a SmolVLA checkpoint, as LeRobot's modules produce them (spec of SmolVLA §10).

const VLM = "model.vlm_with_expert.vlm.model";

/** Prefix of every tensor of the backbone. */
export const VLM_PREFIX = "model.vlm_with_expert.vlm.";

/** Prefix of every tensor of the action expert. */
export const EXPERT_PREFIX = "model.vlm_with_expert.lm_expert.";

/** Prefix of the vision tower. */
export const VISION_PREFIX = `${VLM}.vision_model.`;

/** Prefix of the language layers, embedding table and final norm. */
export const TEXT_PREFIX = `${VLM}.text_model.`;

/** The five linear projections outside backbone and expert. */
export const HEAD_NAMES = [
	"state_proj",
	"action_in_proj",
	"action_out_proj",
	"action_time_mlp_in",
	"action_time_mlp_out",
] as const;

/** One of {@link HEAD_NAMES}. */
export type HeadName = (typeof HEAD_NAMES)[number];

/** Prefix of a head's `.weight` and `.bias`. */
export function headPrefix(head: HeadName): string {
	return `model.${head}`;
}

/** Prefix of language layer `index`, ending in a dot. */
export function textLayerPrefix(index: number): string {
	return `${TEXT_PREFIX}layers.${index}.`;
}

/** Prefix of expert layer `index`, ending in a dot. */
export function expertLayerPrefix(index: number): string {
	return `${EXPERT_PREFIX}layers.${index}.`;
}

/** Prefix of vision layer `index`, ending in a dot. */
export function visionLayerPrefix(index: number): string {
	return `${VISION_PREFIX}encoder.layers.${index}.`;
}

/** Token embedding table. */
export const EMBED_TOKENS = `${TEXT_PREFIX}embed_tokens.weight`;

/** The connector's projection. */
export const CONNECTOR = `${VLM}.connector.modality_projection.proj.weight`;

/** The language head: stored, never used. */
export const LM_HEAD = `${VLM_PREFIX}lm_head.weight`;

/** The parts of a policy, in the order data flows through them. */
export const MODEL_PARTS = ["vision", "connector", "language", "expert", "heads"] as const;

/** One of {@link MODEL_PARTS}. */
export type ModelPart = (typeof MODEL_PARTS)[number];

/** The part that a tensor of the model belongs to. */
export function partOf(name: string): ModelPart {
	if (name.startsWith(VISION_PREFIX)) return "vision";
	if (name === CONNECTOR) return "connector";
	if (name.startsWith(EXPERT_PREFIX)) return "expert";
	return name.startsWith(VLM_PREFIX) ? "language" : "heads";
}
