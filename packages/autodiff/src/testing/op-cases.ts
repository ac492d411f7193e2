// One line per op and variant: operands, what is built, what type comes out. `ops.test.ts` checks shape inference,
// forward values and gradients of each, and that no op is missing here.
import type { DType, Shape } from "@zk0/arrays";
import * as elementwise from "../expr/elementwise.ts";
import { linear, matmul } from "../expr/linalg.ts";
import { concat, expand, gather, pad, reshape, scatterAdd, slice, transpose } from "../expr/movement.ts";
import { frozenLayerNorm, frozenRmsNorm, rope, softmax } from "../expr/nn.ts";
import { reduceMean, reduceSum } from "../expr/reduction.ts";
import type { TensorType, Value } from "../graph.ts";

/** An operand: its type, and the range its random values come from. */
export interface Operand {
	readonly dtype: DType;
	readonly shape: Shape;
	readonly low: number;
	readonly high: number;
}

/** One test row. */
export interface OpCase {
	readonly op: string;
	readonly variant?: string;
	readonly operands: readonly Operand[];
	readonly build: (...values: Value[]) => Value;
	readonly output: TensorType;
	/** Which operands get a gradient; default the float32 ones. */
	readonly differentiable?: readonly number[];
}

const f32 = (shape: Shape, low = -2, high = 2): Operand => ({ dtype: "float32", shape, low, high });
const i64 = (shape: Shape, high: number): Operand => ({ dtype: "int64", shape, low: 0, high });
const bool = (shape: Shape): Operand => ({ dtype: "bool", shape, low: 0, high: 2 });
const out = (shape: Shape, dtype: DType = "float32"): TensorType => ({ dtype, shape });

function unary(op: string, build: (x: Value) => Value, low = -2, high = 2): OpCase {
	return { op, operands: [f32([2, 3], low, high)], build: (x) => build(one(x)), output: out([2, 3]) };
}

function binary(op: string, build: (a: Value, b: Value) => Value, low = -2): OpCase[] {
	const make = (variant: string, a: Shape, b: Shape, shape: Shape): OpCase => ({
		op,
		variant,
		operands: [f32(a), f32(b, low)],
		build: (x, y) => build(one(x), one(y)),
		output: out(shape),
	});
	return [
		make("same shape", [2, 3], [2, 3], [2, 3]),
		make("row and column", [3], [2, 1], [2, 3]),
		make("scalar", [2, 2, 2], [], [2, 2, 2]),
	];
}

function compare(op: string, build: (a: Value, b: Value) => Value): OpCase {
	const operands = [i64([2, 3], 3), i64([3], 3)];
	return { op, operands, build: (x, y) => build(one(x), one(y)), output: out([2, 3], "bool") };
}

function product(
	variant: string,
	a: Shape,
	b: Shape,
	shape: Shape,
	flags: { transA?: boolean; transB?: boolean },
): OpCase {
	return {
		op: a.length === 2 ? "gemm" : "matmul",
		variant,
		operands: [f32(a), f32(b)],
		build: (x, y) => matmul(one(x), one(y), { ...flags, alpha: 0.5 }),
		output: out(shape),
	};
}

/** An operand that every case has. */
function one(value: Value | undefined): Value {
	if (value === undefined) throw new TypeError("the case has too few operands");
	return value;
}

const { where, cast } = elementwise;

