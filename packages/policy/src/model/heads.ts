// Between rows of tokens and separate attention heads.
import { reshape, transpose, type Value } from "@zk0/autodiff";

/** x `[B, T, heads * headDim]` -> `[B, heads, T, headDim]`. */
export function toHeads(x: Value, headDim: number): Value {
	const [batch = 1, length = 1, width = 1] = x.shape;
	return transpose(reshape(x, [batch, length, width / headDim, headDim]), [0, 2, 1, 3]);
}

/** x `[B, heads, T, headDim]` -> `[B, T, heads * headDim]`. */
export function fromHeads(x: Value): Value {
	const [batch = 1, numHeads = 1, length = 1, headDim = 1] = x.shape;
	return reshape(transpose(x, [0, 2, 1, 3]), [batch, length, numHeads * headDim]);
}
