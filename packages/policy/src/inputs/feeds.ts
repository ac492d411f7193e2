// Names of the values a SmolVLA graph is fed with. Shapes: B batch, C fed cameras, P prefix tokens without the
// state token, L language slots, S chunk, E expert width, D maximal state or action length.

/** Feed names of the observation. */
export const FEED = {
	/** float32 `[B, C, 3, H, W]` in [-1, 1]. */
	images: "images",
	/** int64 `[B, L]`. */
	languageIds: "language_ids",
	/** float32 `[B, P]`: 0, or the masked bias for padding. */
	prefixBias: "prefix_bias",
	/** int64 `[B, P]`. */
	prefixPositions: "prefix_positions",
	/** int64 `[B, 1]`. */
	statePositions: "state_positions",
	/** int64 `[B, S]`. */
	suffixPositions: "suffix_positions",
	/** float32 `[B, D]`, normalised and zero-padded. */
	state: "state",
	/** float32 `[B, S, D]`: the noisy actions. */
	noisyActions: "x_t",
	/** float32 `[B, S, D]`: noise minus actions, what the policy must predict. */
	velocity: "u_t",
	/** float32 `[B, E]`: embedding of the flow time. */
	timeEmbedding: "time_embedding",
	/** float32 `[B, S]`: 1 for actions inside the episode. */
	valid: "valid",
} as const;
