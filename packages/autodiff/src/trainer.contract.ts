// What the trainer of every runtime must do; each implementation runs this suite.
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { float32Array, type NdArray, ndArray } from "@zk0/arrays";
import { writeSafetensorsFile } from "@zk0/arrays/node";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { createGraph } from "./create-graph.ts";
import { linear } from "./expr/linalg.ts";
import { reduceMean } from "./expr/reduction.ts";
import type { Graph } from "./graph.ts";
import { regressionGraph } from "./runtime.contract.ts";
import type { Runtime } from "./runtime.ts";
import { testRng, uniform } from "./testing/gradient-check.ts";
import type { Trainer, TrainerOptions } from "./trainer.ts";

const random = (name: string, shape: readonly number[]): NdArray<"float32"> =>
	float32Array(shape, Float32Array.from(uniform(testRng(name), shape).data));
const batch = (name: string): Map<string, NdArray> =>
	new Map([
		["x", random(`x ${name}`, [4, 3])],
		["target", random(`target ${name}`, [4, 2])],
	]);
const start = new Map([
	["weight", random("weight", [2, 3])],
	["bias", random("bias", [2])],
]);
const adamw = { beta1: 0.9, beta2: 0.95, eps: 1e-8, weightDecay: 0.01 };
const step = { learningRate: 0.05 };

function predictGraph(): Graph {
	const graph = createGraph();
	const [weight, bias] = [graph.parameter("weight", [2, 3]), graph.parameter("bias", [2])];
	graph.output("y", linear(graph.input("x", "float32", [4, 3]), weight, bias));
	return graph.build();
}

