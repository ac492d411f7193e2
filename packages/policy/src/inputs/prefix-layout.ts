// Which token stands where in the prefix, which of them are real, and at which position (spec of SmolVLA §3, §4).
// Padding on the right of the prefix (`prefix_length`) and the pixels of cameras that are absent from the whole
// batch are left out: nothing valid ever attends to them, so every valid value is the same without them.
import type { ModelDims } from "../config/dims.ts";
import { cameraKeys, type SmolVLAConfig } from "../config/policy-config.ts";
import { PolicyError } from "../errors.ts";

/** Attention bias of a key that must not be seen: float32's lowest, as LeRobot uses. */
export const MASKED_BIAS: number = -3.4028234663852886e38;

/** A run of prefix tokens. */
export type PrefixSegment =
	| { readonly kind: "image" /** Index among the fed cameras. */; readonly cameraIndex: number }
	| { readonly kind: "special"; readonly tokens: readonly ("fake" | "global")[] }
	| { readonly kind: "language" };

/** Static layout of a graph's prefix: the same for every sample. */
export interface PrefixLayout {
	/** Camera keys whose pixels are fed, in token order. */
	readonly cameras: readonly string[];
	readonly segments: readonly PrefixSegment[];
	/** Language slots, padded. */
	readonly languageLength: number;
	/** Image, special and language tokens; the state token is not counted. */
	readonly numTokens: number;
	readonly tokensPerImage: number;
}

/** What a layout can be varied by. */
export interface PrefixOptions {
	/** Camera keys present in the data; default: all configured ones. Absent ones are replaced as LeRobot does. */
	readonly cameras?: readonly string[] | undefined;
	/** Language slots; default `tokenizer_max_length`. */
	readonly languageLength?: number | undefined;
}

/** Number of tokens of a segment. */
export function segmentLength(segment: PrefixSegment, layout: Omit<PrefixLayout, "numTokens">): number {
	if (segment.kind === "image") return layout.tokensPerImage;
	return segment.kind === "special" ? segment.tokens.length : layout.languageLength;
}

function isPlaceholder(camera: string): boolean {
	return camera.startsWith("observation.images.empty_camera_");
}

/**
 * The prefix of a model fed with `cameras`.
 * @throws PolicyError no-camera when none is present, bad-config when one is not the policy's
 */
export function prefixLayout(
	config: SmolVLAConfig,
	dims: ModelDims,
	options: PrefixOptions = {},
): PrefixLayout {
	const configured = cameraKeys(config);
	const wanted = options.cameras ?? configured.filter((camera) => !isPlaceholder(camera));
	const unknown = wanted.find((camera) => !configured.includes(camera));
	if (unknown !== undefined) {
		throw new PolicyError(
			"bad-config",
			`the policy has no camera ${unknown}; it has ${configured.join(", ")}`,
			{
				key: unknown,
			},
		);
	}
	const cameras = configured.filter((camera) => wanted.includes(camera));
	if (cameras.length === 0) {
		throw new PolicyError(
			"no-camera",
			`no camera of the policy is present; map at least one dataset camera to ${configured.join(", ") || "a camera"}`,
		);
	}
	const numEmpty = Math.min(config.empty_cameras, configured.length - cameras.length);
	const around = config.add_image_special_tokens;
	const segments: PrefixSegment[] = [];
	for (let index = 0; index < cameras.length + numEmpty; index++) {
		if (around) segments.push({ kind: "special", tokens: ["fake", "global"] });
		if (index < cameras.length) segments.push({ kind: "image", cameraIndex: index });
		if (around) segments.push({ kind: "special", tokens: ["fake"] });
	}
	segments.push({ kind: "language" });
	const layout = {
		cameras,
		segments,
		languageLength: options.languageLength ?? config.tokenizer_max_length,
		tokensPerImage: dims.vision.tokensPerImage,
	};
	const numTokens = segments.reduce((sum, segment) => sum + segmentLength(segment, layout), 0);
	return { ...layout, numTokens };
}

/** Which inputs of each sample are real. */
export interface PrefixValidity {
	/** `[batch, cameras]`, 1 where the camera has a picture. */
	readonly cameras: Uint8Array;
	/** `[batch, languageLength]`, 1 for real tokens. */
	readonly language: Uint8Array;
}

/** Per-sample positions and key biases of the prefix; int64 and float32 feeds. */
export interface PrefixPositions {
	/** `[batch, numTokens]`: 0 for real tokens, {@link MASKED_BIAS} for padding. */
	readonly bias: Float32Array;
	/** `[batch, numTokens]`: number of real tokens before; leading padding gets 0 (LeRobot: -1, never seen). */
	readonly positions: BigInt64Array;
	/** `[batch]`: real tokens of the prefix; also the state token's position. */
	readonly numValid: Int32Array;
}

/** Positions and biases for each sample. */
export function prefixPositions(
	layout: PrefixLayout,
	batchSize: number,
	validity: PrefixValidity,
): PrefixPositions {
	const { numTokens, cameras, languageLength, segments } = layout;
	const bias = new Float32Array(batchSize * numTokens);
	const positions = new BigInt64Array(batchSize * numTokens);
	const numValid = new Int32Array(batchSize);
	for (let sample = 0; sample < batchSize; sample++) {
		let column = sample * numTokens;
		let seen = 0;
		for (const segment of segments) {
			const length = segmentLength(segment, layout);
			for (let token = 0; token < length; token++) {
				let isValid = true;
				if (segment.kind === "image") {
					isValid = validity.cameras[sample * cameras.length + segment.cameraIndex] === 1;
				} else if (segment.kind === "language") {
					isValid = validity.language[sample * languageLength + token] === 1;
				}
				if (isValid) seen++;
				else bias[column] = MASKED_BIAS;
				positions[column] = BigInt(Math.max(0, seen - 1));
				column++;
			}
		}
		numValid[sample] = seen;
	}
	return { bias, positions, numValid };
}
