// Every dimension of a SmolVLA model, derived once from the policy's and the backbone's configuration.
// Source: SmolVLA spec §2; LeRobot `smolvlm_with_expert.py` (expert sizes, which layer is served by which expert).
import { PolicyError } from "../errors.ts";
import { actionLength, type SmolVLAConfig, stateLength } from "./policy-config.ts";
import type { VlmConfig } from "./vlm-config.ts";

/** Vision tower and connector. */
export interface VisionDims {
	readonly imageHeight: number;
	readonly imageWidth: number;
	readonly patchSize: number;
	/** Patches per image, vertically and horizontally; pixels beyond the last whole patch are unused. */
	readonly gridHeight: number;
	readonly gridWidth: number;
	/** Side of the square table of learned positions. */
	readonly tableSide: number;
	readonly width: number;
	readonly mlpWidth: number;
	readonly numLayers: number;
	readonly numHeads: number;
	readonly eps: number;
	/** Patches of a scaleFactor x scaleFactor block become one token. */
	readonly scaleFactor: number;
	readonly tokensPerImage: number;
}

/** Language layers, truncated to `num_vlm_layers`; the heads are shared with the expert. */
export interface TextDims {
	readonly width: number;
	readonly mlpWidth: number;
	readonly numLayers: number;
	readonly numHeads: number;
	readonly numKvHeads: number;
	readonly headDim: number;
	readonly vocabSize: number;
	readonly eps: number;
}

/** Action expert. */
export interface ExpertDims {
	readonly width: number;
	readonly mlpWidth: number;
	readonly numLayers: number;
}

/** What happens to the action tokens at one language layer. */
export interface LayerPlan {
	/** "self": attend to prefix and earlier actions; "cross": attend to the re-projected prefix only. */
	readonly path: "self" | "cross";
	/** The expert layer that serves here, or null: the action tokens pass through unchanged. */
	readonly expertIndex: number | null;
}

/** All dimensions of a model. */
export interface ModelDims {
	readonly vision: VisionDims;
	readonly text: TextDims;
	readonly expert: ExpertDims;
	readonly layers: readonly LayerPlan[];
	readonly chunkSize: number;
	/** True lengths of state and action vectors. */
	readonly stateLength: number;
	readonly actionLength: number;
	/** Zero-padded lengths that the projections take. */
	readonly maxStateDim: number;
	readonly maxActionDim: number;
}

function unsupported(message: string, key: string): PolicyError {
	return new PolicyError("unsupported", message, { key });
}

function visionDims(config: SmolVLAConfig, vlm: VlmConfig): VisionDims {
	const { vision_config: vision, scale_factor: scaleFactor } = vlm;
	const patchSize = vision.patch_size;
	const [imageWidth, imageHeight] = config.resize_imgs_with_padding ?? [vision.image_size, vision.image_size];
	const gridHeight = Math.floor(imageHeight / patchSize);
	const gridWidth = Math.floor(imageWidth / patchSize);
	if (gridHeight !== gridWidth || gridHeight % scaleFactor !== 0 || gridHeight === 0) {
		throw unsupported(
			`images of ${imageHeight}x${imageWidth} give ${gridHeight}x${gridWidth} patches of ${patchSize}; ` +
				`the connector needs a square grid whose side is a multiple of scale_factor ${scaleFactor}`,
			"resize_imgs_with_padding",
		);
	}
	if (vision.hidden_size % vision.num_attention_heads !== 0) {
		throw unsupported(
			`vision width ${vision.hidden_size} is not a multiple of ${vision.num_attention_heads} heads`,
			"vision_config.num_attention_heads",
		);
	}
	return {
		imageHeight,
		imageWidth,
		patchSize,
		gridHeight,
		gridWidth,
		tableSide: Math.floor(vision.image_size / patchSize),
		width: vision.hidden_size,
		mlpWidth: vision.intermediate_size,
		numLayers: vision.num_hidden_layers,
		numHeads: vision.num_attention_heads,
		eps: vision.layer_norm_eps,
		scaleFactor,
		tokensPerImage: (gridHeight * gridWidth) / scaleFactor ** 2,
	};
}

