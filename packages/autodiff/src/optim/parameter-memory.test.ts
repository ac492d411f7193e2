// The optimizer's memory and kernels against the formulas in float64.
import { type NamedArrays, type NdArray, ndArray, rng } from "@zk0/arrays";
import { describe, expect, test } from "vitest";
import { AutodiffError } from "../errors.ts";
import type { TensorType } from "../graph.ts";
import { checkAdamWOptions, clipScale } from "./adamw.ts";
import { ParameterMemory } from "./parameter-memory.ts";

const adamw = { beta1: 0.9, beta2: 0.95, eps: 1e-8, weightDecay: 0.01 };
const SHAPES: Readonly<Record<string, readonly number[]>> = { a: [3, 5], b: [1], c: [], d: [67] };
const types = new Map<string, TensorType>(
	Object.entries(SHAPES).map(([name, shape]) => [name, { dtype: "float32", shape }]),
);

function randomArrays(...path: readonly (string | number)[]): Map<string, NdArray<"float32">> {
	const random = rng("optimizer-test", ...path);
	const arrays = new Map<string, NdArray<"float32">>();
	for (const [name, shape] of Object.entries(SHAPES)) {
		const length = shape.reduce((product, dim) => product * dim, 1);
		arrays.set(
			name,
			ndArray(
				"float32",
				shape,
				Float32Array.from({ length }, () => random.normal()),
			),
		);
	}
	return arrays;
}

function fresh(): ParameterMemory {
	const memory = new ParameterMemory(types);
	memory.load(randomArrays("parameters"));
	return memory;
}

function setGradients(memory: ParameterMemory, arrays: NamedArrays): void {
	for (const [name, { data }] of arrays) {
		if (data instanceof Float32Array) memory.gradient(name).data.set(data);
	}
}

function flat(arrays: NamedArrays): number[] {
	return [...arrays.values()].flatMap(({ data }) => Array.from(data, Number));
}

function norm(values: readonly number[]): number {
	return Math.sqrt(values.reduce((sum, value) => sum + value * value, 0));
}

/** AdamW with clipping and proximal term in float64, as torch and FedProx define them. */
function reference(
	steps: number,
	options: { clipNorm: number | null; mu: number; learningRate: number },
): number[] {
	const anchor = flat(randomArrays("parameters"));
	const p = [...anchor];
	const m = p.map(() => 0);
	const v = p.map(() => 0);
	for (let step = 1; step <= steps; step++) {
		const g = flat(randomArrays("gradients", step)).map(
			(value, i) => value + options.mu * ((p[i] ?? 0) - (anchor[i] ?? 0)),
		);
		const scale = options.clipNorm === null ? 1 : Math.min(1, options.clipNorm / (norm(g) + 1e-6));
		g.forEach((value, i) => {
			const grad = value * scale;
			const first = 0.9 * (m[i] ?? 0) + 0.1 * grad;
			const second = 0.95 * (v[i] ?? 0) + 0.05 * grad * grad;
			m[i] = first;
			v[i] = second;
			const denominator = Math.sqrt(second) / Math.sqrt(1 - 0.95 ** step) + 1e-8;
			const decayed = (p[i] ?? 0) * (1 - options.learningRate * 0.01);
			p[i] = decayed - (options.learningRate / (1 - 0.9 ** step)) * (first / denominator);
		});
	}
	return p;
}

