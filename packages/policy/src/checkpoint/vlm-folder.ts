// The `vlm/` folder: what transformers' AutoConfig, AutoTokenizer and AutoProcessor need in order to build the
// backbone of a SmolVLA whose backbone is not published (without weights: `load_vlm_weights` is false).
import type { VlmConfig } from "../config/vlm-config.ts";
import { PolicyError } from "../errors.ts";
import type { Tokenizer } from "../language/tokenizer.ts";

const HALF = [0.5, 0.5, 0.5];

/** JSON documents of the folder by file name; the tokenizer's files come beside them. */
export function vlmFolderFiles(vlm: VlmConfig, tokenizer: Tokenizer): Readonly<Record<string, unknown>> {
	const imageTokenId = tokenizer.idOf("<image>");
	if (imageTokenId === undefined) {
		throw new PolicyError(
			"bad-tokenizer",
			"the tokenizer has no token <image>, which a SmolVLM backbone needs",
		);
	}
	const { vision_config: vision, text_config: text } = vlm;
	const side = vision.image_size;
	const numTokens = Math.floor((Math.floor(side / vision.patch_size) / vlm.scale_factor) ** 2);
	const images = {
		processor_class: "SmolVLMProcessor",
		do_convert_rgb: true,
		do_resize: true,
		do_rescale: true,
		do_normalize: true,
		do_pad: true,
		rescale_factor: 1 / 255,
		image_mean: HALF,
		image_std: HALF,
		resample: 1,
		size: { longest_edge: side },
		max_image_size: { longest_edge: side },
	};
	return {
		"config.json": {
			architectures: ["SmolVLMForConditionalGeneration"],
			model_type: vlm.model_type,
			image_token_id: imageTokenId,
			pad_token_id: tokenizer.padId,
			scale_factor: vlm.scale_factor,
			tie_word_embeddings: false,
			vision_config: { model_type: "smolvlm_vision", ...vision },
			text_config: {
				model_type: "llama",
				...text,
				pad_token_id: tokenizer.padId,
				tie_word_embeddings: false,
			},
		},
		"processor_config.json": { processor_class: "SmolVLMProcessor", image_seq_len: numTokens },
		"preprocessor_config.json": {
			...images,
			image_processor_type: "SmolVLMImageProcessor",
			do_image_splitting: false,
		},
		"video_preprocessor_config.json": {
			...images,
			video_processor_type: "SmolVLMVideoProcessor",
			do_sample_frames: false,
			fps: 1,
			num_frames: 64,
		},
	};
}
