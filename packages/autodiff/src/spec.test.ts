// The validity check on hand-made broken graphs, and the errors of shape inference.
import { float32Array, ndArray } from "@zk0/arrays";
import { describe, expect, test } from "vitest";
import { createGraph } from "./create-graph.ts";
import { add, exp, less, sub, where } from "./expr/elementwise.ts";
import { linear, matmul } from "./expr/linalg.ts";
import {
	concat,
	expand,
	gather,
	pad,
	reshape,
	scatterAdd,
	slice,
	split,
	transpose,
} from "./expr/movement.ts";
import { attention, frozenRmsNorm, repeatHeads, rope, softmax } from "./expr/nn.ts";
import { reduceSum } from "./expr/reduction.ts";
import type { Graph, Node } from "./graph.ts";
import { OPS } from "./ops/table.ts";
import { verifyGraph } from "./spec.ts";

const input: Node = { id: 0, kind: "input", name: "x", dtype: "float32", shape: [2, 3] };
const op = (id: number, name: string, inputs: readonly number[], more: Partial<Node> = {}): Node => ({
	id,
	kind: "op",
	op: name,
	inputs,
	attrs: {},
	dtype: more.dtype ?? "float32",
	shape: more.shape ?? [2, 3],
});

function errorOf(build: () => unknown): Error {
	try {
		build();
	} catch (error) {
		if (error instanceof Error) return error;
	}
	throw new TypeError("nothing was thrown");
}

function check(nodes: readonly Node[], outputs: Graph["outputs"] = new Map()): () => void {
	return () => verifyGraph({ nodes, outputs }, OPS);
}

