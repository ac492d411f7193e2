// Neural-network expressions: normalisations from primitives (their gradients are right on every provider, unlike the
// statistics outputs of the fused kernels on WebGPU), softmax, rotary embedding, attention with grouped queries.
import type { Value } from "../graph.ts";
import { dimAt, showShape } from "../shape.ts";
import { add, mul, reciprocal, sqrt, square, sub } from "./elementwise.ts";
import { matmul } from "./linalg.ts";
import { expand, reshape } from "./movement.ts";
import { reduceMean } from "./reduction.ts";

/** Softmax over the last axis. */
export function softmax(x: Value): Value {
	return x.graph.apply("softmax", [x]);
}

/** (x - mean) / sqrt(variance + eps) * weight + bias over the last axis (Ba et al., 2016). */
export function layerNorm(x: Value, weight: Value, bias: Value, eps: number): Value {
	const centered = sub(x, reduceMean(x, { axes: [-1], keepDims: true }));
	const variance = reduceMean(square(centered), { axes: [-1], keepDims: true }); // [..., 1]
	return add(mul(mul(centered, reciprocal(sqrt(add(variance, eps)))), weight), bias);
}

/** x / sqrt(mean(x^2) + eps) * weight over the last axis (Zhang & Sennrich, 2019). */
export function rmsNorm(x: Value, weight: Value, eps: number): Value {
	const meanSquare = reduceMean(square(x), { axes: [-1], keepDims: true }); // [..., 1]
	return mul(mul(x, reciprocal(sqrt(add(meanSquare, eps)))), weight);
}

/** `layerNorm` as one fused kernel, for branches that never get a gradient; last bits differ from `layerNorm`. */
export function frozenLayerNorm(x: Value, weight: Value, bias: Value, eps: number): Value {
	return x.graph.apply("frozenLayerNorm", [x, weight, bias], { eps });
}

/** `rmsNorm` as one fused kernel, for branches that never get a gradient; last bits differ from `rmsNorm`. */
export function frozenRmsNorm(x: Value, weight: Value, eps: number): Value {
	return x.graph.apply("frozenRmsNorm", [x, weight], { eps });
}

/**
 * Rotary embedding with split halves (Su et al., 2021, in the layout of Llama):
 * [x1, x2] -> [x1 cos - x2 sin, x2 cos + x1 sin]. x [..., T, D]; cos and sin broadcast to [..., T, D/2] and are tables:
 * a gradient is defined for x only.
 */
export function rope(x: Value, cos: Value, sin: Value): Value {
	return x.graph.apply("rope", [x, cos, sin]);
}

/** Each head repeated `times` in a row: [B, H, T, D] -> [B, H*times, T, D]. */
export function repeatHeads(x: Value, times: number): Value {
	const [batch = 1, heads = 1, length = 1, dim = 1] = x.shape;
	if (x.shape.length !== 4) throw new RangeError(`repeatHeads: expects [B,H,T,D], got ${showShape(x.shape)}`);
	const wide = expand(reshape(x, [batch, heads, 1, length, dim]), [batch, heads, times, length, dim]);
	return reshape(wide, [batch, heads * times, length, dim]);
}

/** Options of `attention`. */
export interface AttentionOptions {
	/** Factor on the scores; default 1/sqrt(D). */
	readonly scale?: number;
	/** Added to the scores before the softmax; broadcasts to [B, 1, T, S]. */
	readonly mask?: Value;
}

/**
 * Scaled dot-product attention: q [B, H, T, D], k [B, K, S, D], v [B, K, S, E] -> [B, H, T, E].
 * H is a multiple of K: query heads of one group share a key head (Ainslie et al., 2023). The groups are folded into
 * the query rows, so keys and values are never repeated.
 */
export function attention(q: Value, k: Value, v: Value, options: AttentionOptions = {}): Value {
	const [batch = 1, heads = 1, length = 1, dim = 1] = q.shape;
	const [, keyHeads = 1, keyLength = 1] = k.shape;
	if (q.shape.length !== 4 || k.shape.length !== 4 || v.shape.length !== 4 || heads % keyHeads !== 0) {
		throw new RangeError(
			`attention: expects q [B,H,T,D], k [B,K,S,D], v [B,K,S,E] with H a multiple of K, got ${showShape(q.shape)}, ${showShape(k.shape)}, ${showShape(v.shape)}`,
		);
	}
	const rows = (heads / keyHeads) * length;
	const folded = reshape(q, [batch, keyHeads, rows, dim]); // [B, K, G*T, D]
	const product = matmul(folded, k, { transB: true, alpha: options.scale ?? 1 / Math.sqrt(dim) });
	const scores = reshape(product, [batch, heads, length, keyLength]); // [B, H, T, S]
	const weights = softmax(options.mask === undefined ? scores : add(scores, options.mask));
	const mixed = matmul(reshape(weights, [batch, keyHeads, rows, keyLength]), v); // [B, K, G*T, E]
	return reshape(mixed, [batch, heads, length, dimAt(v.shape, -1)]);
}