function textDims(config: SmolVLAConfig, vlm: VlmConfig): TextDims {
	const text = vlm.text_config;
	const numLayers =
		config.num_vlm_layers > 0
			? Math.min(config.num_vlm_layers, text.num_hidden_layers)
			: text.num_hidden_layers;
	if (text.num_attention_heads % text.num_key_value_heads !== 0 || text.head_dim % 2 !== 0) {
		throw unsupported(
			`${text.num_attention_heads} query heads, ${text.num_key_value_heads} key-value heads of ${text.head_dim}: ` +
				"the first must be a multiple of the second, and the head size even",
			"text_config.num_key_value_heads",
		);
	}
	return {
		width: text.hidden_size,
		mlpWidth: text.intermediate_size,
		numLayers,
		numHeads: text.num_attention_heads,
		numKvHeads: text.num_key_value_heads,
		headDim: text.head_dim,
		vocabSize: text.vocab_size,
		eps: text.rms_norm_eps,
	};
}

/** LeRobot's `get_intermediate_size`: 4 x int(2/3 width), rounded up to a multiple of 256. */
function expertMlpWidth(width: number): number {
	const narrow = Math.trunc(4 * Math.trunc((2 * width) / 3));
	return 256 * Math.ceil(narrow / 256);
}

/** True when the layer with this index (a language layer's, or an expert layer's own) is a self-attention one. */
function isSelfLayer(config: SmolVLAConfig, index: number): boolean {
	const every = config.self_attn_every_n_layers;
	return !config.attention_mode.includes("cross") || (every > 0 && index % every === 0);
}

/** True when expert layer `expertIndex` projects keys and values from the prefix's and not from its own tokens. */
export function projectsPrefixKv(config: SmolVLAConfig, expertIndex: number): boolean {
	return !isSelfLayer(config, expertIndex);
}

function layerPlans(config: SmolVLAConfig, text: TextDims, expert: ExpertDims): LayerPlan[] {
	const stride = Math.floor(text.numLayers / expert.numLayers);
	const kvWidth = text.numKvHeads * text.headDim;
	return Array.from({ length: text.numLayers }, (_, index): LayerPlan => {
		const path = isSelfLayer(config, index) ? "self" : "cross";
		if (index % stride !== 0) return { path, expertIndex: null };
		const expertIndex = index / stride;
		const isCrossShaped = projectsPrefixKv(config, expertIndex);
		if (isCrossShaped !== (path === "cross") && kvWidth !== expert.width) {
			throw unsupported(
				`language layer ${index} needs a ${path}-attention expert, but expert layer ${expertIndex} that serves ` +
					"it is of the other kind; choose num_expert_layers or self_attn_every_n_layers so that they agree",
				"self_attn_every_n_layers",
			);
		}
		return { path, expertIndex };
	});
}

/**
 * All dimensions of the model that `config` and `vlm` describe.
 * @throws PolicyError unsupported | bad-config when they contradict each other
 */
export function modelDims(config: SmolVLAConfig, vlm: VlmConfig): ModelDims {
	const text = textDims(config, vlm);
	const numExpertLayers = config.num_expert_layers > 0 ? config.num_expert_layers : text.numLayers;
	if (text.numLayers % numExpertLayers !== 0) {
		throw unsupported(
			`${text.numLayers} language layers are not a multiple of num_expert_layers ${numExpertLayers}`,
			"num_expert_layers",
		);
	}
	const width = Math.trunc(text.width * config.expert_width_multiplier);
	if (width < 2 || width % 2 !== 0) {
		throw unsupported(
			`the expert is ${width} wide; the time embedding needs an even width`,
			"expert_width_multiplier",
		);
	}
	const expert = { width, mlpWidth: expertMlpWidth(width), numLayers: numExpertLayers };
	return {
		vision: visionDims(config, vlm),
		text,
		expert,
		layers: layerPlans(config, text, expert),
		chunkSize: config.chunk_size,
		stateLength: stateLength(config),
		actionLength: actionLength(config),
		maxStateDim: config.max_state_dim,
		maxActionDim: config.max_action_dim,
	};
}
