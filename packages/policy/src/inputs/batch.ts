// Frames to the arrays that the graphs are fed with: resized images, token ids, positions, normalised state, and for
// training the noisy actions and the target of flow matching (spec of SmolVLA §3, §5, §7).
import { type NamedArrays, type NdArray, ndArray } from "@zk0/arrays";
import { type ModelDims, modelDims } from "../config/dims.ts";
import type { SmolVLAConfig } from "../config/policy-config.ts";
import type { VlmConfig } from "../config/vlm-config.ts";
import { PolicyError } from "../errors.ts";
import { type EncodedTasks, encodeTasks, type Tokenizer } from "../language/tokenizer.ts";
import { FEED } from "./feeds.ts";
import type { Frame, PolicyImage } from "./frame.ts";
import { createNormalizer, normalizedFeatures, type Stats } from "./normalizer.ts";
import { type PrefixLayout, type PrefixOptions, prefixLayout, prefixPositions } from "./prefix-layout.ts";
import { resizeWithPad } from "./resize.ts";
import { timeEmbedding } from "./time-embedding.ts";

/** Everything that turns frames into feeds. */
export interface BatchContext extends PrefixOptions {
	readonly config: SmolVLAConfig;
	readonly vlm: VlmConfig;
	readonly tokenizer: Tokenizer;
	/** The site's statistics; they must cover state and action. */
	readonly stats: Stats;
}

/** {@link BatchContext} plus the random part of flow matching. */
export interface TrainingBatchContext extends BatchContext {
	/** Standard normal `[B, chunkSize, maxActionDim]`; padded dimensions are noisy too. */
	readonly noise: Float32Array;
	/** `[B]`, flow times in (0, 1]: 0.001 + 0.999 * Beta(1.5, 1). */
	readonly time: Float32Array;
}

/** What a policy is told besides pixels. */
export interface Prompt extends Pick<Frame, "state" | "task"> {
	/** Policy cameras that have a picture of this moment. */
	readonly cameras: ReadonlySet<string>;
}

/** Model-unit vectors and masks, before they become feeds; what a caller without a tokenizer provides itself. */
export interface PreparedPrompt {
	/** `[B, C]`, 1 where the camera has a picture. */
	readonly cameraMask: Uint8Array;
	readonly language: EncodedTasks;
	/** `[B, maxStateDim]`. */
	readonly state: Float32Array;
}

/** The same with pixels. */
export interface PreparedObservation extends PreparedPrompt {
	/** `[B, C, 3, H, W]` in [-1, 1]. */
	readonly images: Float32Array;
}

function demandLength(what: string, array: ArrayLike<number>, length: number): void {
	if (array.length !== length) {
		throw new PolicyError("bad-frame", `${what} has ${array.length} numbers, it needs ${length}`, {
			key: what,
		});
	}
}

function demandFinite(what: string, values: Float32Array): void {
	const index = values.findIndex((value) => !Number.isFinite(value));
	if (index >= 0) {
		throw new PolicyError("bad-frame", `${what}: number ${index} of the batch is ${values[index]}`, {
			key: what,
		});
	}
}

/** Rows of `from` numbers copied into rows of `to` numbers, zeros on the right. */
function padRows(values: Float32Array, from: number, to: number): Float32Array {
	if (from === to) return values;
	const padded = new Float32Array((values.length / from) * to);
	for (let row = 0; row * from < values.length; row++) {
		padded.set(values.subarray(row * from, (row + 1) * from), row * to);
	}
	return padded;
}

function concatenate(parts: readonly Float32Array[]): Float32Array {
	const all = new Float32Array(parts.reduce((sum, part) => sum + part.length, 0));
	let offset = 0;
	for (const part of parts) {
		all.set(part, offset);
		offset += part.length;
	}
	return all;
}

function prepareImages(frames: readonly Frame[], { vision }: ModelDims, layout: PrefixLayout): Float32Array {
	const size = { height: vision.imageHeight, width: vision.imageWidth };
	const stride = 3 * size.height * size.width;
	const { cameras } = layout;
	const images = new Float32Array(frames.length * cameras.length * stride);
	frames.forEach((frame, sample) => {
		cameras.forEach((camera, index) => {
			const slot = sample * cameras.length + index;
			const target = images.subarray(slot * stride, (slot + 1) * stride);
			const image = frame.images.get(camera);
			if (image === undefined) target.fill(-1);
			else resizeWithPad(image, size, target);
		});
	});
	return images;
}

