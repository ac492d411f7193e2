// Stage 2: image and language tokens to keys and values of every language layer, and the state token's own row
// (spec of SmolVLA §4, §6). Image and language tokens see each other and nothing else, so their keys and values
// depend on no trained tensor of a frozen backbone; the state token sees them and itself.
import { float32Array, ndArray } from "@zk0/arrays";
import {
	attention,
	concat,
	expand,
	frozenRmsNorm,
	gather,
	mul,
	reshape,
	rmsNorm,
	slice,
	type Value,
} from "@zk0/autodiff";
import type { ModelDims, TextDims } from "../config/dims.ts";
import type { PrefixLayout } from "../inputs/prefix-layout.ts";
import type { ImageTokenIds } from "../language/tokenizer.ts";
import { EMBED_TOKENS, TEXT_PREFIX, textLayerPrefix } from "../weights/tensor-names.ts";
import { finishLayer, type KeyValue, keyValue, queries, type RmsNorm } from "./llama.ts";
import type { RotaryTables, Rotation } from "./rotary.ts";
import type { Weights } from "./weights.ts";

/** What the embedding of the prefix reads. */
export interface PrefixTokens {
	/** `[B, C, tokensPerImage, textWidth]`. */
	readonly imageTokens: Value;
	/** int64 `[B, L]`. */
	readonly languageIds: Value;
	readonly layout: PrefixLayout;
	/** Ids of the tokens around images. */
	readonly special: ImageTokenIds;
}

/** Prefix embeddings `[B, P, textWidth]`: images and language scaled by sqrt(textWidth), special tokens not. */
export function embedPrefix(w: Weights, tokens: PrefixTokens, text: TextDims): Value {
	const { imageTokens, languageIds, layout, special } = tokens;
	const [batch = 1, , perImage = 1, width = 1] = imageTokens.shape;
	const table = w.get(EMBED_TOKENS);
	const scale = Math.fround(Math.sqrt(text.width));
	const parts = layout.segments.map((segment): Value => {
		if (segment.kind === "language") return mul(gather(table, languageIds), scale);
		if (segment.kind === "special") {
			const ids = BigInt64Array.from(segment.tokens, (token) => BigInt(special[token]));
			const rows = gather(table, w.graph.constant(ndArray("int64", [ids.length], ids))); // [tokens, width]
			return expand(reshape(rows, [1, ids.length, width]), [batch, ids.length, width]);
		}
		const { cameraIndex } = segment;
		const camera = slice(imageTokens, { axis: 1, start: cameraIndex, end: cameraIndex + 1 });
		return mul(reshape(camera, [batch, perImage, width]), scale);
	});
	return concat(parts, 1);
}

/** Runs `tokens` through the language layers; the last layer yields keys and values only. */
function runLayers(
	w: Weights,
	start: { readonly hidden: Value; readonly rotation: Rotation; readonly norm: RmsNorm },
	text: TextDims,
	attend: (layer: number, query: Value, own: KeyValue) => Value,
): KeyValue[] {
	const { rotation, norm } = start;
	let { hidden } = start;
	const own: KeyValue[] = [];
	for (let index = 0; index < text.numLayers; index++) {
		const prefix = textLayerPrefix(index);
		const normed = norm(hidden, w.get(`${prefix}input_layernorm.weight`), text.eps);
		const kv = keyValue(w, normed, prefix, text, rotation);
		own.push(kv);
		if (index === text.numLayers - 1) break;
		const mixed = attend(index, queries(w, normed, prefix, text, rotation), kv);
		hidden = finishLayer(w, { prefix, norm, eps: text.eps }, hidden, mixed);
	}
	return own;
}

/** Keys that may be seen, as an addend on scores: bias `[B, P]` -> `[B, 1, 1, P]`. */
export function keyMask(bias: Value): Value {
	const [batch = 1, length = 1] = bias.shape;
	return reshape(bias, [batch, 1, 1, length]);
}

/** The positions of the prefix, as graph values. */
export interface PrefixPlaces {
	/** float32 `[B, P]`. */
	readonly bias: Value;
	/** int64 `[B, P]`. */
	readonly positions: Value;
}

/** Stage 2: embeddings `[B, P, textWidth]` -> keys and values `[B, kvHeads, P, headDim]` of every layer. */
export function prefixStage(
	w: Weights,
	embeddings: Value,
	places: PrefixPlaces,
	{ text }: ModelDims,
	tables: RotaryTables,
): KeyValue[] {
	const norm = w.trains(TEXT_PREFIX) ? rmsNorm : frozenRmsNorm;
	const mask = keyMask(places.bias);
	const start = { hidden: embeddings, rotation: tables.at(places.positions), norm };
	return runLayers(w, start, text, (_, query, { key, value }) => attention(query, key, value, { mask }));
}

/** Bias `[B, P]` of the prefix followed by zeros for `length` always visible keys. */
export function appendVisible(bias: Value, length: number): Value {
	const [batch = 1] = bias.shape;
	return concat(
		[bias, bias.graph.constant(float32Array([batch, length], new Float32Array(batch * length)))],
		1,
	);
}

/**
 * The state token's row through the language layers.
 * @returns the prefix's keys and values with the state's appended: `[B, kvHeads, P + 1, headDim]` per layer
 */
export function stateStage(
	w: Weights,
	state: { readonly embedding: Value /** int64 `[B, 1]`. */; readonly positions: Value },
	prefix: { readonly layers: readonly KeyValue[] /** float32 `[B, P]`. */; readonly bias: Value },
	{ text }: ModelDims,
	tables: RotaryTables,
): KeyValue[] {
	const mask = keyMask(appendVisible(prefix.bias, 1));
	const joined: KeyValue[] = [];
	const join = (layer: number, own: KeyValue): KeyValue => {
		const seen = prefix.layers[layer];
		if (seen === undefined) throw new RangeError(`stateStage: no keys and values of layer ${layer}`);
		return { key: concat([seen.key, own.key], 2), value: concat([seen.value, own.value], 2) };
	};
	const start = { hidden: state.embedding, rotation: tables.at(state.positions), norm: rmsNorm };
	const own = runLayers(w, start, text, (layer, query, kv) => {
		const all = join(layer, kv);
		joined.push(all);
		return attention(query, all.key, all.value, { mask });
	});
	const last = own.at(-1);
	if (last !== undefined) joined.push(join(text.numLayers - 1, last));
	return joined;
}