/** Runs the suite on trainers of the runtimes that `create` makes. */
export function describeTrainer(
	name: string,
	create: (options: { threads: number }) => Promise<Runtime>,
): void {
	describe(`trainer contract: ${name}`, () => {
		let runtime: Runtime;
		let trainer: Trainer;
		const make = async (more: Partial<TrainerOptions> = {}): Promise<Trainer> => {
			const made = await runtime.createTrainer({
				trainGraph: regressionGraph(),
				evalGraphs: { predict: predictGraph() },
				adamw,
				clipNorm: 10,
				...more,
			});
			await made.loadParameters(start);
			return made;
		};
		beforeEach(async () => {
			runtime = await create({ threads: 1 });
			trainer = await make();
		});
		afterEach(async () => {
			await trainer[Symbol.asyncDispose]();
			expect(runtime.numLiveHandles).toBe(0);
			await runtime[Symbol.asyncDispose]();
		});

		test("lowers the loss and returns further outputs", async () => {
			const first = await trainer.step(batch("a"), step);
			for (let index = 0; index < 60; index++) await trainer.step(batch("a"), step);
			const last = await trainer.step(batch("a"), step);
			expect(last.loss).toBeLessThan(0.3 * first.loss);
			expect([...last.outputs.keys()]).toEqual(["residual"]);
			const residual = Array.from(last.outputs.get("residual")?.data ?? [], Number);
			const sum = residual.reduce((total, value) => total + value * value, 0);
			expect(sum / 8).toBeCloseTo(last.loss, 5);
		});

		test("reads back what was loaded", async () => {
			expect(trainer.parameterNames).toEqual(["weight", "bias"]);
			expect(await trainer.readParameters()).toEqual(start);
		});

		test("eval graphs see the current parameters", async () => {
			const feeds = new Map([["x", random("x", [4, 3])]]);
			const before = await trainer.evaluate("predict", feeds);
			await trainer.step(batch("a"), step);
			expect(await trainer.evaluate("predict", feeds)).not.toEqual(before);
			await trainer.loadParameters(start);
			expect(await trainer.evaluate("predict", feeds)).toEqual(before);
			await expect(trainer.evaluate("guess", feeds)).rejects.toThrow(
				/no eval graph "guess"; there are predict/,
			);
			await expect(trainer.evaluate("predict", new Map())).rejects.toThrow(/"x" float32\[4,3\] is missing/);
		});

		test("the same steps give the same bits; saved state resumes to the same bits", async () => {
			await using other = await make();
			for (const data of ["a", "b", "c", "d"]) await trainer.step(batch(data), step);
			for (const data of ["a", "b"]) await other.step(batch(data), step);
			await using resumed = await make();
			await resumed.loadParameters(await other.readParameters());
			await resumed.loadOptimizer(await other.readOptimizer());
			for (const target of [other, resumed])
				for (const data of ["c", "d"]) await target.step(batch(data), step);
			const expected = await trainer.readParameters();
			expect(await other.readParameters()).toEqual(expected);
			expect(await resumed.readParameters()).toEqual(expected);
			expect((await resumed.readOptimizer()).step).toBe(4);
		});

		test("state saved to a file resumes to the same bits, the anchor apart", async () => {
			const dir = await mkdtemp(join(tmpdir(), "zk0-trainer-"));
			const path = join(dir, "state.safetensors");
			await trainer.step(batch("a"), step);
			await trainer.saveState(path, { note: "after one" });
			await trainer.step(batch("b"), step);
			const other = await make();
			expect(await other.loadState(path)).toEqual({ note: "after one" });
			await other.step(batch("b"), step);
			expect(await other.readParameters()).toEqual(await trainer.readParameters());
			expect(await other.readOptimizer()).toEqual(await trainer.readOptimizer());

			const before = await other.readParameters();
			for (const [names, why] of [
				[["weight:weight"], "is missing"],
				[["weight:weight", "weight:bias", "exp_avg:weight", "other"], '"other" is not part'],
			] as const) {
				await writeSafetensorsFile(path, new Map(names.map((name) => [name, random(name, [2, 3])])));
				await expect(other.loadState(path)).rejects.toThrow(why);
				await expect(other.loadState(path)).rejects.toMatchObject({ code: "bad-parameters" });
			}
			expect(await other.readParameters()).toEqual(before);
			await writeFile(path, "not a state");
			await expect(other.loadState(path)).rejects.toThrow(path);
			await other[Symbol.asyncDispose]();
			await rm(dir, { recursive: true });
		});

		test("feeds that may be taken are, views of more are copied; the bits stay", async () => {
			await using other = await make();
			const [given, whole] = [batch("a"), batch("a")];
			const x = given.get("x")?.data;
			const more = Float32Array.of(...(x instanceof Float32Array ? x : []), 7);
			given.set("x", { dtype: "float32", shape: [4, 3], data: more.subarray(0, 12) });
			await trainer.step(given, { ...step, takeFeeds: true });
			await other.step(whole, step);
			expect(await trainer.readParameters()).toEqual(await other.readParameters());
			expect([given.get("target")?.data.length, whole.get("target")?.data.length]).toEqual([0, 8]);
			expect(more).toHaveLength(13);
		});

		test("micro-batches average gradients, losses and stack outputs", async () => {
			const { loss, outputs } = await trainer.step([batch("a"), batch("b")], {
				...step,
				microWeights: [0.25, 0.75],
			});
			await using other = await make();
			const single = [
				await other.step(batch("a"), { learningRate: 0 }),
				await other.step(batch("b"), { learningRate: 0 }),
			];
			expect(loss).toBeCloseTo(0.25 * (single[0]?.loss ?? 0) + 0.75 * (single[1]?.loss ?? 0), 6);
			expect(outputs.get("residual")?.shape).toEqual([2, 4, 2]);
			const stacked = single.flatMap((result) =>
				Array.from(result.outputs.get("residual")?.data ?? [], Number),
			);
			expect(Array.from(outputs.get("residual")?.data ?? [], Number)).toEqual(stacked);
		});

		test("two equal micro-batches give the bits of one", async () => {
			await using other = await make();
			await trainer.step([batch("a"), batch("a")], step);
			await other.step(batch("a"), step);
			expect(await trainer.readParameters()).toEqual(await other.readParameters());
		});

		test("the proximal term pulls back to the anchor; mu 0 is off bit for bit", async () => {
			await using plain = await make();
			await using pulled = await make();
			await trainer.setProximal(0);
			await pulled.setProximal(10);
			let proximalLoss = 0;
			for (let index = 0; index < 20; index++) {
				expect((await trainer.step(batch("a"), step)).proximalLoss).toBe(0);
				await plain.step(batch("a"), step);
				({ proximalLoss } = await pulled.step(batch("a"), step));
			}
			expect(await trainer.readParameters()).toEqual(await plain.readParameters());
			expect(proximalLoss).toBeGreaterThan(0);
			const movedBy = async (target: Trainer): Promise<number> => {
				const { data } = (await target.readParameters()).get("weight") ?? float32Array([0], []);
				const from = start.get("weight")?.data ?? new Float32Array(0);
				return Math.hypot(...data.map((value, index) => value - (from[index] ?? 0)));
			};
			expect(await movedBy(pulled)).toBeLessThan(0.5 * (await movedBy(plain)));
		});

		describe("NaN", () => {
			const poisoned = (): Map<string, NdArray> =>
				batch("a").set("target", float32Array([4, 2], new Float32Array(8).fill(Number.NaN)));

			test("in a feed is named and changes nothing", async () => {
				await trainer.step(batch("a"), step);
				const before = [await trainer.readParameters(), await trainer.readOptimizer()];
				await expect(trainer.step(poisoned(), step)).rejects.toMatchObject({
					code: "non-finite",
					tensor: "target",
				});
				await expect(trainer.step([batch("a"), poisoned()], step)).rejects.toMatchObject({
					code: "non-finite",
				});
				expect([await trainer.readParameters(), await trainer.readOptimizer()]).toEqual(before);
			});

			test("that no feed explains is named where it shows first", async () => {
				const feeds = new Map(batch("a")).set("x", float32Array([4, 3], new Float32Array(12).fill(3e38)));
				// Shaders may round an infinite loss to the largest number; its gradient is not finite then.
				const tensor = expect.stringMatching(/^(loss|grad:weight)$/);
				await expect(trainer.step(feeds, step)).rejects.toMatchObject({ code: "non-finite", tensor });
			});

			test("in loaded parameters is refused", async () => {
				const bias = float32Array([2], [0, Number.POSITIVE_INFINITY]);
				const loaded = trainer.loadParameters(new Map(start).set("bias", bias));
				await expect(loaded).rejects.toMatchObject({ code: "non-finite", tensor: "bias" });
				expect(await trainer.readParameters()).toEqual(start);
			});
		});

		test("parameters that do not fit are refused", async () => {
			const bias = ndArray("float32", [3], new Float32Array(3));
			const loaded = trainer.loadParameters(new Map(start).set("bias", bias));
			await expect(loaded).rejects.toMatchObject({ code: "bad-parameters", tensor: "bias" });
			const missing = trainer.loadParameters(new Map());
			await expect(missing).rejects.toMatchObject({ code: "bad-parameters", tensor: "weight" });
		});

		test.each<[string, Parameters<Trainer["step"]>, RegExp]>([
			["no batch", [[], step], /0 micro-batches/],
			[
				"too few weights",
				[[batch("a"), batch("b")], { ...step, microWeights: [1] }],
				/one positive weight each/,
			],
			["a zero weight", [[batch("a")], { ...step, microWeights: [0] }], /one positive weight each/],
			["a negative learning rate", [batch("a"), { learningRate: -1 }], /learningRate -1/],
			["a fed parameter", [new Map([...batch("a"), ...start]), step], /"weight" is not wanted/],
		])("step refuses %s", async (_what, args, message) => {
			await expect(trainer.step(...args)).rejects.toThrow(message);
		});

		test("an aborted step does not happen", async () => {
			const aborted = trainer.step(batch("a"), { ...step, signal: AbortSignal.abort() });
			await expect(aborted).rejects.toMatchObject({ name: "AbortError" });
			expect(await trainer.readParameters()).toEqual(start);
		});

		describe("construction", () => {
			test("refuses train graphs without loss, gradients or parameters", async () => {
				const graph = createGraph();
				const weight = graph.parameter("weight", [2]);
				await expect(make({ trainGraph: graph.build() })).rejects.toThrow(
					/output "loss" is missing, expected float32\[\]/,
				);
				graph.output("loss", reduceMean(weight));
				await expect(make({ trainGraph: graph.build() })).rejects.toThrow(/output "grad:weight" is missing/);
				await expect(make({ trainGraph: createGraph().build() })).rejects.toThrow(/has no parameters/);
			});

			test("refuses eval graphs with other parameters, and bad options", async () => {
				const graph = createGraph();
				graph.output("y", reduceMean(graph.parameter("weight", [3, 2])));
				const evalGraphs = { odd: graph.build() };
				await expect(make({ evalGraphs })).rejects.toThrow(
					/"odd" has parameter "weight" float32\[3,2\], float32\[2,3\] there/,
				);
				await expect(make({ clipNorm: 0 })).rejects.toThrow(/clipNorm 0 must be above 0/);
				await expect(make({ adamw: { ...adamw, beta2: 1 } })).rejects.toThrow(/beta2 1/);
				expect(runtime.numLiveHandles).toBe(1);
			});
		});

		test("use after dispose is refused", async () => {
			await trainer[Symbol.asyncDispose]();
			await trainer[Symbol.asyncDispose]();
			const calls = [
				trainer.step(batch("a"), step),
				trainer.readParameters(),
				trainer.loadParameters(start),
				trainer.readOptimizer(),
				trainer.loadOptimizer({ step: 0, moments: new Map() }),
				trainer.resetOptimizer(),
				trainer.setProximal(1),
				trainer.evaluate("predict", new Map()),
			];
			for (const result of await Promise.allSettled(calls)) {
				expect(result).toMatchObject({ status: "rejected", reason: { code: "disposed" } });
			}
		});
	});
}
