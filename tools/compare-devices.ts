// `node --import tsx --conditions=source tools/compare-devices.ts webgpu|cuda`: forward and gradient of every op's test
// rows on a device against the processor, one line per row. Exit code 1 when a row misses its limit. Without a GPU,
// VK_DRIVER_FILES=/usr/lib/chromium/vk_swiftshader_icd.json runs WebGPU in software (Debian's chromium).
import { type NdArray, ndArray, numElements } from "@zk0/arrays";
import { createGraph, type Graph, mul, type Value } from "@zk0/autodiff";
import { chooseDevice, createOrtRuntime, type OrtRuntime } from "@zk0/autodiff/node";
import { z } from "zod";
import { reduceSum } from "../packages/autodiff/src/expr/reduction.ts";
import { testRng, uniform } from "../packages/autodiff/src/testing/gradient-check.ts";
import { OP_CASES, type OpCase } from "../packages/autodiff/src/testing/op-cases.ts";

/** Relative to the largest element; shaders take sine and cosine from a table of the hardware. */
const LIMIT = 1e-5;
const LIMITS: Readonly<Record<string, number>> = { sin: 5e-4, cos: 5e-4 };

const wanted = z.enum(["webgpu", "cuda"]).parse(process.argv[2]);
const { device } = await chooseDevice(wanted);
await using processor = await createOrtRuntime();
await using other = await createOrtRuntime({ device });
let numMissed = 0;
for (const row of OP_CASES) {
	const { graph, feeds } = caseGraph(row);
	const [expected, found] = [await run(processor, graph, feeds), await run(other, graph, feeds)];
	const errors = [...expected].map(([name, values]) => [name, error(found.get(name) ?? [], values)] as const);
	const worst = errors.reduce((max, [, value]) => (value <= max ? max : value), 0);
	const limit = LIMITS[row.op] ?? LIMIT;
	if (!(worst <= limit)) numMissed++;
	const label = `${row.op}${row.variant === undefined ? "" : `, ${row.variant}`}`;
	const each = errors.map(([name, value]) => `${name} ${value.toExponential(1)}`).join(", ");
	console.log(`${worst <= limit ? "ok  " : "MISS"}  ${label.padEnd(28)} ${each}`);
}
console.log(`${OP_CASES.length} rows on ${device} against cpu, ${numMissed} missed`);
process.exitCode = numMissed === 0 ? 0 : 1;

/** The row's output, and gradients of its product with fixed weights. */
function caseGraph(row: OpCase): { graph: Graph; feeds: Map<string, NdArray> } {
	const graph = createGraph();
	const feeds = new Map<string, NdArray>();
	const wrt = new Map<string, Value>();
	const values = row.operands.map(({ dtype, shape, low, high }, index) => {
		const name = `x${index}`;
		feeds.set(name, randomArray(row, index));
		if (dtype !== "float32") return graph.input(name, dtype, shape);
		const value = graph.parameter(name, shape);
		if ((row.differentiable?.includes(index) ?? true) && low < high) wrt.set(name, value);
		return value;
	});
	const output = row.build(...values);
	graph.output("output", output);
	if (output.dtype === "float32" && wrt.size > 0) {
		const { data } = uniform(testRng("weights", row.op, row.variant ?? ""), output.shape);
		const weights = graph.constant(ndArray("float32", output.shape, Float32Array.from(data)));
		const gradients = graph.gradients(reduceSum(mul(output, weights)), [...wrt.values()]);
		[...wrt.keys()].forEach((name, index) => {
			const gradient = gradients[index];
			if (gradient !== undefined) graph.output(`d${name}`, gradient);
		});
	}
	return { graph: graph.build(), feeds };
}

function randomArray({ op, variant = "", operands }: OpCase, index: number): NdArray {
	const operand = operands[index];
	if (operand === undefined) throw new RangeError(`${op} has no operand ${index}`);
	const { dtype, shape, low, high } = operand;
	const { data } = uniform(testRng(op, variant, index), shape, low, high);
	if (dtype === "int64")
		return ndArray(
			"int64",
			shape,
			BigInt64Array.from(data, (x) => BigInt(Math.floor(x))),
		);
	if (dtype === "bool") return ndArray("bool", shape, Uint8Array.from(data, Math.floor));
	return ndArray("float32", shape, Float32Array.from(data));
}

async function run(
	runtime: OrtRuntime,
	graph: Graph,
	feeds: ReadonlyMap<string, NdArray>,
): Promise<Map<string, number[]>> {
	await using session = await runtime.compile(graph);
	const outputs = await session.run(feeds);
	return new Map([...outputs].map(([name, { data, shape }]) => [name, numbers(data, numElements(shape))]));
}

function numbers(data: NdArray["data"], length: number): number[] {
	return Array.from({ length }, (_, index) => Number(data[index]));
}

function error(found: readonly number[], expected: readonly number[]): number {
	const largest = expected.reduce((max, value) => Math.max(max, Math.abs(value)), 1e-12);
	const worst = expected.map((value, index) => Math.abs(value - (found[index] ?? Number.NaN)));
	return worst.reduce((max, value) => (value <= max ? max : value), 0) / largest;
}