describe("update", () => {
	test.each([
		["plain", { clipNorm: null, mu: 0, learningRate: 0.01 }],
		["clipped", { clipNorm: 0.5, mu: 0, learningRate: 0.01 }],
		["proximal and clipped", { clipNorm: 4, mu: 3, learningRate: 0.05 }],
	])("matches the formula in float64: %s", (_name, options) => {
		const memory = fresh();
		memory.setProximal(options.mu);
		for (let step = 1; step <= 8; step++) {
			setGradients(memory, randomArrays("gradients", step));
			memory.update(options.learningRate, adamw, options.clipNorm);
		}
		const expected = reference(8, options);
		flat(memory.read()).forEach((value, index) => {
			expect(Math.abs(value - (expected[index] ?? Number.NaN))).toBeLessThan(2e-6);
		});
		expect(memory.step).toBe(8);
	});

	test("reports the norm before clipping and the proximal loss before the update", () => {
		const memory = fresh();
		const gradients = randomArrays("gradients", 1);
		setGradients(memory, gradients);
		expect(memory.update(0.1, adamw, 0.1)).toEqual({
			proximalLoss: 0,
			gradNorm: expect.closeTo(norm(flat(gradients)), 6),
		});
		memory.setProximal(2);
		setGradients(memory, randomArrays("gradients", 2));
		expect(memory.update(0.1, adamw, null).proximalLoss).toBe(0);
		const moved = flat(memory.read());
		memory.setProximal(2);
		setGradients(memory, randomArrays("gradients", 3));
		memory.update(0.1, adamw, null);
		const distance = norm(flat(memory.read()).map((value, index) => value - (moved[index] ?? 0)));
		setGradients(memory, randomArrays("gradients", 4));
		expect(memory.update(0.1, adamw, null).proximalLoss).toBeCloseTo(distance ** 2, 5);
	});

	test("mu 0 is bit-identical to no proximal term", () => {
		const [plain, zero] = [fresh(), fresh()];
		zero.setProximal(1);
		zero.setProximal(0);
		for (const memory of [plain, zero]) {
			for (let step = 1; step <= 3; step++) {
				setGradients(memory, randomArrays("gradients", step));
				memory.update(0.01, adamw, 1);
			}
		}
		expect(zero.read()).toEqual(plain.read());
	});

	test("two halves of a batch give the update of the whole", () => {
		const [whole, halves] = [fresh(), fresh()];
		const [first, second] = [randomArrays("gradients", 1), randomArrays("gradients", 2)];
		for (const [name, { data }] of first) {
			const other = second.get(name)?.data ?? new Float32Array(0);
			whole.gradient(name).data.set(data.map((value, index) => 0.25 * value + 0.75 * (other[index] ?? 0)));
		}
		setGradients(halves, first);
		halves.accumulate(0.25, true);
		setGradients(halves, second);
		halves.accumulate(0.75, false);
		halves.takeAccumulated();
		whole.update(0.1, adamw, null);
		halves.update(0.1, adamw, null);
		const expected = flat(whole.read());
		flat(halves.read()).forEach((value, index) =>
			expect(value).toBeCloseTo(expected[index] ?? Number.NaN, 6),
		);
	});

	test.each([Number.NaN, Number.POSITIVE_INFINITY])(
		"a gradient of %d changes nothing and is named",
		(bad) => {
			const memory = fresh();
			setGradients(memory, randomArrays("gradients", 1));
			memory.update(0.1, adamw, 1);
			const before = { parameters: memory.read(), moments: memory.readMoments(), step: memory.step };
			setGradients(memory, randomArrays("gradients", 2));
			memory.gradient("d").data[66] = bad;
			const error = errorOf(() => memory.update(0.1, adamw, 1));
			expect(error).toMatchObject({ code: "non-finite", tensor: "grad:d" });
			expect({ parameters: memory.read(), moments: memory.readMoments(), step: memory.step }).toEqual(before);
		},
	);
});