/** One picture as the feed `images` `[1, 1, 3, H, W]` in [-1, 1]. @throws PolicyError bad-frame */
export function pictureFeed(image: PolicyImage, { vision }: ModelDims): NdArray<"float32"> {
	const size = { height: vision.imageHeight, width: vision.imageWidth };
	const pixels = new Float32Array(3 * size.height * size.width);
	resizeWithPad(image, size, pixels);
	return ndArray("float32", [1, 1, 3, size.height, size.width], pixels);
}

/** `[B, C]`, 1 where the camera has a picture. */
function cameraMask(prompts: readonly Prompt[], layout: PrefixLayout): Uint8Array {
	const mask = prompts.flatMap((prompt, sample) => {
		if (!layout.cameras.some((camera) => prompt.cameras.has(camera))) {
			throw new PolicyError(
				"no-camera",
				`frame ${sample} has none of the policy's cameras ${layout.cameras.join(", ")}; it has ${[...prompt.cameras].join(", ") || "no image"}`,
			);
		}
		return layout.cameras.map((camera) => (prompt.cameras.has(camera) ? 1 : 0));
	});
	return Uint8Array.from(mask);
}

function prepareStates(prompts: readonly Prompt[], context: BatchContext, dims: ModelDims): Float32Array {
	const { state } = normalizedFeatures(context.config);
	const normalizer = createNormalizer(state, context.stats);
	for (const prompt of prompts) demandLength(state.key, prompt.state, state.length);
	const states = concatenate(prompts.map((prompt) => normalizer.normalize(prompt.state)));
	demandFinite(state.key, states);
	return padRows(states, state.length, dims.maxStateDim);
}

/** Words, positions, masks and state of a prepared prompt as feeds. */
function promptFeeds(prepared: PreparedPrompt, layout: PrefixLayout, dims: ModelDims): Map<string, NdArray> {
	const { language, state } = prepared;
	const { chunkSize, maxStateDim } = dims;
	const batchSize = state.length / maxStateDim;
	const { bias, positions, numValid } = prefixPositions(layout, batchSize, {
		cameras: prepared.cameraMask,
		language: language.mask,
	});
	const suffix = BigInt64Array.from({ length: batchSize * chunkSize }, (_, index) =>
		BigInt((numValid[Math.floor(index / chunkSize)] ?? 0) + 1 + (index % chunkSize)),
	);
	return new Map<string, NdArray>([
		[FEED.languageIds, language.ids],
		[FEED.prefixBias, ndArray("float32", [batchSize, layout.numTokens], bias)],
		[FEED.prefixPositions, ndArray("int64", [batchSize, layout.numTokens], positions)],
		[FEED.statePositions, ndArray("int64", [batchSize, 1], BigInt64Array.from(numValid, BigInt))],
		[FEED.suffixPositions, ndArray("int64", [batchSize, chunkSize], suffix)],
		[FEED.state, ndArray("float32", [batchSize, maxStateDim], state)],
	]);
}

/** Positions, masks and pixels of a prepared observation as feeds. */
export function observationFeeds(
	prepared: PreparedObservation,
	layout: PrefixLayout,
	dims: ModelDims,
): Map<string, NdArray> {
	const { vision, maxStateDim } = dims;
	const batchSize = prepared.state.length / maxStateDim;
	const imageShape = [batchSize, layout.cameras.length, 3, vision.imageHeight, vision.imageWidth];
	return new Map<string, NdArray>([
		[FEED.images, ndArray("float32", imageShape, prepared.images)],
		...promptFeeds(prepared, layout, dims),
	]);
}

/** Model-unit actions and the random part of flow matching. */
export interface PreparedActions {
	/** `[B, S, maxActionDim]`, normalised and zero-padded. */
	readonly actions: Float32Array;
	/** `[B, S]`, 1 for actions inside the episode. */
	readonly valid: Float32Array;
	/** `[B, S, maxActionDim]`. */
	readonly noise: Float32Array;
	/** `[B]`. */
	readonly time: Float32Array;
}