/** All test rows. */
export const OP_CASES: readonly OpCase[] = [
	...binary("add", elementwise.add),
	...binary("sub", elementwise.sub),
	...binary("mul", elementwise.mul),
	...binary("div", elementwise.div, 0.5),
	...binary("maximum", elementwise.maximum),
	...binary("minimum", elementwise.minimum),
	compare("equal", elementwise.equal),
	compare("less", elementwise.less),
	compare("lessOrEqual", elementwise.lessOrEqual),
	{
		op: "where",
		operands: [bool([2, 3]), f32([3]), f32([2, 1])],
		build: (c, a, b) => where(one(c), one(a), one(b)),
		output: out([2, 3]),
	},
	unary("neg", elementwise.neg),
	unary("abs", elementwise.abs),
	unary("exp", elementwise.exp),
	unary("log", elementwise.log, 0.3),
	unary("sqrt", elementwise.sqrt, 0.3),
	unary("sin", elementwise.sin),
	unary("cos", elementwise.cos),
	unary("sigmoid", elementwise.sigmoid),
	unary("tanh", elementwise.tanh),
	unary("reciprocal", elementwise.reciprocal, 0.3),
	unary("square", elementwise.square),
	unary("silu", elementwise.silu, -4, 4),
	unary("geluTanh", elementwise.geluTanh, -4, 4),
	{ op: "cast", operands: [i64([2, 3], 9)], build: (x) => cast(one(x), "float32"), output: out([2, 3]) },
	{
		op: "cast",
		variant: "to int64",
		operands: [f32([2, 3])],
		build: (x) => cast(one(x), "int64"),
		output: out([2, 3], "int64"),
		differentiable: [],
	},
	product("plain", [2, 3, 4, 5], [2, 3, 5, 2], [2, 3, 4, 2], {}),
	product("transA", [2, 5, 4], [2, 5, 2], [2, 4, 2], { transA: true }),
	product("transB", [2, 4, 5], [2, 2, 5], [2, 4, 2], { transB: true }),
	product("transA and transB", [2, 5, 4], [2, 2, 5], [2, 4, 2], { transA: true, transB: true }),
	product("broadcast", [2, 3, 4, 5], [1, 3, 5, 2], [2, 3, 4, 2], {}),
	{
		op: "matmul",
		variant: "without flags",
		operands: [f32([2, 3, 4]), f32([2, 4, 5])],
		build: (x, y) => matmul(one(x), one(y)),
		output: out([2, 3, 5]),
	},
	product("plain", [4, 5], [5, 2], [4, 2], {}),
	product("transA", [5, 4], [5, 2], [4, 2], { transA: true }),
	product("transB", [4, 5], [2, 5], [4, 2], { transB: true }),
	product("transA and transB", [5, 4], [2, 5], [4, 2], { transA: true, transB: true }),
	{
		op: "gemm",
		variant: "linear with bias",
		operands: [f32([2, 3, 4]), f32([5, 4]), f32([5])],
		build: (x, w, b) => linear(one(x), one(w), one(b)),
		output: out([2, 3, 5]),
	},
	{
		op: "gemm",
		variant: "batched rows",
		operands: [f32([2, 3, 4]), f32([4, 5])],
		build: (x, w) => matmul(one(x), one(w)),
		output: out([2, 3, 5]),
	},
	{ op: "reshape", operands: [f32([2, 3])], build: (x) => reshape(one(x), [3, -1]), output: out([3, 2]) },
	{
		op: "transpose",
		operands: [f32([2, 3, 4])],
		build: (x) => transpose(one(x), [2, 0, 1]),
		output: out([4, 2, 3]),
	},
	{
		op: "concat",
		operands: [f32([2, 3]), f32([2, 1]), f32([2, 2])],
		build: (a, b, c) => concat([one(a), one(b), one(c)], -1),
		output: out([2, 6]),
	},
	{
		op: "slice",
		operands: [f32([2, 5, 2])],
		build: (x) => slice(one(x), { axis: 1, start: 1, end: 4 }),
		output: out([2, 3, 2]),
	},
	{
		op: "pad",
		operands: [f32([2, 3])],
		build: (x) => pad(one(x), { axis: -1, before: 1, after: 2 }),
		output: out([2, 6]),
	},
	{ op: "expand", operands: [f32([3, 1])], build: (x) => expand(one(x), [2, 3, 4]), output: out([2, 3, 4]) },
	{
		op: "gather",
		operands: [f32([5, 3]), i64([2, 4], 5)],
		build: (table, indices) => gather(one(table), one(indices)),
		output: out([2, 4, 3]),
	},
	{
		op: "gather",
		variant: "middle axis",
		operands: [f32([2, 5, 3]), i64([2, 2], 5)],
		build: (table, indices) => gather(one(table), one(indices), 1),
		output: out([2, 2, 2, 3]),
	},
	{
		op: "scatterAdd",
		operands: [i64([2, 4], 5), f32([2, 4, 3])],
		build: (indices, updates) => scatterAdd(one(indices), one(updates), 5),
		output: out([5, 3]),
	},
	{
		op: "reduceSum",
		operands: [f32([2, 3, 4])],
		build: (x) => reduceSum(one(x), { axes: [0, -1] }),
		output: out([3]),
	},
	{
		op: "reduceMean",
		operands: [f32([2, 3, 4])],
		build: (x) => reduceMean(one(x), { axes: [1], keepDims: true }),
		output: out([2, 1, 4]),
	},
	{
		op: "reduceMean",
		variant: "all",
		operands: [f32([2, 3])],
		build: (x) => reduceMean(one(x)),
		output: out([]),
	},
	{ op: "softmax", operands: [f32([2, 3, 4])], build: (x) => softmax(one(x)), output: out([2, 3, 4]) },
	{
		op: "rope",
		operands: [f32([2, 2, 3, 4]), f32([2, 1, 3, 2]), f32([2, 1, 3, 2])],
		build: (x, cos, sin) => rope(one(x), one(cos), one(sin)),
		output: out([2, 2, 3, 4]),
		differentiable: [0],
	},
	{
		op: "frozenLayerNorm",
		operands: [f32([2, 3, 4]), f32([4]), f32([4])],
		build: (x, weight, bias) => frozenLayerNorm(one(x), one(weight), one(bias), 1e-5),
		output: out([2, 3, 4]),
		differentiable: [],
	},
	{
		op: "frozenRmsNorm",
		operands: [f32([2, 3, 4]), f32([4])],
		build: (x, weight) => frozenRmsNorm(one(x), one(weight), 1e-5),
		output: out([2, 3, 4]),
		differentiable: [],
	},
];
