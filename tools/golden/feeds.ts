// The golden batch as feeds of our graphs, through the same functions that prepare real frames.
import { type NdArray, ndArray, toFloat32 } from "@zk0/arrays";
import {
	flowFeeds,
	type ModelDims,
	modelDims,
	observationFeeds,
	type PolicyImage,
	type PrefixFeed,
	type PrefixLayout,
	prefixLayout,
	resizeWithPad,
} from "@zk0/policy";
import { type Reference, referenceFloats } from "./reference.ts";

/** The batch in model units, and as feeds. */
export interface GoldenBatch {
	readonly dims: ModelDims;
	readonly layout: PrefixLayout;
	readonly batchSize: number;
	/** `[B, C, 3, H, W]` in [-1, 1]. */
	readonly images: Float32Array;
	readonly feeds: ReadonlyMap<string, NdArray>;
	readonly noise: Float32Array;
	/** Each sample's pictures by camera, before they are resized; masked ones are absent. */
	readonly pictures: readonly ReadonlyMap<string, PolicyImage>[];
	/** What of the observation the feeds hold. */
	readonly from: PrefixFeed;
}

function bits(array: NdArray): Uint8Array {
	return Uint8Array.from(toFloat32(array), (value) => (value === 0 ? 0 : 1));
}

/** The last time step of an array whose leading axis is the batch, as rows of `stride` numbers. */
function lastStep(array: NdArray, batchSize: number, stride: number): Float32Array {
	const values = toFloat32(array);
	const perSample = values.length / batchSize;
	const rows = new Float32Array(batchSize * stride);
	for (let sample = 0; sample < batchSize; sample++) {
		const end = (sample + 1) * perSample;
		rows.set(values.subarray(end - stride, end), sample * stride);
	}
	return rows;
}

/** Rows of `from` numbers padded with zeros to `to`. */
function padded(values: Float32Array, from: number, to: number): Float32Array {
	const rows = new Float32Array((values.length / from) * to);
	for (let row = 0; row * from < values.length; row++) {
		rows.set(values.subarray(row * from, (row + 1) * from), row * to);
	}
	return rows;
}

interface Images {
	readonly images: Float32Array;
	readonly cameraMask: Uint8Array;
	readonly pictures: readonly Map<string, PolicyImage>[];
}

function resizeImages(
	reference: Reference,
	layout: PrefixLayout,
	{ vision }: ModelDims,
	batchSize: number,
): Images {
	const { imageHeight: height, imageWidth: width } = vision;
	const stride = 3 * height * width;
	const { cameras } = layout;
	const images = new Float32Array(batchSize * cameras.length * stride);
	const cameraMask = new Uint8Array(batchSize * cameras.length).fill(1);
	const seen = Array.from({ length: batchSize }, () => new Map<string, PolicyImage>());
	cameras.forEach((camera, index) => {
		const pictures = reference.tensors.get(`batch.${camera}`);
		if (pictures === undefined) throw new RangeError(`golden.safetensors has no tensor batch.${camera}`);
		const [sourceHeight = 1, sourceWidth = 1] = pictures.shape.slice(-2);
		const size = 3 * sourceHeight * sourceWidth;
		const planes = lastStep(pictures, batchSize, size);
		const mask = reference.tensors.get(`batch.${camera}_padding_mask`);
		for (let sample = 0; sample < batchSize; sample++) {
			const slot = sample * cameras.length + index;
			const picture = {
				height: sourceHeight,
				width: sourceWidth,
				planes: planes.subarray(sample * size, (sample + 1) * size),
			};
			resizeWithPad(picture, { height, width }, images.subarray(slot * stride, (slot + 1) * stride));
			if (mask !== undefined) cameraMask[slot] = bits(mask)[sample] ?? 0;
			if (cameraMask[slot] === 1) seen[sample]?.set(camera, picture);
		}
	});
	return { images, cameraMask, pictures: seen };
}

function tokens(reference: Reference): { readonly ids: NdArray<"int64">; readonly mask: Uint8Array } {
	const ids = reference.tensors.get("batch.observation.language.tokens");
	const mask = reference.tensors.get("batch.observation.language.attention_mask");
	if (ids === undefined || mask === undefined)
		throw new RangeError("golden.safetensors has no language tokens");
	const wide = BigInt64Array.from(toFloat32(ids), (id) => BigInt(id));
	return { ids: ndArray("int64", ids.shape, wide), mask: bits(mask) };
}

/** The feeds of the golden batch; `ignorePad` treats every action as real. */
export function goldenBatch(
	reference: Reference,
	options: { readonly ignorePad?: boolean } = {},
): GoldenBatch {
	const { config, vlm } = reference.model;
	const dims = modelDims(config, vlm);
	const { ids, mask } = tokens(reference);
	const languageLength = ids.shape[1] ?? 0;
	const present = Object.keys(reference.json.config.cams).filter((key) =>
		reference.tensors.has(`batch.${key}`),
	);
	const layout = prefixLayout(config, dims, { cameras: present, languageLength });
	const time = referenceFloats(reference, "batch.time");
	const noise = referenceFloats(reference, "batch.noise");
	const batchSize = time.length;
	const pictures = resizeImages(reference, layout, dims, batchSize);
	const state = reference.tensors.get("batch.observation.state");
	if (state === undefined) throw new RangeError("golden.safetensors has no tensor batch.observation.state");
	const stateRows = lastStep(state, batchSize, dims.stateLength);
	const isPad = reference.tensors.get("batch.action_is_pad");
	const valid = new Float32Array(batchSize * dims.chunkSize).fill(1);
	if (isPad !== undefined && options.ignorePad !== true) {
		bits(isPad).forEach((bit, index) => {
			valid[index] = 1 - bit;
		});
	}
	const observation = observationFeeds(
		{ ...pictures, language: { ids, mask }, state: padded(stateRows, dims.stateLength, dims.maxStateDim) },
		layout,
		dims,
	);
	const actions = padded(referenceFloats(reference, "batch.action"), dims.actionLength, dims.maxActionDim);
	const flow = flowFeeds({ actions, valid, noise, time }, config, dims);
	return {
		dims,
		layout,
		batchSize,
		images: pictures.images,
		pictures: pictures.pictures,
		from: "images",
		feeds: new Map([...observation, ...flow]),
		noise,
	};
}