/** x_t = t * noise + (1 - t) * a, u_t = noise - a, and the embedding of t, as feeds. */
export function flowFeeds(
	prepared: PreparedActions,
	config: SmolVLAConfig,
	dims: ModelDims,
): Map<string, NdArray> {
	const { actions, valid, noise, time } = prepared;
	const { chunkSize, maxActionDim, expert } = dims;
	const shape = [time.length, chunkSize, maxActionDim];
	demandLength("time", valid, time.length * chunkSize);
	demandLength("noise", noise, time.length * chunkSize * maxActionDim);
	const noisy = new Float32Array(noise.length);
	const velocity = new Float32Array(noise.length);
	noise.forEach((value, index) => {
		const t = time[Math.floor(index / (chunkSize * maxActionDim))] ?? 0;
		const action = actions[index] ?? 0;
		noisy[index] = Math.fround(t * value) + Math.fround(Math.fround(1 - t) * action);
		velocity[index] = value - action;
	});
	return new Map<string, NdArray>([
		[FEED.noisyActions, ndArray("float32", shape, noisy)],
		[FEED.velocity, ndArray("float32", shape, velocity)],
		[FEED.timeEmbedding, ndArray("float32", [time.length, expert.width], embedTime(time, config, dims))],
		[FEED.valid, ndArray("float32", [time.length, chunkSize], valid)],
	]);
}

/** Flow-time embedding of the model: float32 `[B, expertWidth]`. */
export function embedTime(time: Float32Array, config: SmolVLAConfig, { expert }: ModelDims): Float32Array {
	return timeEmbedding(time, {
		width: expert.width,
		minPeriod: config.min_period,
		maxPeriod: config.max_period,
	});
}

function prepareActions(
	frames: readonly Frame[],
	context: TrainingBatchContext,
	dims: ModelDims,
): PreparedActions {
	const { action } = normalizedFeatures(context.config);
	const normalizer = createNormalizer(action, context.stats);
	const rows = frames.map((frame) => {
		if (frame.actions === undefined) {
			throw new PolicyError("bad-frame", "a frame has no recorded actions, training needs them", {
				key: "action",
			});
		}
		demandLength(action.key, frame.actions, dims.chunkSize * action.length);
		return normalizer.normalize(frame.actions);
	});
	const values = concatenate(rows);
	demandFinite(action.key, values);
	const valid = new Float32Array(frames.length * dims.chunkSize).fill(1);
	frames.forEach(({ actionIsPad }, sample) => {
		if (actionIsPad === undefined) return;
		demandLength("action_is_pad", actionIsPad, dims.chunkSize);
		actionIsPad.forEach((isPad, step) => {
			valid[sample * dims.chunkSize + step] = isPad === 0 ? 1 : 0;
		});
	});
	demandLength("time", context.time, frames.length);
	const actions = padRows(values, action.length, dims.maxActionDim);
	return { actions, valid, noise: context.noise, time: context.time };
}

/**
 * Feeds of words, positions and state: everything a frame is but its pixels.
 * @throws PolicyError bad-frame | no-camera | missing-stats | bad-stats | bad-tokenizer
 */
export function preparePrompts(prompts: readonly Prompt[], context: BatchContext): Map<string, NdArray> {
	const dims = modelDims(context.config, context.vlm);
	const layout = prefixLayout(context.config, dims, context);
	if (prompts.length === 0) throw new PolicyError("bad-frame", "the batch has no frames");
	const language = encodeTasks(
		context.tokenizer,
		prompts.map(({ task }) => task),
		{ length: layout.languageLength, vocabSize: dims.text.vocabSize },
	);
	const prepared = {
		cameraMask: cameraMask(prompts, layout),
		language,
		state: prepareStates(prompts, context, dims),
	};
	return promptFeeds(prepared, layout, dims);
}

/**
 * Feeds of the prefix and state for a batch of frames.
 * @throws PolicyError bad-frame | no-camera | missing-stats | bad-stats | bad-tokenizer
 */
export function prepareObservations(frames: readonly Frame[], context: BatchContext): Map<string, NdArray> {
	const dims = modelDims(context.config, context.vlm);
	const layout = prefixLayout(context.config, dims, context);
	const prompts = frames.map(({ images, state, task }) => ({ cameras: new Set(images.keys()), state, task }));
	const feeds = preparePrompts(prompts, context);
	const { imageHeight, imageWidth } = dims.vision;
	const shape = [frames.length, layout.cameras.length, 3, imageHeight, imageWidth];
	return feeds.set(FEED.images, ndArray("float32", shape, prepareImages(frames, dims, layout)));
}

/**
 * Feeds of the training and loss graphs for a batch of frames.
 * @throws PolicyError as {@link prepareObservations}; bad-frame also when a frame has no actions
 */
export function prepareBatch(frames: readonly Frame[], context: TrainingBatchContext): NamedArrays {
	const dims = modelDims(context.config, context.vlm);
	const feeds = prepareObservations(frames, context);
	const flow = flowFeeds(prepareActions(frames, context, dims), context.config, dims);
	return new Map([...feeds, ...flow]);
}
