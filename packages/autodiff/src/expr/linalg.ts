// Matrix products. Two-dimensional ones become one Gemm with transpose flags, batched ones FusedMatMul with flags and
// scale, so that neither pass materialises a transpose.
import { numElements, sameShape } from "@zk0/arrays";
import type { Value } from "../graph.ts";
import { dimAt } from "../shape.ts";
import { add } from "./elementwise.ts";
import { reshape } from "./movement.ts";

/** Flags of a matrix product: swap the last two axes of an operand first, scale the product by alpha. */
export interface MatmulOptions {
	readonly transA?: boolean;
	readonly transB?: boolean;
	readonly alpha?: number;
}

/** alpha * a @ b over the last two axes; leading axes broadcast. */
export function matmul(a: Value, b: Value, options: MatmulOptions = {}): Value {
	const { transA = false, transB = false, alpha = 1 } = options;
	if (a.shape.length > 2 && b.shape.length === 2 && !transA) {
		const rows = reshape(a, [numElements(a.shape.slice(0, -1)), dimAt(a.shape, -1)]); // [..., M, K] -> [rows, K]
		const product = matmul(rows, b, options);
		return reshape(product, [...a.shape.slice(0, -1), dimAt(product.shape, -1)]);
	}
	const op = a.shape.length === 2 && b.shape.length === 2 ? "gemm" : "matmul";
	return a.graph.apply(op, [a, b], { transA, transB, alpha });
}

/** x @ weight^T + bias as torch's Linear: x [..., K], weight [N, K], bias [N] -> [..., N]. */
export function linear(x: Value, weight: Value, bias?: Value): Value {
	const rows = reshape(x, [numElements(x.shape.slice(0, -1)), dimAt(x.shape, -1)]); // [..., K] -> [rows, K]
	const operands = bias === undefined ? [rows, weight] : [rows, weight, bias];
	const product = x.graph.apply("gemm", operands, { transA: false, transB: true, alpha: 1 });
	return reshape(product, [...x.shape.slice(0, -1), dimAt(weight.shape, 0)]);
}

/**
 * sum + term for the reverse sweep. A term that is a Gemm nobody else uses takes the sum as its third operand,
 * which saves a pass over memory.
 */
export function accumulate(sum: Value, term: Value, unshared: boolean): Value {
	const node = term.graph.nodeOf(term);
	const operands = term.graph.inputsOf(term);
	if (
		unshared &&
		node.kind === "op" &&
		node.op === "gemm" &&
		operands.length === 2 &&
		sameShape(sum.shape, term.shape)
	) {
		return term.graph.apply("gemm", [...operands, sum], node.attrs);
	}
	return add(sum, term);
}
