// What every runtime must do; each implementation runs this suite.
import { setImmediate } from "node:timers/promises";
import { bytesOf, float32Array, type NdArray, ndArray } from "@zk0/arrays";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { createGraph } from "./create-graph.ts";
import { add, cast, div, exp, mul, sin, square, sub, tanh } from "./expr/elementwise.ts";
import { linear, matmul } from "./expr/linalg.ts";
import { gather } from "./expr/movement.ts";
import { reduceMean, reduceSum } from "./expr/reduction.ts";
import type { Graph } from "./graph.ts";
import type { Runtime } from "./runtime.ts";
import { testRng, uniform } from "./testing/gradient-check.ts";

const random = (name: string, shape: readonly number[]): NdArray<"float32"> =>
	float32Array(shape, Float32Array.from(uniform(testRng(name), shape).data));

/** y = sum over the last axis of exp(x) * scale. */
function smallGraph(): Graph {
	const graph = createGraph();
	const x = graph.input("x", "float32", [2, 3]);
	graph.output("y", reduceSum(mul(exp(x), graph.input("scale", "float32", [])), { axes: [1] }));
	return graph.build();
}
const smallFeeds = new Map<string, NdArray>([
	["x", float32Array([2, 3], [0, 0, 0, Math.LN2, 0, 0])],
	["scale", float32Array([], [2])],
]);

/** Big enough to keep a core busy for some hundred milliseconds. */
function heavyGraph(): { graph: Graph; feeds: Map<string, NdArray> } {
	const graph = createGraph();
	const weight = graph.input("weight", "float32", [768, 768]);
	let x = weight;
	for (let layer = 0; layer < 25; layer++) x = tanh(matmul(x, weight, { alpha: 0.05 }));
	graph.output("y", reduceMean(x));
	return { graph: graph.build(), feeds: new Map([["weight", random("heavy", [768, 768])]]) };
}

