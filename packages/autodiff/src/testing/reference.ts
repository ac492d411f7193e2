// Test oracle: evaluates a graph in float64 with the plainest loops there are, one function per op, sharing no code
// with the rows. Only for tiny tensors.
import type { NdArray, Shape } from "@zk0/arrays";
import { type Attrs, describeType, type Graph, type Node } from "../graph.ts";

/** A float64 tensor; integers and bools are stored as numbers too. */
export interface Tensor {
	readonly shape: Shape;
	readonly data: Float64Array;
}

/** Outputs of a graph for feeds (inputs and parameters by name). */
export function evaluate(graph: Graph, feeds: ReadonlyMap<string, Tensor>): Map<string, Tensor> {
	const values: Tensor[] = [];
	const at = (id: number): Tensor => values[id] ?? fail(`no value ${id}`);
	for (const node of graph.nodes) values.push(evaluateNode(node, feeds, at));
	return new Map([...graph.outputs].map(([name, id]) => [name, at(id)]));
}

/** Float64 copy of an array. */
export function toTensor(array: NdArray): Tensor {
	return { shape: array.shape, data: Float64Array.from(array.data, Number) };
}

function evaluateNode(node: Node, feeds: ReadonlyMap<string, Tensor>, at: (id: number) => Tensor): Tensor {
	if (node.kind === "input" || node.kind === "parameter")
		return feeds.get(node.name) ?? fail(`no feed ${node.name}`);
	if (node.kind === "initializer" || node.kind === "constant") return toTensor(node.array);
	if (node.kind === "external") return fail("external weights are for the runtime");
	const compute = OPS[node.op] ?? fail(`no reference for ${node.op}`);
	const { data } = compute(node.inputs.map(at), node.attrs, node.shape);
	if (data.length !== product(node.shape)) fail(`${node.op} gives no ${describeType(node)}`);
	return { shape: node.shape, data };
}

type Compute = (inputs: readonly Tensor[], attrs: Attrs, shape: Shape) => Tensor;

function map(f: (x: number) => number): Compute {
	return ([x = EMPTY]) => ({ shape: x.shape, data: x.data.map(f) });
}

function zip(f: (...values: readonly number[]) => number): Compute {
	return (inputs, _attrs, shape) => fill(shape, (index) => f(...inputs.map((input) => pick(input, index))));
}

/** Element of a tensor that broadcasts to the rank of `index`. */
function pick(x: Tensor, index: readonly number[]): number {
	let offset = 0;
	const skip = index.length - x.shape.length;
	x.shape.forEach((dim, axis) => {
		offset = offset * dim + (dim === 1 ? 0 : (index[axis + skip] ?? 0));
	});
	return x.data[offset] ?? Number.NaN;
}

function fill(shape: Shape, f: (index: readonly number[]) => number): Tensor {
	const data = new Float64Array(product(shape));
	for (let flat = 0; flat < data.length; flat++) {
		const index: number[] = [];
		let rest = flat;
		for (const dim of shape.toReversed()) {
			index.unshift(rest % dim);
			rest = Math.floor(rest / dim);
		}
		data[flat] = f(index);
	}
	return { shape, data };
}

const sigmoid = (x: number): number => 1 / (1 + Math.exp(-x));
const gelu = (x: number): number =>
	0.5 * x * (1 + Math.tanh(Math.sqrt(2 / Math.PI) * (x + 0.044715 * x ** 3)));

function product(shape: Shape): number {
	return shape.reduce((total, dim) => total * dim, 1);
}

const matmul: Compute = ([a = EMPTY, b = EMPTY, c], attrs, shape) => {
	const inner = attrs["transA"] === true ? (a.shape.at(-2) ?? 1) : (a.shape.at(-1) ?? 1);
	return fill(shape, (index) => {
		const [lead, m, n] = [index.slice(0, -2), index.at(-2) ?? 0, index.at(-1) ?? 0];
		let sum = 0;
		for (let k = 0; k < inner; k++) {
			const left = pick(a, [...lead, ...(attrs["transA"] === true ? [k, m] : [m, k])]);
			sum += left * pick(b, [...lead, ...(attrs["transB"] === true ? [n, k] : [k, n])]);
		}
		return Number(attrs["alpha"]) * sum + (c === undefined ? 0 : pick(c, index));
	});
};

function reduce(finish: (sum: number, count: number) => number): Compute {
	return ([x = EMPTY], attrs, shape) => {
		const axes = numbers(attrs["axes"]);
		const kept = x.shape.map((dim, axis) => (axes.includes(axis) ? 1 : dim));
		const inner = x.shape.map((dim, axis) => (axes.includes(axis) ? dim : 1));
		const sums = fill(kept, (index) => {
			let sum = 0;
			fill(inner, (offset) => {
				sum += pick(
					x,
					index.map((position, axis) => position + (offset[axis] ?? 0)),
				);
				return 0;
			});
			return finish(sum, product(inner));
		});
		return { shape, data: sums.data };
	};
}

/** Applies `f` to each row of the last axis. */
function rows(x: Tensor, f: (row: readonly number[], index: number) => readonly number[]): Tensor {
	const width = x.shape.at(-1) ?? 1;
	const data = new Float64Array(x.data.length);
	for (let start = 0; start < data.length; start += width) {
		data.set(f([...x.data.subarray(start, start + width)], start / width), start);
	}
	return { shape: x.shape, data };
}

const mean = (row: readonly number[]): number => row.reduce((sum, value) => sum + value, 0) / row.length;

