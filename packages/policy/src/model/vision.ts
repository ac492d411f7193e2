// Stage 1: pixels to image tokens. SigLIP-style vision tower and the pixel-shuffle connector (spec of SmolVLA §2).
// Patch embedding is written as reshape, transpose and a matrix product, so that it has a gradient.
import { ndArray, type Shape } from "@zk0/arrays";
import {
	add,
	attention,
	frozenLayerNorm,
	gather,
	geluTanh,
	layerNorm,
	linear,
	reshape,
	slice,
	transpose,
	type Value,
} from "@zk0/autodiff";
import type { VisionDims } from "../config/dims.ts";
import { CONNECTOR, VISION_PREFIX, visionLayerPrefix } from "../weights/tensor-names.ts";
import { fromHeads, toHeads } from "./heads.ts";
import type { Weights } from "./weights.ts";

/**
 * Row (or column) of the learned table for each of `numPatches` patches along one side: transformers' bucketize of
 * i/numPatches against the table's boundaries, in float32 steps. The identity when both sides are equal powers of two.
 */
export function positionBuckets(numPatches: number, tableSide: number): number[] {
	const numBoundaries = Math.ceil((1 - 1 / tableSide) / (1 / tableSide));
	const boundaries = Array.from({ length: numBoundaries }, (_, index) =>
		Math.fround(1 / tableSide + index * (1 / tableSide)),
	);
	const step = Math.fround(1 / numPatches);
	return Array.from({ length: numPatches }, (_, index) => {
		const place = Math.min(Math.fround(index * step), Math.fround(1 - 1e-6));
		return boundaries.filter((boundary) => boundary <= place).length;
	});
}

function positionIds({ gridHeight, gridWidth, tableSide }: VisionDims): BigInt64Array {
	const rows = positionBuckets(gridHeight, tableSide);
	const columns = positionBuckets(gridWidth, tableSide);
	return BigInt64Array.from(rows.flatMap((row) => columns.map((column) => BigInt(row * tableSide + column))));
}

/** Patches with their positions: images `[N, 3, H, W]` -> `[N, patches, width]`. */
export function patchEmbedding(w: Weights, images: Value, vision: VisionDims): Value {
	const { patchSize: p, gridHeight, gridWidth, width } = vision;
	const [numImages = 1] = images.shape;
	const rows = slice(images, { axis: 2, start: 0, end: gridHeight * p });
	const whole = slice(rows, { axis: 3, start: 0, end: gridWidth * p });
	const blocks = reshape(whole, [numImages, 3, gridHeight, p, gridWidth, p]);
	const patches = transpose(blocks, [0, 2, 4, 1, 3, 5]); // [N, gh, gw, 3, p, p]
	const flat = reshape(patches, [numImages, gridHeight * gridWidth, 3 * p * p]);
	const prefix = `${VISION_PREFIX}embeddings.`;
	const kernel = reshape(w.get(`${prefix}patch_embedding.weight`), [width, 3 * p * p]);
	const embedded = linear(flat, kernel, w.get(`${prefix}patch_embedding.bias`)); // [N, patches, width]
	const ids = w.graph.constant(ndArray("int64", [gridHeight * gridWidth], positionIds(vision)));
	return add(embedded, gather(w.get(`${prefix}position_embedding.weight`), ids));
}

/** Vision tower: images `[N, 3, H, W]` in [-1, 1] -> `[N, patches, width]`. */
export function visionTower(w: Weights, images: Value, vision: VisionDims): Value {
	const normalize = w.trains(VISION_PREFIX) ? layerNorm : frozenLayerNorm;
	const norm = (x: Value, name: string): Value =>
		normalize(x, w.get(`${name}.weight`), w.get(`${name}.bias`), vision.eps);
	const withBias = { bias: true };
	let hidden = patchEmbedding(w, images, vision);
	for (let index = 0; index < vision.numLayers; index++) {
		const prefix = visionLayerPrefix(index);
		const normed = norm(hidden, `${prefix}layer_norm1`);
		const heads = (name: string): Value =>
			toHeads(w.linear(normed, `${prefix}self_attn.${name}`, withBias), vision.width / vision.numHeads);
		const mixed = fromHeads(attention(heads("q_proj"), heads("k_proj"), heads("v_proj"))); // [N, patches, width]
		hidden = add(hidden, w.linear(mixed, `${prefix}self_attn.out_proj`, withBias));
		const wide = geluTanh(w.linear(norm(hidden, `${prefix}layer_norm2`), `${prefix}mlp.fc1`, withBias));
		hidden = add(hidden, w.linear(wide, `${prefix}mlp.fc2`, withBias));
	}
	return norm(hidden, `${VISION_PREFIX}post_layernorm`);
}

/** Connector: patches `[N, patches, width]` -> tokens `[N, patches / scale^2, textWidth]`. */
export function connector(w: Weights, patches: Value, vision: VisionDims): Value {
	const { gridHeight, gridWidth, scaleFactor: s, width, tokensPerImage } = vision;
	const [numImages = 1] = patches.shape;
	const blocks: Shape = [numImages, gridHeight / s, s, gridWidth / s, s, width];
	const shuffled = transpose(reshape(patches, blocks), [0, 1, 3, 2, 4, 5]); // [N, gh/s, gw/s, dy, dx, width]
	return linear(reshape(shuffled, [numImages, tokensPerImage, s * s * width]), w.get(CONNECTOR));
}

/** Stage 1: images `[B, C, 3, H, W]` -> image tokens `[B, C, tokensPerImage, textWidth]`. */
export function visionStage(w: Weights, images: Value, vision: VisionDims): Value {
	const [batch = 1, cameras = 1, ...pixels] = images.shape;
	const tokens = connector(w, visionTower(w, reshape(images, [batch * cameras, ...pixels]), vision), vision);
	return reshape(tokens, [batch, cameras, vision.tokensPerImage, tokens.shape[2] ?? 1]);
}
