// Rows of the elementwise ops: NumPy broadcasting, one ONNX node each where ONNX has one.
import type { DType } from "@zk0/arrays";
import {
	add,
	cast,
	cos,
	div,
	lessOrEqual,
	mul,
	neg,
	sigmoid,
	sin,
	square,
	sub,
	where,
} from "../expr/elementwise.ts";
import { sumTo } from "../expr/reduction.ts";
import type { TensorType, Value } from "../graph.ts";
import { ONNX_DTYPES } from "../onnx/proto.ts";
import type { Op } from "../op.ts";
import { broadcastShapes, demand, operand } from "../shape.ts";

const NUMBERS: readonly DType[] = ["float32", "int32", "int64"];

type UnaryGradient = (grad: Value, output: Value, input: Value) => Value;
type BinaryGradient = (grad: Value, output: Value, a: Value, b: Value) => readonly [Value, Value];

/** A float32 op of one operand that is one ONNX node. */
function unary(type: string, gradient: UnaryGradient, dtypes: readonly DType[] = ["float32"]): Op {
	return {
		infer: (inputs) => ({ dtype: demand(inputs, 1, dtypes), shape: operand(inputs, 0).shape }),
		gradient: (grad, output, inputs) => [gradient(grad, output, operand(inputs, 0))],
		emit: (onnx, site) => onnx.node(type, site.inputs, [site.output]),
	};
}

function inferBroadcast(inputs: readonly TensorType[], dtypes: readonly DType[]): TensorType {
	const dtype = demand(inputs, 2, dtypes);
	return { dtype, shape: broadcastShapes(...inputs.map((input) => input.shape)) };
}

/** A broadcasting op of two operands that is one ONNX node. */
function binary(type: string, gradient: BinaryGradient, dtypes: readonly DType[] = NUMBERS): Op {
	return {
		infer: (inputs) => inferBroadcast(inputs, dtypes),
		gradient: (grad, output, inputs) => {
			const [a, b] = [operand(inputs, 0), operand(inputs, 1)];
			const [gradA, gradB] = gradient(grad, output, a, b);
			return [sumTo(gradA, a.shape), sumTo(gradB, b.shape)];
		},
		emit: (onnx, site) => onnx.node(type, site.inputs, [site.output]),
	};
}

/** A comparison: bool output, piecewise constant. */
function comparison(type: string): Op {
	return {
		infer: (inputs) => ({ ...inferBroadcast(inputs, NUMBERS), dtype: "bool" }),
		gradient: () => [null, null],
		emit: (onnx, site) => onnx.node(type, site.inputs, [site.output]),
	};
}

/** sqrt(2/pi)*2 and its product with 0.044715: gelu_tanh(x) = x * sigmoid(x * (GELU_LINEAR + GELU_CUBIC x^2)). */
const GELU_LINEAR = 1.5957691216057308;
const GELU_CUBIC = GELU_LINEAR * 0.044715;

/** y = x s(u): dy/dx = s + y (1 - s) u'. */
function geluGradient(grad: Value, output: Value, x: Value): Value {
	const squared = square(x);
	const s = sigmoid(mul(x, add(mul(squared, GELU_CUBIC), GELU_LINEAR)));
	const slope = add(mul(squared, 3 * GELU_CUBIC), GELU_LINEAR);
	return mul(grad, add(s, mul(mul(output, sub(1, s)), slope)));
}

const whereOp: Op = {
	infer: (inputs) => {
		if (operand(inputs, 0).dtype !== "bool") throw new TypeError("expects a bool condition");
		const dtype = demand(inputs.slice(1), 2, NUMBERS);
		return { dtype, shape: broadcastShapes(...inputs.map((input) => input.shape)) };
	},
	gradient: (grad, _output, inputs) => {
		const [condition, a, b] = [operand(inputs, 0), operand(inputs, 1), operand(inputs, 2)];
		return [null, sumTo(where(condition, grad, 0), a.shape), sumTo(where(condition, 0, grad), b.shape)];
	},
	emit: (onnx, site) => onnx.node("Where", site.inputs, [site.output]),
};