const OPS: Readonly<Record<string, Compute>> = {
	add: zip((a = 0, b = 0) => a + b),
	sub: zip((a = 0, b = 0) => a - b),
	mul: zip((a = 0, b = 0) => a * b),
	div: zip((a = 0, b = 0) => a / b),
	maximum: zip((a = 0, b = 0) => Math.max(a, b)),
	minimum: zip((a = 0, b = 0) => Math.min(a, b)),
	equal: zip((a, b) => (a === b ? 1 : 0)),
	less: zip((a = 0, b = 0) => (a < b ? 1 : 0)),
	lessOrEqual: zip((a = 0, b = 0) => (a <= b ? 1 : 0)),
	where: zip((condition, a = 0, b = 0) => (condition === 1 ? a : b)),
	neg: map((x) => -x),
	abs: map(Math.abs),
	exp: map(Math.exp),
	log: map(Math.log),
	sqrt: map(Math.sqrt),
	sin: map(Math.sin),
	cos: map(Math.cos),
	sigmoid: map(sigmoid),
	tanh: map(Math.tanh),
	reciprocal: map((x) => 1 / x),
	square: map((x) => x * x),
	silu: map((x) => x * sigmoid(x)),
	geluTanh: map(gelu),
	cast: (inputs, attrs) => map(attrs["to"] === "float32" ? (x) => x : Math.trunc)(inputs, attrs, []),
	matmul,
	gemm: matmul,
	reduceSum: reduce((sum) => sum),
	reduceMean: reduce((sum, count) => sum / count),
	reshape: ([x = EMPTY], _attrs, shape) => ({ shape, data: x.data }),
	expand: ([x = EMPTY], _attrs, shape) => fill(shape, (index) => pick(x, index)),
	transpose: ([x = EMPTY], attrs, shape) => {
		const perm = numbers(attrs["perm"]);
		return fill(shape, (index) =>
			pick(
				x,
				perm.map((_, axis) => index[perm.indexOf(axis)] ?? 0),
			),
		);
	},
	concat: (inputs, attrs, shape) => {
		const axis = Number(attrs["axis"]);
		return fill(shape, (index) => {
			let position = index[axis] ?? 0;
			for (const input of inputs) {
				const size = input.shape[axis] ?? 0;
				if (position < size) return pick(input, index.with(axis, position));
				position -= size;
			}
			return Number.NaN;
		});
	},
	slice: ([x = EMPTY], attrs, shape) => {
		const axis = Number(attrs["axis"]);
		return fill(shape, (index) => at(x, index.with(axis, (index[axis] ?? 0) + Number(attrs["start"]))));
	},
	pad: ([x = EMPTY], attrs, shape) => {
		const axis = Number(attrs["axis"]);
		return fill(shape, (index) => {
			const position = (index[axis] ?? 0) - Number(attrs["before"]);
			return position < 0 || position >= (x.shape[axis] ?? 0) ? 0 : at(x, index.with(axis, position));
		});
	},
	gather: ([table = EMPTY, indices = EMPTY], attrs, shape) => {
		const axis = Number(attrs["axis"]);
		const rank = indices.shape.length;
		return fill(shape, (index) => {
			const row = at(indices, index.slice(axis, axis + rank));
			return at(table, [...index.slice(0, axis), row, ...index.slice(axis + rank)]);
		});
	},
	scatterAdd: ([indices = EMPTY, updates = EMPTY], _attrs, shape) => {
		const width = product(shape.slice(1));
		const data = new Float64Array(product(shape));
		updates.data.forEach((value, flat) => {
			const target = (indices.data[Math.floor(flat / width)] ?? 0) * width + (flat % width);
			data[target] = (data[target] ?? 0) + value;
		});
		return { shape, data };
	},
	softmax: ([x = EMPTY]) =>
		rows(x, (row) => {
			const peak = Math.max(...row);
			const total = row.reduce((sum, value) => sum + Math.exp(value - peak), 0);
			return row.map((value) => Math.exp(value - peak) / total);
		}),
	rope: ([x = EMPTY, cos = EMPTY, sin = EMPTY], _attrs, shape) => {
		const half = (shape.at(-1) ?? 0) / 2;
		return fill(shape, (index) => {
			const column = index.at(-1) ?? 0;
			const last = index.length - 1;
			const angle = index.with(last, column % half);
			const other = at(x, index.with(last, column < half ? column + half : column - half));
			return at(x, index) * pick(cos, angle) + (column < half ? -other : other) * pick(sin, angle);
		});
	},
	frozenLayerNorm: ([x = EMPTY, weight = EMPTY, bias = EMPTY], attrs) =>
		rows(x, (row) => {
			const center = mean(row);
			const variance = mean(row.map((value) => (value - center) ** 2));
			return row.map(
				(value, column) =>
					((value - center) / Math.sqrt(variance + Number(attrs["eps"]))) * (weight.data[column] ?? 0) +
					(bias.data[column] ?? 0),
			);
		}),
	frozenRmsNorm: ([x = EMPTY, weight = EMPTY], attrs) =>
		rows(x, (row) => {
			const scale = 1 / Math.sqrt(mean(row.map((value) => value * value)) + Number(attrs["eps"]));
			return row.map((value, column) => value * scale * (weight.data[column] ?? 0));
		}),
};

const EMPTY: Tensor = { shape: [], data: new Float64Array(1) };

function at(x: Tensor, index: readonly number[]): number {
	return (
		x.data[index.reduce((offset, position, axis) => offset * (x.shape[axis] ?? 1) + position, 0)] ??
		Number.NaN
	);
}

function numbers(value: Attrs[string] | undefined): readonly number[] {
	return Array.isArray(value) ? value : fail("attribute is no list");
}

function fail(message: string): never {
	throw new RangeError(`reference: ${message}`);
}
