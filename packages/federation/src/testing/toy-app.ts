// A site for tests: least squares on a few local points, trained by gradient descent in float64 and stored as float32.
// Site names select different data, so the sites' optima differ and federation has something to do.

import { existsSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { float32Array, type NamedArrays, rng } from "@zk0/arrays";
import { openSafetensors, writeSafetensorsFile } from "@zk0/arrays/node";
import type { ClientApp, EvaluateTask, TrainTask } from "../client-app.ts";

const DIM = 3;
const TRUE_WEIGHTS = [1.5, -2, 0.5];

/** Changes to a toy site for one test. */
export interface ToyOptions {
	/** Awaited before each task. */
	readonly before?: (
		phase: "train" | "evaluate",
		task: TrainTask | EvaluateTask,
		signal: AbortSignal,
	) => Promise<void>;
	/** Replaces the update before it is written. */
	readonly spoil?: (update: NamedArrays, task: TrainTask) => NamedArrays;
	/** Overrides the number of samples. */
	readonly numSamples?: number;
}

/** Initial weights: tensors `w` [3] and `b` [1]. */
export function toyWeights(): NamedArrays {
	return new Map([
		["w", float32Array([DIM], [0, 0, 0])],
		["b", float32Array([1], [0])],
	]);
}

/** A temporary directory that disposes itself, in memory where the system has such a place: fsync is quick there. */
export async function temporaryDir(): Promise<AsyncDisposable & { readonly path: string }> {
	const parent = existsSync("/dev/shm") ? "/dev/shm" : tmpdir();
	const path = await mkdtemp(join(parent, "zk0-federation-"));
	return { path, [Symbol.asyncDispose]: () => rm(path, { recursive: true, force: true }) };
}

interface Point {
	readonly x: readonly number[];
	readonly y: number;
}

function makePoints(site: string): Point[] {
	const stream = rng("toy", site);
	const offset = stream.normal();
	const numPoints = 8 + stream.below(8);
	return Array.from({ length: numPoints }, () => {
		const x = Array.from({ length: DIM }, () => stream.normal());
		const y = x.reduce((sum, value, i) => sum + value * (TRUE_WEIGHTS[i] ?? 0), 1 + 0.3 * offset);
		return { x, y };
	});
}

function readWeights(path: string): number[] {
	using file = openSafetensors(path);
	return [...file.readFloat32("w").data, ...file.readFloat32("b").data];
}

function predict(weights: readonly number[], { x }: Point): number {
	return x.reduce((sum, value, i) => sum + value * (weights[i] ?? 0), weights[DIM] ?? 0);
}

/** A toy site. Its training uses the stream of (seed, site, round), as the contract asks. */
export function toyApp(site: string, options: ToyOptions = {}): ClientApp {
	const points = makePoints(site);
	return {
		describe: () => ({ numSamples: points.length, details: { robot: "toy" } }),
		async train(task, { signal, onProgress, scratchDir }) {
			await options.before?.("train", task, signal);
			const globalWeights = readWeights(task.weightsPath);
			const weights = [...globalWeights];
			const stream = rng(task.seed, site, task.round);
			let loss = 0;
			for (let step = 1; step <= task.numLocalSteps; step++) {
				const point = points[stream.below(points.length)];
				if (point === undefined) throw new RangeError("toy: no points");
				const error = predict(weights, point) - point.y;
				loss = error * error;
				for (let i = 0; i <= DIM; i++) {
					const pull = task.proximalMu * ((weights[i] ?? 0) - (globalWeights[i] ?? 0));
					weights[i] = (weights[i] ?? 0) - 0.1 * (error * (point.x[i] ?? 1) + pull);
				}
				onProgress({ step, numSteps: task.numLocalSteps, loss, samplesPerSecond: null });
			}
			const update = new Map([
				["w", float32Array([DIM], weights.slice(0, DIM))],
				["b", float32Array([1], weights.slice(DIM))],
			]);
			const weightsPath = join(scratchDir, "update.safetensors");
			await writeSafetensorsFile(weightsPath, options.spoil?.(update, task) ?? update);
			return { weightsPath, numSamples: options.numSamples ?? points.length, metrics: { loss } };
		},
		async evaluate(task, { signal }) {
			await options.before?.("evaluate", task, signal);
			const weights = readWeights(task.weightsPath);
			const losses = points.map((point) => (predict(weights, point) - point.y) ** 2);
			const loss = losses.reduce((sum, value) => sum + value, 0) / losses.length;
			return { loss, numSamples: points.length, metrics: { rmse: Math.sqrt(loss), missing: Number.NaN } };
		},
	};
}