/** Runs the suite on runtimes that `create` makes. */
export function describeRuntime(
	name: string,
	create: (options: { threads: number }) => Promise<Runtime>,
): void {
	describe(`runtime contract: ${name}`, () => {
		let runtime: Runtime;
		beforeEach(async () => {
			runtime = await create({ threads: 1 });
		});
		afterEach(async () => {
			await runtime[Symbol.asyncDispose]();
			expect(runtime.numLiveHandles).toBe(0);
		});

		test("runs a graph", async () => {
			await using session = await runtime.compile(smallGraph());
			const outputs = await session.run(smallFeeds);
			expect([...outputs.keys()]).toEqual(["y"]);
			expect(outputs.get("y")).toEqual(float32Array([2], [6, 8]));
		});

		test("keeps feeds intact, also views into larger buffers", async () => {
			await using session = await runtime.compile(smallGraph());
			const buffer = new Float32Array(100).fill(7);
			buffer.set([0, 0, 0, Math.LN2, 0, 0], 40);
			const feeds = new Map(smallFeeds).set("x", ndArray("float32", [2, 3], buffer.subarray(40, 46)));
			const [first, second] = [await session.run(feeds), await session.run(feeds)];
			expect(first.get("y")).toEqual(float32Array([2], [6, 8]));
			expect(second).toEqual(first);
			expect(buffer[39]).toBe(7);
		});

		test("takes and gives every dtype that graphs use", async () => {
			const graph = createGraph();
			const floats = graph.input("floats", "float32", [2]);
			graph.output("int64", cast(floats, "int64"));
			graph.output("int32", cast(floats, "int32"));
			graph.output("uint8", cast(floats, "uint8"));
			graph.output("bool", cast(floats, "bool"));
			graph.output("float64", cast(floats, "float64"));
			graph.output("float16", cast(floats, "float16"));
			graph.output("sum", add(graph.input("ints", "int64", [2]), 1));
			graph.output(
				"fromHalf",
				cast(graph.initializer("half", ndArray("bfloat16", [1], Uint16Array.of(0x3fc0))), "float32"),
			);
			await using session = await runtime.compile(graph.build());
			const outputs = await session.run(
				new Map<string, NdArray>([
					["floats", float32Array([2], [3, 0])],
					["ints", ndArray("int64", [2], BigInt64Array.of(2n ** 53n, -5n))],
				]),
			);
			expect(outputs.get("int64")?.data).toEqual(BigInt64Array.of(3n, 0n));
			expect(outputs.get("int32")?.data).toEqual(Int32Array.of(3, 0));
			expect(outputs.get("uint8")?.data).toEqual(Uint8Array.of(3, 0));
			expect(outputs.get("bool")?.data).toEqual(Uint8Array.of(1, 0));
			expect(outputs.get("float64")?.data).toEqual(Float64Array.of(3, 0));
			expect(outputs.get("float16")?.data).toEqual(Uint16Array.of(0x4200, 0));
			expect(outputs.get("sum")?.data).toEqual(BigInt64Array.of(2n ** 53n + 1n, -4n));
			expect(outputs.get("fromHalf")?.data).toEqual(Float32Array.of(1.5));
		});

		test("gives the same bits in every run and with any number of threads", async () => {
			const graph = createGraph();
			const [x, w] = [graph.input("x", "float32", [200, 300]), graph.parameter("w", [150, 300])];
			const loss = reduceMean(square(sin(linear(x, w))));
			graph.output("loss", loss);
			graph.gradients(loss, [w]).forEach((gradient) => graph.output("gradient", gradient));
			const feeds = new Map([
				["x", random("x", [200, 300])],
				["w", random("w", [150, 300])],
			]);
			await using other = await create({ threads: 2 });
			const results: unknown[] = [];
			for (const host of [runtime, runtime, other, other]) {
				await using session = await host.compile(graph.build());
				results.push(await session.run(feeds), await session.run(feeds));
			}
			for (const result of results) expect(result).toEqual(results[0]);
		});

		test.each([
			[64, 144, 72],
			[16, 144, 72],
			[1, 400, 96],
			[32, 256, 500],
			[50, 2048, 320],
			[300, 130, 40],
		])("rounds a product of %i x %i by %i alike for 1, 2 and 4 threads", async (rows, inner, columns) => {
			const graph = createGraph();
			const x = graph.input("x", "float32", [rows, inner]);
			const w = graph.parameter("w", [columns, inner]);
			const bias = graph.parameter("bias", [columns]);
			const product = linear(x, w, bias);
			const loss = reduceMean(square(product));
			graph.output("product", product);
			graph.gradients(loss, [w, bias]).forEach((gradient, index) => graph.output(`g${index}`, gradient));
			const feeds = new Map([
				["x", random("x", [rows, inner])],
				["w", random("w", [columns, inner])],
				["bias", random("bias", [columns])],
			]);
			const results: string[] = [];
			for (const threads of [1, 2, 4]) {
				await using host = await create({ threads });
				await using session = await host.compile(graph.build());
				const outputs = await session.run(feeds);
				results.push(
					[...outputs]
						.map(([name, { data }]) => `${name} ${Buffer.from(bytesOf(data)).toString("hex")}`)
						.join(),
				);
			}
			// Compared as one flag: a diff of arrays this long takes minutes to print.
			expect(results.every((result) => result === results[0])).toBe(true);
		});

		test("leaves the event loop free during a run", async () => {
			const { graph, feeds } = heavyGraph();
			await using session = await runtime.compile(graph);
			const done = session.run(feeds).then(() => true);
			let numTicks = 0;
			while (!(await Promise.race([done, setImmediate(false)]))) numTicks++;
			expect(numTicks).toBeGreaterThan(100);
		});

		test.each<[string, Map<string, NdArray>, typeof RangeError | typeof TypeError, RegExp]>([
			[
				"missing",
				new Map([["x", float32Array([2, 3], new Float32Array(6))]]),
				RangeError,
				/"scale" float32\[\] is missing/,
			],
			[
				"unknown",
				new Map(smallFeeds).set("z", float32Array([], [1])),
				RangeError,
				/"z" is not wanted; wanted are x, scale/,
			],
			[
				"misshapen",
				new Map(smallFeeds).set("x", float32Array([3, 2], new Float32Array(6))),
				RangeError,
				/"x" is float32\[3,2\] with 6 elements, expected float32\[2,3\]/,
			],
			[
				"of another dtype",
				new Map(smallFeeds).set("x", ndArray("float64", [2, 3], new Float64Array(6))),
				TypeError,
				/"x" is float64\[2,3\], expected float32\[2,3\]/,
			],
			[
				"of the wrong length",
				new Map(smallFeeds).set("x", { dtype: "float32", shape: [2, 3], data: new Float32Array(5) }),
				RangeError,
				/with 5 elements/,
			],
		])("refuses feeds that are %s", async (_what, feeds, kind, message) => {
			await using session = await runtime.compile(smallGraph());
			const refused = session.run(feeds);
			await expect(refused).rejects.toThrow(message);
			await expect(refused).rejects.toBeInstanceOf(kind);
		});

		test("wraps the backend's errors and goes on", async () => {
			const graph = createGraph();
			const [table, indices] = [graph.input("table", "float32", [3]), graph.input("indices", "int64", [1])];
			graph.output("y", gather(table, indices));
			await using session = await runtime.compile(graph.build());
			const feeds = (index: bigint): Map<string, NdArray> =>
				new Map<string, NdArray>([
					["table", float32Array([3], [1, 2, 3])],
					["indices", ndArray("int64", [1], BigInt64Array.of(index))],
				]);
			await expect(session.run(feeds(9n))).rejects.toMatchObject({
				name: "AutodiffError",
				code: "runtime-failed",
				cause: expect.any(Error),
			});
			expect((await session.run(feeds(2n))).get("y")?.data).toEqual(Float32Array.of(3));
		});

		test("refuses a graph that the backend cannot run, and goes on", async () => {
			const graph = createGraph();
			graph.output("y", cast(graph.input("x", "float32", [1]), "bfloat16"));
			await expect(runtime.compile(graph.build())).rejects.toMatchObject({ code: "runtime-failed" });
			await using session = await runtime.compile(smallGraph());
			expect(await session.run(smallFeeds)).toHaveProperty("size", 1);
		});

		describe("abort", () => {
			test("before the call", async () => {
				await using session = await runtime.compile(smallGraph());
				const reason = new RangeError("changed my mind");
				await expect(session.run(smallFeeds, { signal: AbortSignal.abort(reason) })).rejects.toBe(reason);
			});

			test("of a running and a waiting call; later calls are not disturbed", async () => {
				const { graph, feeds } = heavyGraph();
				await using heavy = await runtime.compile(graph);
				await using small = await runtime.compile(smallGraph());
				const controller = new AbortController();
				const running = heavy.run(feeds, { signal: controller.signal });
				const waiting = small.run(smallFeeds, { signal: controller.signal });
				const later = small.run(smallFeeds);
				await setImmediate();
				controller.abort();
				await expect(running).rejects.toMatchObject({ name: "AbortError" });
				await expect(waiting).rejects.toMatchObject({ name: "AbortError" });
				expect((await later).get("y")).toEqual(float32Array([2], [6, 8]));
			});
		});

		describe("ownership", () => {
			test("handles are counted; disposing twice is fine; use after it is refused", async () => {
				const session = await runtime.compile(smallGraph());
				expect(runtime.numLiveHandles).toBe(1);
				await session[Symbol.asyncDispose]();
				await session[Symbol.asyncDispose]();
				expect(runtime.numLiveHandles).toBe(0);
				await expect(session.run(smallFeeds)).rejects.toMatchObject({ code: "disposed" });
			});

			test("disposing the runtime ends its sessions, after the run in progress", async () => {
				const { graph, feeds } = heavyGraph();
				const session = await runtime.compile(graph);
				const running = session.run(feeds);
				const waiting = session.run(feeds);
				const [first, second] = await Promise.allSettled([running, waiting, runtime[Symbol.asyncDispose]()]);
				expect(first.status).toBe("fulfilled");
				expect(second).toMatchObject({ status: "rejected", reason: { code: "disposed" } });
				await expect(session.run(feeds)).rejects.toMatchObject({ code: "disposed" });
				await expect(runtime.compile(smallGraph())).rejects.toMatchObject({ code: "disposed" });
				await session[Symbol.asyncDispose]();
			});
		});
	});
}

/** Least squares with a parameter; "residual" is a further output. */
export function regressionGraph(): Graph {
	const graph = createGraph();
	const [x, target] = [graph.input("x", "float32", [4, 3]), graph.input("target", "float32", [4, 2])];
	const parameters = new Map([
		["weight", graph.parameter("weight", [2, 3])],
		["bias", graph.parameter("bias", [2])],
	]);
	const residual = sub(linear(x, ...pair([...parameters.values()])), target);
	const loss = div(reduceSum(square(residual)), 8);
	graph.output("loss", loss);
	graph.output("residual", residual);
	const gradients = graph.gradients(loss, [...parameters.values()]);
	[...parameters.keys()].forEach((name, index) => {
		const gradient = gradients[index];
		if (gradient !== undefined) graph.output(`grad:${name}`, gradient);
	});
	return graph.build();
}

function pair<T>([first, second]: readonly T[]): [T, T] {
	if (first === undefined || second === undefined) throw new RangeError("expected two values");
	return [first, second];
}
