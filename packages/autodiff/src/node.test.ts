// The onnxruntime-node runtime: the contracts, external weights, and a worker that dies.
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { bytesOf, float32Array } from "@zk0/arrays";
import { afterAll, describe, expect, test } from "vitest";
import { createGraph } from "./create-graph.ts";
import { add, cast, mul } from "./expr/elementwise.ts";
import { reduceSum } from "./expr/reduction.ts";
import type { Graph } from "./graph.ts";
import { WorkerLink } from "./node/worker-link.ts";
import { createOrtRuntime } from "./node.ts";
import { describeRuntime } from "./runtime.contract.ts";
import { describeTrainer } from "./trainer.contract.ts";

describeRuntime("onnxruntime-node", createOrtRuntime);
describeTrainer("onnxruntime-node", createOrtRuntime);

describe("createOrtRuntime", () => {
	test("refuses a silly number of threads", async () => {
		await expect(createOrtRuntime({ threads: 0 })).rejects.toThrow(
			/threads 0 must be a positive whole number/,
		);
	});
});

describe("external weights", () => {
	const folder = mkdtempSync(join(tmpdir(), "zk0-autodiff-"));
	afterAll(() => rmSync(folder, { recursive: true }));
	const NUM_VALUES = 2_000_000;
	const values = new Float32Array(NUM_VALUES).map((_, index) => index % 5);
	const sum = values.reduce((total, value) => total + value, 0);

	/** Writes the values `offsetBytes` into a file. */
	const writeWeights = (name: string, offsetBytes: number): string => {
		const path = join(folder, name);
		mkdirSync(join(path, ".."), { recursive: true });
		writeFileSync(path, Buffer.concat([Buffer.alloc(offsetBytes), bytesOf(values)]));
		return path;
	};
	const graphOf = (sources: readonly { path: string; offsetBytes: number }[]): Graph => {
		const graph = createGraph();
		const weights = sources.map(({ path, offsetBytes }, index) =>
			graph.externalInitializer(`w${index}`, {
				dtype: "float32",
				shape: [NUM_VALUES],
				path,
				offsetBytes,
				sizeBytes: 4 * NUM_VALUES,
			}),
		);
		graph.output(
			"y",
			reduceSum(
				mul(
					weights.reduce((a, b) => add(a, b)),
					graph.input("x", "float32", []),
				),
			),
		);
		return graph.build();
	};
	const run = async (graph: Graph): Promise<number> => {
		await using runtime = await createOrtRuntime({ threads: 1 });
		await using session = await runtime.compile(graph);
		return Number((await session.run(new Map([["x", float32Array([], [2])]]))).get("y")?.data[0]);
	};

	test("are read from files in several folders, at any offset, through links", async () => {
		const first = { path: writeWeights("a/first.bin", 13), offsetBytes: 13 };
		const second = writeWeights("b/c/second.bin", 4096);
		const link = join(folder, "link.bin");
		symlinkSync(second, link);
		expect(await run(graphOf([first]))).toBeCloseTo(2 * sum, -1);
		expect(await run(graphOf([first, { path: link, offsetBytes: 4096 }]))).toBeCloseTo(4 * sum, -1);
	});

	test("in bfloat16 are widened in the graph", async () => {
		const path = join(folder, "half.bin");
		writeFileSync(path, bytesOf(Uint16Array.of(0x3f80, 0x4000, 0x4040)));
		const graph = createGraph();
		const source = { dtype: "bfloat16", shape: [3], path, offsetBytes: 0, sizeBytes: 6 } as const;
		const widened = cast(graph.externalInitializer("w", source), "float32");
		graph.output("y", reduceSum(mul(widened, graph.input("x", "float32", []))));
		expect(await run(graph.build())).toBe(12);
	});

	test("that are missing or short are refused", async () => {
		const missing = graphOf([{ path: join(folder, "none.bin"), offsetBytes: 0 }]);
		await expect(run(missing)).rejects.toMatchObject({ code: "runtime-failed", cause: { code: "ENOENT" } });
		const short = graphOf([{ path: writeWeights("short.bin", 0), offsetBytes: 8 }]);
		await expect(run(short)).rejects.toThrow(/has 8000000 bytes, the graph reads up to byte 8000008/);
	});
});

describe("a worker that dies", () => {
	const worker = (onMessage: string): URL =>
		new URL(
			`data:text/javascript,import { parentPort } from "node:worker_threads"; parentPort.on("message", (m) => { ${onMessage} });`,
		);

	test.each([
		["exits", "process.exit(3)", /exit code 3/],
		["throws", "throw new RangeError('out of luck')", /out of luck/],
	])("and %s rejects every call, now and later", async (_how, onMessage, message) => {
		const link = new WorkerLink(worker(onMessage), null);
		const calls = [link.call("release", { handle: 1 }), link.call("release", { handle: 2 })];
		for (const result of await Promise.allSettled(calls)) {
			expect(result).toMatchObject({
				status: "rejected",
				reason: { code: "worker-died", message: expect.stringMatching(message) },
			});
		}
		await expect(link.call("release", { handle: 3 })).rejects.toMatchObject({ code: "worker-died" });
		await expect(link.release(4)).resolves.toBeUndefined();
		await link.close();
		await link.close();
		await expect(link.release(5)).resolves.toBeUndefined();
		await expect(link.call("release", { handle: 6 })).rejects.toMatchObject({ code: "disposed" });
	});

	test("and has no entry file says so", async () => {
		const link = new WorkerLink(new URL("file:///nowhere/ort-worker.js"), null);
		await expect(link.call("release", { handle: 1 })).rejects.toMatchObject({ code: "worker-died" });
		await link.close();
	});
});