describe("verifyGraph", () => {
	test("accepts what the builder builds", () => {
		expect(check([input, op(1, "exp", [0])], new Map([["y", 1]]))).not.toThrow();
	});

	test.each<[string, readonly Node[], RegExp]>([
		["an unknown op", [input, op(1, "convolve", [0])], /unknown op "convolve"/],
		["an inherited name", [input, op(1, "toString", [0])], /unknown op "toString"/],
		["a dangling operand", [input, op(1, "exp", [7])], /node #1 \(exp\) uses missing node #7/],
		[
			"a cycle",
			[input, op(1, "exp", [2]), op(2, "exp", [1])],
			/node #1 \(exp\) uses node #2, which does not come/,
		],
		["a self-reference", [input, op(1, "exp", [1])], /uses node #1, which does not come before it/],
		[
			"a wrong dtype",
			[input, op(1, "exp", [0], { dtype: "int64" })],
			/recorded as int64\[2,3\], but the output of exp/,
		],
		[
			"a wrong shape",
			[input, op(1, "exp", [0], { shape: [3, 2] })],
			/recorded as float32\[3,2\], but the output of exp/,
		],
		["a duplicate name", [input, { ...input, id: 1 }], /name "x" is used twice/],
		["an empty name", [{ ...input, name: "" }], /node #0 has an empty name/],
		["a wrong id", [{ ...input, id: 3 }], /node at position 0 has id 3/],
		["a missing operand", [input, op(1, "add", [0])], /add\(float32\[2,3\]\): takes 2 operands, got 1/],
		[
			"a parameter that is no float32",
			[{ id: 0, kind: "parameter", name: "p", dtype: "int64", shape: [1] }],
			/recorded as int64\[1\], but a parameter is float32\[1\]/,
		],
		[
			"an initializer of another shape",
			[
				{
					id: 0,
					kind: "initializer",
					name: "w",
					dtype: "float32",
					shape: [3],
					array: float32Array([2], [1, 2]),
				},
			],
			/recorded as float32\[3\], but its array is float32\[2\]/,
		],
		[
			"a constant with too few elements",
			[
				{
					id: 0,
					kind: "constant",
					dtype: "float32",
					shape: [3],
					array: { dtype: "float32", shape: [3], data: new Float32Array(2) },
				},
			],
			/holds 2 elements/,
		],
		[
			"an external region of the wrong size",
			[
				{
					id: 0,
					kind: "external",
					name: "w",
					dtype: "float32",
					shape: [3],
					region: { path: "/w", offsetBytes: 0, sizeBytes: 8 },
				},
			],
			/"w" float32\[3\] needs 12 bytes, its region has 8/,
		],
	])("rejects %s", (_what, nodes, message) => {
		expect(check(nodes)).toThrow(message);
	});

	test("rejects outputs that point nowhere or reuse a name", () => {
		expect(check([input], new Map([["y", 4]]))).toThrow(/output "y" points at missing node #4/);
		expect(check([input], new Map([["x", 0]]))).toThrow(/name "x" is used twice/);
	});
});

describe("shape and dtype errors name the op and its operands", () => {
	const graph = createGraph();
	const f = (name: string, shape: readonly number[]) => graph.input(name, "float32", shape);
	const [a, b] = [f("a", [8, 32]), f("b", [64, 4])];
	const indices = graph.input("indices", "int64", [5]);
	const heads = f("heads", [1, 3, 2, 4]);

	test.each<[string, () => unknown, typeof RangeError | typeof TypeError, RegExp]>([
		[
			"matmul",
			() => matmul(a, b),
			RangeError,
			/^gemm\(float32\[8,32\], float32\[64,4\]\): inner dimensions differ: 32 and 64/,
		],
		["vector", () => matmul(f("v", [4]), b), RangeError, /operands must have at least 2 axes/],
		["linear bias", () => linear(a, f("w", [5, 32]), f("wrong", [4])), RangeError, /do not broadcast/],
		[
			"add",
			() => add(a, b),
			RangeError,
			/^add\(float32\[8,32\], float32\[64,4\]\): shapes \[8,32\] and \[64,4\] do not/,
		],
		[
			"mixed dtypes",
			() => sub(a, indices),
			TypeError,
			/^sub\(float32\[8,32\], int64\[5\]\): expects operands of one dtype/,
		],
		[
			"exp of int64",
			() => exp(indices),
			TypeError,
			/^exp\(int64\[5\]\): expects operands of one dtype out of float32/,
		],
		["number beside bool", () => add(less(a, a), 1), TypeError, /a number cannot stand beside bool/],
		["two numbers", () => add(1, 2), TypeError, /add: at least one operand must be a value/],
		["where", () => where(a, a, a), TypeError, /expects a bool condition/],
		["reshape", () => reshape(a, [7, 5]), RangeError, /256 elements do not fill \[7,5\]/],
		["two unknowns", () => reshape(a, [-1, -1]), RangeError, /more than one -1/],
		["transpose", () => transpose(a, [0, 0]), RangeError, /\[0,0\] is no permutation of 2 axes/],
		["concat", () => concat([a, b], 0), RangeError, /operands differ outside axis 0/],
		["concat of nothing", () => concat([], 0), TypeError, /needs at least one value/],
		[
			"slice",
			() => slice(a, { axis: 0, start: 4, end: 9 }),
			RangeError,
			/range 4..9 is empty or outside axis 0 of length 8/,
		],
		["split", () => split(a, [3, 4], 0), RangeError, /sizes \[3,4\] do not add up to 8/],
		["pad", () => pad(a, { axis: 0, before: -1, after: 0 }), RangeError, /amounts -1 and 0 are not counts/],
		["expand", () => expand(a, [8, 31]), RangeError, /do(es)? not broadcast/],
		["axis", () => reduceSum(a, { axes: [2] }), RangeError, /axis 2 is out of range for rank 2/],
		["repeated axis", () => reduceSum(a, { axes: [0, -2] }), RangeError, /repeat an axis/],
		["gather", () => gather(a, b), TypeError, /expects int32 or int64 indices/],
		["scatterAdd", () => scatterAdd(indices, a, 3), RangeError, /leading axes of the updates differ/],
		["softmax of a scalar", () => softmax(graph.constant(1)), RangeError, /has no axis -1/],
		["rope", () => rope(heads, f("c", [2, 3]), f("s", [2, 3])), RangeError, /do(es)? not broadcast/],
		["odd rope", () => rope(f("o", [2, 3]), a, a), RangeError, /odd length 3/],
		["norm", () => frozenRmsNorm(a, f("n", [4]), 1e-5), RangeError, /weight and bias must be \[32\]/],
		[
			"attention",
			() => attention(heads, f("k", [1, 2, 5, 4]), f("val", [1, 2, 5, 4])),
			RangeError,
			/H a multiple of K/,
		],
		["repeatHeads", () => repeatHeads(a, 2), RangeError, /expects \[B,H,T,D\], got \[8,32\]/],
		["zero dimension", () => f("zero", [0]), RangeError, /every dimension must be at least 1/],
		["name twice", () => f("a", [1]), RangeError, /name "a" is used twice/],
		["reserved name", () => f("#3", [1]), RangeError, /reserved "#"/],
		["output name", () => graph.output("a", a), RangeError, /name "a" is used twice/],
		["op", () => graph.apply("convolve", [a]), RangeError, /unknown op "convolve"/],
		[
			"data",
			() => graph.constant({ dtype: "float32", shape: [2], data: new Float32Array(3) }),
			RangeError,
			/3 elements/,
		],
	])("%s", (_what, build, kind, message) => {
		const error = errorOf(build);
		expect(error).toBeInstanceOf(kind);
		expect(error.message).toMatch(message);
	});

	test("initializers of any dtype are fine", () => {
		expect(graph.initializer("half", ndArray("bfloat16", [2], Uint16Array.of(1, 2))).dtype).toBe("bfloat16");
	});
});
