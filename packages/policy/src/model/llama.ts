// The parts that language layers and expert layers share: projections to heads, rotation, attention output, SwiGLU
// (spec of SmolVLA §2, §6). Keys and values are `[B, kvHeads, T, headDim]`, keys after rotation.
import { add, mul, rope, silu, type Value } from "@zk0/autodiff";
import type { TextDims } from "../config/dims.ts";
import { fromHeads, toHeads } from "./heads.ts";
import type { Rotation } from "./rotary.ts";
import type { Weights } from "./weights.ts";

/** Keys and values of one layer. */
export interface KeyValue {
	readonly key: Value;
	readonly value: Value;
}

/** RMS normalisation of the last axis, either built from primitives or fused. */
export type RmsNorm = (x: Value, weight: Value, eps: number) => Value;

/** Rotated queries of normalised tokens: `[B, T, width]` -> `[B, heads, T, headDim]`. */
export function queries(
	w: Weights,
	normed: Value,
	prefix: string,
	text: TextDims,
	rotation: Rotation,
): Value {
	const heads = toHeads(w.linear(normed, `${prefix}self_attn.q_proj`), text.headDim);
	return rope(heads, rotation.cos, rotation.sin);
}

/** Keys and values of normalised tokens, keys rotated. */
export function keyValue(
	w: Weights,
	normed: Value,
	prefix: string,
	text: TextDims,
	rotation: Rotation,
): KeyValue {
	const key = toHeads(w.linear(normed, `${prefix}self_attn.k_proj`), text.headDim);
	const value = toHeads(w.linear(normed, `${prefix}self_attn.v_proj`), text.headDim);
	return { key: rope(key, rotation.cos, rotation.sin), value };
}

/** The rest of a layer after attention: output projection and SwiGLU, each with its residual. */
export function finishLayer(
	w: Weights,
	layer: { readonly prefix: string; readonly norm: RmsNorm; readonly eps: number },
	hidden: Value,
	mixed: Value,
): Value {
	const { prefix, norm, eps } = layer;
	const attended = add(w.linear(fromHeads(mixed), `${prefix}self_attn.o_proj`), hidden);
	const normed = norm(attended, w.get(`${prefix}post_attention_layernorm.weight`), eps);
	const gate = silu(w.linear(normed, `${prefix}mlp.gate_proj`));
	const wide = mul(gate, w.linear(normed, `${prefix}mlp.up_proj`));
	return add(w.linear(wide, `${prefix}mlp.down_proj`), attended);
}
