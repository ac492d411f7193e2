// Stage 3: noisy actions to their velocity. Self layers attend to the prefix and to earlier actions (causal), cross
// layers to the re-projected prefix only (spec of SmolVLA §5, §6).
import { float32Array } from "@zk0/arrays";
import { attention, concat, expand, reshape, rmsNorm, silu, type Value } from "@zk0/autodiff";
import type { ModelDims } from "../config/dims.ts";
import { MASKED_BIAS } from "../inputs/prefix-layout.ts";
import { EXPERT_PREFIX, expertLayerPrefix, headPrefix } from "../weights/tensor-names.ts";
import { fromHeads, toHeads } from "./heads.ts";
import { appendVisible, keyMask } from "./language.ts";
import { finishLayer, type KeyValue, keyValue, queries } from "./llama.ts";
import type { RotaryTables } from "./rotary.ts";
import type { Weights } from "./weights.ts";

const WITH_BIAS = { bias: true };

/** Noisy actions `[B, S, maxActionDim]` and time embedding `[B, width]` -> action tokens `[B, S, width]`. */
export function embedSuffix(w: Weights, noisyActions: Value, timeEmbedding: Value, dims: ModelDims): Value {
	const { width } = dims.expert;
	const [batch = 1, length = 1] = noisyActions.shape;
	const actions = w.linear(noisyActions, headPrefix("action_in_proj"), WITH_BIAS);
	const time = expand(reshape(timeEmbedding, [batch, 1, width]), [batch, length, width]);
	const joined = concat([actions, time], 2); // [B, S, 2 * width]
	const hidden = silu(w.linear(joined, headPrefix("action_time_mlp_in"), WITH_BIAS));
	return w.linear(hidden, headPrefix("action_time_mlp_out"), WITH_BIAS);
}

/**
 * What the expert reads of the prefix at each language layer, null where no expert layer serves: the keys and values
 * themselves in self layers, projected ones in cross layers. Constant over denoising steps.
 */
export function expertMemory(w: Weights, prefix: readonly KeyValue[], dims: ModelDims): (KeyValue | null)[] {
	const { headDim } = dims.text;
	return dims.layers.map(({ path, expertIndex }, layer) => {
		const seen = prefix[layer];
		if (seen === undefined) throw new RangeError(`expertMemory: no keys and values of layer ${layer}`);
		if (expertIndex === null) return null;
		if (path === "self") return seen;
		const project = (from: Value, name: string): Value =>
			toHeads(w.linear(fromHeads(from), `${expertLayerPrefix(expertIndex)}self_attn.${name}`), headDim);
		return { key: project(seen.key, "k_proj"), value: project(seen.value, "v_proj") };
	});
}

/** Score addend of self layers: prefix bias, the state, then earlier and own actions: `[B, 1, S, P + 1 + S]`. */
function selfMask(bias: Value, length: number): Value {
	const [batch = 1, numPrefix = 1] = bias.shape;
	const seen = expand(reshape(appendVisible(bias, 1), [batch, 1, 1, numPrefix + 1]), [
		batch,
		1,
		length,
		numPrefix + 1,
	]);
	const causal = Float32Array.from({ length: length * length }, (_, index) =>
		index % length > Math.floor(index / length) ? MASKED_BIAS : 0,
	);
	const own = expand(bias.graph.constant(float32Array([1, 1, length, length], causal)), [
		batch,
		1,
		length,
		length,
	]);
	return concat([seen, own], 3);
}

/** The rest of what the expert reads. */
export interface ExpertInputs {
	/** Action tokens `[B, S, width]`. */
	readonly suffix: Value;
	/** From {@link expertMemory}. */
	readonly memory: readonly (KeyValue | null)[];
	/** float32 `[B, P]`, without the state token. */
	readonly bias: Value;
	/** int64 `[B, S]`. */
	readonly positions: Value;
}

/** The expert's layers and final norm: `[B, S, width]`. */
export function expertTrunk(w: Weights, inputs: ExpertInputs, dims: ModelDims, tables: RotaryTables): Value {
	const { memory, bias, positions } = inputs;
	const { text } = dims;
	const [, length = 1] = inputs.suffix.shape;
	const masks = { self: selfMask(bias, length), cross: keyMask(appendVisible(bias, 1)) };
	const rotations = { self: tables.at(positions), cross: tables.first(length) };
	let hidden = inputs.suffix;
	dims.layers.forEach(({ path, expertIndex }, layer) => {
		const seen = memory[layer];
		if (expertIndex === null || seen === null || seen === undefined) return;
		const prefix = expertLayerPrefix(expertIndex);
		const normed = rmsNorm(hidden, w.get(`${prefix}input_layernorm.weight`), text.eps);
		const query = queries(w, normed, prefix, text, rotations[path]);
		let { key, value } = seen;
		if (path === "self") {
			const own = keyValue(w, normed, prefix, text, rotations.self);
			key = concat([key, own.key], 2); // [B, kvHeads, P + 1 + S, headDim]
			value = concat([value, own.value], 2);
		}
		const mixed = attention(query, key, value, { mask: masks[path] });
		hidden = finishLayer(w, { prefix, norm: rmsNorm, eps: text.eps }, hidden, mixed);
	});
	return rmsNorm(hidden, w.get(`${EXPERT_PREFIX}norm.weight`), text.eps);
}

/** Expert output `[B, S, width]` -> velocity `[B, S, maxActionDim]`. */
export function velocityHead(w: Weights, expertOut: Value): Value {
	return w.linear(expertOut, headPrefix("action_out_proj"), WITH_BIAS);
}

/** State `[B, maxStateDim]` -> state token `[B, 1, textWidth]`. */
export function embedState(w: Weights, state: Value): Value {
	const row = w.linear(state, headPrefix("state_proj"), WITH_BIAS);
	const [batch = 1, width = 1] = row.shape;
	return reshape(row, [batch, 1, width]);
}