describe("loading", () => {
	test("round-trips parameters and optimizer state", () => {
		const [memory, other] = [fresh(), new ParameterMemory(types)];
		setGradients(memory, randomArrays("gradients", 1));
		memory.update(0.1, adamw, 1);
		other.load(memory.read());
		other.loadOptimizer(memory.step, memory.readMoments());
		for (const target of [memory, other]) {
			setGradients(target, randomArrays("gradients", 2));
			target.update(0.1, adamw, 1);
		}
		expect(other.read()).toEqual(memory.read());
		expect(other.readMoments()).toEqual(memory.readMoments());
		other.resetOptimizer();
		expect(flat(other.readMoments()).every((value) => value === 0)).toBe(true);
		expect(other.step).toBe(0);
	});

	const spoil = (change: (arrays: Map<string, NdArray>) => void): Map<string, NdArray> => {
		const arrays = new Map<string, NdArray>(randomArrays("new parameters"));
		change(arrays);
		return arrays;
	};
	test.each<[string, Map<string, NdArray>, Partial<AutodiffError>]>([
		["a missing tensor", spoil((arrays) => arrays.delete("d")), { code: "bad-parameters", tensor: "d" }],
		[
			"an extra tensor",
			spoil((arrays) => arrays.set("e", ndArray("float32", [1], new Float32Array(1)))),
			{ code: "bad-parameters", tensor: "e" },
		],
		[
			"a wrong shape",
			spoil((arrays) => arrays.set("a", ndArray("float32", [5, 3], new Float32Array(15)))),
			{ code: "bad-parameters", tensor: "a" },
		],
		[
			"a wrong dtype",
			spoil((arrays) => arrays.set("b", ndArray("float64", [1], new Float64Array(1)))),
			{ code: "bad-parameters", tensor: "b" },
		],
		[
			"a NaN",
			spoil((arrays) => arrays.set("c", ndArray("float32", [], Float32Array.of(Number.NaN)))),
			{ code: "non-finite", tensor: "c" },
		],
	])("%s is refused and changes nothing", (_what, arrays, expected) => {
		const memory = fresh();
		const before = memory.read();
		expect(errorOf(() => memory.load(arrays))).toMatchObject(expected);
		expect(memory.read()).toEqual(before);
	});

	test("bad optimizer states are refused and change nothing", () => {
		const memory = fresh();
		setGradients(memory, randomArrays("gradients", 1));
		memory.update(0.1, adamw, 1);
		const moments = memory.readMoments();
		const broken = new Map(moments);
		broken.set("exp_avg_sq:d", ndArray("float32", [67], new Float32Array(67).fill(Number.NaN)));
		expect(errorOf(() => memory.loadOptimizer(3, broken))).toMatchObject({
			code: "non-finite",
			tensor: "exp_avg_sq:d",
		});
		const extra = new Map([...moments, ["foo", ndArray("float32", [1], new Float32Array(1))] as const]);
		expect(errorOf(() => memory.loadOptimizer(3, extra))).toMatchObject({
			code: "bad-parameters",
			tensor: "foo",
		});
		expect(errorOf(() => memory.loadOptimizer(-1, moments))).toMatchObject({ code: "bad-parameters" });
		expect(errorOf(() => memory.loadOptimizer(1, new Map()))).toMatchObject({ code: "bad-parameters" });
		expect(memory.readMoments()).toEqual(moments);
		expect(memory.step).toBe(1);
	});

	test("more than one memory can hold is refused before it is allocated", () => {
		const huge = new Map<string, TensorType>([["w", { dtype: "float32", shape: [200_000_000] }]]);
		expect(errorOf(() => new ParameterMemory(huge))).toMatchObject({ code: "too-large" });
	});
});

describe("options", () => {
	test("are checked", () => {
		expect(() => checkAdamWOptions({ ...adamw, beta1: 1 })).toThrow(RangeError);
		expect(() => checkAdamWOptions({ ...adamw, eps: 0 })).toThrow(RangeError);
		expect(() => checkAdamWOptions({ ...adamw, weightDecay: -1 })).toThrow(RangeError);
		expect(() => checkAdamWOptions(adamw)).not.toThrow();
		expect(() => fresh().setProximal(-1)).toThrow(/mu -1 must be at least 0/);
		expect(() => fresh().parameter("nope")).toThrow(/no tensor "nope"/);
	});

	test("clipping leaves small gradients bit for bit", () => {
		expect(clipScale(9, 10)).toBe(1);
		expect(clipScale(20, 10)).toBeCloseTo(0.5, 6);
		expect(clipScale(1e9, null)).toBe(1);
	});
});

function errorOf(action: () => unknown): AutodiffError {
	try {
		action();
	} catch (error) {
		if (error instanceof AutodiffError) return error;
		throw error;
	}
	throw new TypeError("nothing was thrown");
}
