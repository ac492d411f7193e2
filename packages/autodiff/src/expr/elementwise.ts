// Elementwise functions over values. Operands broadcast as in NumPy; numbers are accepted beside a value.
// An operand that was only expanded is used unexpanded and the result expanded later, if anyone still needs that:
// this keeps the gradients of reductions small.
import { type DType, ndArray, sameShape } from "@zk0/arrays";
import type { Value } from "../graph.ts";
import { broadcastShapes } from "../shape.ts";
import { beforeExpand, expand } from "./movement.ts";

/** A value, or a number that becomes a scalar of the other operand's dtype. */
export type Operand = Value | number;

/** a + b. float32, int32 or int64. */
export function add(a: Operand, b: Operand): Value {
	return binary("add", a, b);
}

/** a - b. float32, int32 or int64. */
export function sub(a: Operand, b: Operand): Value {
	return binary("sub", a, b);
}

/** a * b. float32, int32 or int64. */
export function mul(a: Operand, b: Operand): Value {
	if (typeof a !== "number" && isOne(b)) return a;
	if (typeof b !== "number" && isOne(a)) return b;
	return binary("mul", a, b);
}

/** a / b. float32. */
export function div(a: Operand, b: Operand): Value {
	return binary("div", a, b);
}

/** The larger of a and b; the gradient of a tie goes to a. */
export function maximum(a: Operand, b: Operand): Value {
	return binary("maximum", a, b);
}

/** The smaller of a and b; the gradient of a tie goes to a. */
export function minimum(a: Operand, b: Operand): Value {
	return binary("minimum", a, b);
}

/** a == b as bool. */
export function equal(a: Operand, b: Operand): Value {
	return binary("equal", a, b);
}

/** a < b as bool. */
export function less(a: Operand, b: Operand): Value {
	return binary("less", a, b);
}

/** a <= b as bool. */
export function lessOrEqual(a: Operand, b: Operand): Value {
	return binary("lessOrEqual", a, b);
}

/** a where `condition` (bool) holds, else b; all three broadcast. */
export function where(condition: Value, a: Operand, b: Operand): Value {
	const [x, y] = operands("where", a, b, condition);
	return condition.graph.apply("where", [condition, x, y]);
}

/** -x. */
export function neg(x: Value): Value {
	return unary("neg", x);
}

/** |x|; its gradient at 0 is 0. */
export function abs(x: Value): Value {
	return unary("abs", x);
}

/** e to the x. */
export function exp(x: Value): Value {
	return unary("exp", x);
}

/** Natural logarithm. */
export function log(x: Value): Value {
	return unary("log", x);
}

/** Square root. */
export function sqrt(x: Value): Value {
	return unary("sqrt", x);
}

/** Sine of radians; on WebGPU only to 2^-11 (WGSL's accuracy), measured 2e-4. */
export function sin(x: Value): Value {
	return unary("sin", x);
}

/** Cosine of radians; on WebGPU only to 2^-11 (WGSL's accuracy), measured 2e-4. */
export function cos(x: Value): Value {
	return unary("cos", x);
}

/** 1 / (1 + e^-x). */
export function sigmoid(x: Value): Value {
	return unary("sigmoid", x);
}

/** Hyperbolic tangent. */
export function tanh(x: Value): Value {
	return unary("tanh", x);
}

/** 1 / x. */
export function reciprocal(x: Value): Value {
	return unary("reciprocal", x);
}

/** x * x. */
export function square(x: Value): Value {
	return unary("square", x);
}

/** x * sigmoid(x), keeping sigmoid(x) for the gradient (Elfwing et al., 2018). */
export function silu(x: Value): Value {
	return x.graph.apply("silu", [x, sigmoid(x)]);
}

/** Tanh approximation of x * Phi(x) (Hendrycks & Gimpel, 2016), as PyTorch's `gelu(approximate="tanh")`. */
export function geluTanh(x: Value): Value {
	return unary("geluTanh", x);
}

/** x converted to another dtype; float32 to float32 is x itself. */
export function cast(x: Value, dtype: DType): Value {
	return x.dtype === dtype ? x : x.graph.apply("cast", [x], { to: dtype });
}

function unary(op: string, x: Value): Value {
	const narrow = beforeExpand(x);
	return expand(x.graph.apply(op, [narrow]), x.shape);
}

function binary(op: string, a: Operand, b: Operand): Value {
	const [x, y] = operands(op, a, b);
	const narrowX = beforeExpand(x);
	const narrowY = beforeExpand(y);
	const result = x.graph.apply(op, [narrowX, narrowY]);
	return narrowX === x && narrowY === y ? result : expand(result, broadcastShapes(x.shape, y.shape));
}

function operands(op: string, a: Operand, b: Operand, like?: Value): [Value, Value] {
	if (typeof a !== "number") return [a, typeof b === "number" ? scalar(a, b, a.dtype) : b];
	if (typeof b !== "number") return [scalar(b, a, b.dtype), b];
	if (like !== undefined) return [scalar(like, a, "float32"), scalar(like, b, "float32")];
	throw new TypeError(`${op}: at least one operand must be a value, got ${a} and ${b}`);
}

function scalar(like: Value, number: number, dtype: DType): Value {
	if (dtype === "float32") return like.graph.constant(number);
	if (dtype === "int64") return like.graph.constant(ndArray("int64", [], BigInt64Array.of(BigInt(number))));
	if (dtype === "int32") return like.graph.constant(ndArray("int32", [], Int32Array.of(number)));
	throw new TypeError(`a number cannot stand beside ${dtype}; use float32, int32 or int64`);
}

function isOne(x: Operand): boolean {
	if (typeof x === "number") return x === 1;
	const node = x.graph.nodeOf(x);
	return node.kind === "constant" && sameShape(node.shape, []) && Number(node.array.data[0]) === 1;
}
