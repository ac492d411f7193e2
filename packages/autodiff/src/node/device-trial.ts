// Entry of the child process that tries a device: prints the rate of a matrix product in GFLOP/s, or says why not.
import { availableParallelism } from "node:os";
import { float32Array } from "@zk0/arrays";
import { createGraph } from "../create-graph.ts";
import { matmul } from "../expr/linalg.ts";
import { outputsOf } from "../graph.ts";
import { emitOnnx } from "../onnx/emit.ts";
import { type Device, OrtSession, toTensor } from "./ort-session.ts";

/** Rows and columns of the product that is checked. */
const CHECKED_SIZE = 256;
/** Of the one that is timed, unless the checked one already takes QUICK_MS: a software device. */
const TIMED_SIZE = 1024;
const QUICK_MS = 20;
/** Rates are taken over at least this time, after one run that compiles kernels. */
const MIN_MS = 200;
const TOLERANCE = 1e-2;

try {
	process.stdout.write(String(await measure(deviceOf(process.argv[2]))));
} catch (error) {
	const cause = error instanceof Error ? error : new TypeError(String(error));
	process.stderr.write(`\nreason: ${cause.message.split("\n")[0]}\n`);
	process.exitCode = 1;
}

/** The rate in GFLOP/s. @throws RangeError when the product is wrong, AutodiffError when the device does not run it. */
async function measure(device: Device): Promise<number> {
	const [found, expected] = [await product(device, CHECKED_SIZE), await product("cpu", CHECKED_SIZE)];
	const largest = expected.data.reduce((max, value) => Math.max(max, Math.abs(value)), 0);
	const worst = found.data.reduce(
		(error, value, index) => Math.max(error, Math.abs(value - (expected.data[index] ?? 0))),
		0,
	);
	if (!(worst <= TOLERANCE * largest)) {
		throw new RangeError(`its matrix product is off by ${worst / largest} of the largest element`);
	}
	return found.ms > QUICK_MS ? found.gflops : (await product(device, TIMED_SIZE)).gflops;
}

interface Product {
	readonly data: Float32Array;
	readonly ms: number;
	readonly gflops: number;
}

async function product(device: Device, size: number): Promise<Product> {
	const graph = createGraph();
	const [a, b] = [graph.input("a", "float32", [size, size]), graph.input("b", "float32", [size, size])];
	graph.output("y", matmul(a, b));
	const built = graph.build();
	const model = { onnx: emitOnnx(built), weightsFolder: null, outputs: outputsOf(built), parameterNames: [] };
	const session = await OrtSession.create(model, { threads: availableParallelism(), device });
	const values = (salt: number): Float32Array =>
		Float32Array.from({ length: size * size }, (_, index) => Math.sin(index * salt));
	const feeds = {
		a: toTensor(float32Array([size, size], values(0.7))),
		b: toTensor(float32Array([size, size], values(0.3))),
	};
	let { outputs } = await session.run(feeds);
	const started = performance.now();
	let numRuns = 0;
	while (numRuns === 0 || performance.now() - started < MIN_MS) {
		({ outputs } = await session.run(feeds));
		numRuns++;
	}
	const ms = (performance.now() - started) / numRuns;
	await session.release();
	const data = outputs.get("y")?.data;
	if (!(data instanceof Float32Array)) throw new TypeError("the product has no data");
	return { data, ms, gflops: (2 * size ** 3) / ms / 1e6 };
}

function deviceOf(name: string | undefined): Device {
	if (name === "cpu" || name === "webgpu" || name === "cuda") return name;
	throw new RangeError(`"${name}" is no device; use cpu, webgpu or cuda`);
}