/** Operands: x and sigmoid(x), kept because the gradient needs it. All of the gradient goes through x. */
const siluOp: Op = {
	backward: "again",
	infer: (inputs) => ({ dtype: demand(inputs, 2), shape: inferBroadcast(inputs, ["float32"]).shape }),
	gradient: (grad, output, inputs) => {
		const s = operand(inputs, 1);
		return [mul(grad, add(s, mul(output, sub(1, s)))), null];
	},
	emit: (onnx, site) => onnx.node("Mul", site.inputs, [site.output]),
};

const geluOp: Op = {
	...unary("Gelu", geluGradient),
	emit: (onnx, site) =>
		onnx.node("Gelu", site.inputs, [site.output], { attrs: { approximate: { string: "tanh" } } }),
};

const squareOp: Op = {
	...unary("Mul", (grad, _output, x) => mul(mul(grad, 2), x)),
	emit: (onnx, site) => onnx.node("Mul", [operand(site.inputs, 0), operand(site.inputs, 0)], [site.output]),
};

const absOp: Op = unary("Abs", (grad, _output, x) =>
	where(lessOrEqual(0, x), where(lessOrEqual(x, 0), 0, grad), neg(grad)),
);

/** Gradient flows where both sides are float32; conversions from or to integers are piecewise constant. */
const castOp: Op<{ readonly to: DType }> = {
	infer: (inputs, { to }) => {
		if (inputs.length !== 1) throw new TypeError(`takes 1 operand, got ${inputs.length}`);
		return { dtype: to, shape: operand(inputs, 0).shape };
	},
	gradient: (grad, output, inputs) => {
		const from = operand(inputs, 0).dtype;
		return [from === "float32" && output.dtype === "float32" ? cast(grad, from) : null];
	},
	emit: (onnx, site, { to }) =>
		onnx.node("Cast", site.inputs, [site.output], { attrs: { to: { int: ONNX_DTYPES[to] } } }),
};

/** Elementwise rows by op name. */
export const ELEMENTWISE = {
	add: binary("Add", (grad) => [grad, grad]),
	sub: binary("Sub", (grad) => [grad, neg(grad)]),
	mul: { ...binary("Mul", (grad, _output, a, b) => [mul(grad, b), mul(grad, a)]), backward: "again" },
	div: binary("Div", (grad, output, _a, b) => [div(grad, b), neg(div(mul(grad, output), b))], ["float32"]),
	maximum: binary(
		"Max",
		(grad, _output, a, b) => [where(lessOrEqual(b, a), grad, 0), where(lessOrEqual(b, a), 0, grad)],
		["float32"],
	),
	minimum: binary(
		"Min",
		(grad, _output, a, b) => [where(lessOrEqual(a, b), grad, 0), where(lessOrEqual(a, b), 0, grad)],
		["float32"],
	),
	equal: comparison("Equal"),
	less: comparison("Less"),
	lessOrEqual: comparison("LessOrEqual"),
	where: whereOp,
	neg: unary("Neg", (grad) => neg(grad), NUMBERS),
	abs: absOp,
	exp: unary("Exp", (grad, output) => mul(grad, output)),
	log: unary("Log", (grad, _output, x) => div(grad, x)),
	sqrt: unary("Sqrt", (grad, output) => div(mul(grad, 0.5), output)),
	sin: unary("Sin", (grad, _output, x) => mul(grad, cos(x))),
	cos: unary("Cos", (grad, _output, x) => neg(mul(grad, sin(x)))),
	sigmoid: {
		...unary("Sigmoid", (grad, output) => mul(grad, mul(output, sub(1, output)))),
		backward: "again",
	},
	tanh: unary("Tanh", (grad, output) => mul(grad, sub(1, square(output)))),
	reciprocal: unary("Reciprocal", (grad, output) => neg(mul(grad, square(output)))),
	square: squareOp,
	silu: siluOp,
	geluTanh: geluOp,
	cast: castOp,
} as const;
