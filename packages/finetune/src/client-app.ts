// A site's side of the federation: global weights in, trained weights and held-out figures out. The training itself
// is `trainOnSite`, which `zk0 train` calls too; what lasts between rounds is in the training state.
import { join } from "node:path";
import type { NdArray } from "@zk0/arrays";
import { openSafetensors, writeSafetensorsFile } from "@zk0/arrays/node";
import type { ClientApp, Metrics, TaskContext, TrainTask } from "@zk0/federation";
import type { JointErrors } from "./joint-error.ts";
import { parseLearning } from "./learning.ts";
import { createMicroBatching, type MicroBatching } from "./micro-batch.ts";
import type { PolicyEngine } from "./policy-engine.ts";
import type { Pool } from "./pool.ts";
import type { CacheCounts } from "./prefix-cache/encoder.ts";
import type { HeldOutResult, Site } from "./site.ts";
import type { LocalTrainingResult } from "./train-locally.ts";
import { evaluateOnSite, trainOnSite } from "./train-on-site.ts";
import { openTrainingStateSpool } from "./training-state.ts";

/** Options of {@link createFinetuneApp}. */
export interface FinetuneAppOptions {
	readonly site: Site;
	/** Engines of the same policy; sites of one process share them. */
	readonly pool: Pool<PolicyEngine>;
	/** Where the site keeps its training state between rounds; stays on this machine. */
	readonly stateDir: string;
	/** How the machine divides a batch; sites of one process share it. @default in one piece */
	readonly microBatching?: MicroBatching;
	/**
	 * Measure the weights that the site trained as the joint weights are measured: same held-out frames, noise and times.
	 * The figures are metrics of the update. One more evaluation in each round. @default false
	 */
	readonly evalLocal?: boolean;
	/** Milliseconds of a monotonic clock. @default performance.now */
	readonly clock?: () => number;
}

/** The client application of one site. */
export function createFinetuneApp(options: FinetuneAppOptions): ClientApp {
	const { site, pool, stateDir, microBatching = createMicroBatching(), evalLocal = false, clock } = options;
	const { data } = site;
	const measureLocal = async (
		{ weights, lastLoss, samplesPerSecond }: LocalTrainingResult,
		task: TrainTask,
		{ signal, onProgress }: Pick<TaskContext, "signal" | "onProgress">,
	): Promise<Metrics> => {
		const step = task.numLocalSteps;
		const found = await evaluateOnSite(site, pool, {
			weights,
			learning: parseLearning(task.learning, data.name),
			seed: task.seed,
			microBatching,
			signal,
			// The steps are done; that it is told shows that the site is not stuck.
			onProgress: () => onProgress({ step, numSteps: step, loss: lastLoss, samplesPerSecond }),
		});
		return found === null ? {} : { heldOutLoss: found.loss, jointErrorDeg: found.joints.meanDeg };
	};
	return {
		describe: () => ({
			numSamples: data.trainItems.length,
			details: {
				robotType: data.dataset.robotType,
				fps: data.dataset.fps,
				tasks: data.dataset.tasks,
				cameras: Object.fromEntries(data.cameraMap),
				numTrainEpisodes: data.split.train.length,
				numHeldOutEpisodes: data.split.heldOut.length,
				jointNames: data.actionNames,
			},
		}),
		async train(task, context) {
			const { signal, onProgress, scratchDir } = context;
			const learning = parseLearning(task.learning, data.name);
			const cacheBefore = { ...site.observations.counts };
			const spool = openTrainingStateSpool(stateDir, { runId: task.runId, site: data.name });
			const before = await spool.readBefore(task.round);
			const result = await trainOnSite(site, pool, {
				weights: readWeights(task.weightsPath),
				learning,
				numSteps: task.numLocalSteps,
				globalStep: task.globalStep,
				totalSteps: task.totalSteps,
				from: {
					samplesConsumed: before?.samplesConsumed ?? 0,
					optimizer: learning.keepOptimizerState ? (before?.optimizer ?? null) : null,
				},
				proximalMu: task.proximalMu,
				seed: task.seed,
				microBatching,
				signal,
				onProgress,
				...(clock === undefined ? {} : { clock }),
			});
			signal.throwIfAborted();
			const local = evalLocal ? await measureLocal(result, task, context) : {};
			const weightsPath = join(scratchDir, "update.safetensors");
			await writeSafetensorsFile(weightsPath, result.weights);
			await spool.write({ round: task.round, ...result.to });
			return {
				weightsPath,
				numSamples: result.numSamples,
				metrics: { ...trainMetrics(result), ...local, ...cacheMetrics(site, cacheBefore) },
			};
		},
		async evaluate(task, { signal, onProgress }) {
			const result = await evaluateOnSite(site, pool, {
				weights: readWeights(task.weightsPath),
				learning: parseLearning(task.learning, data.name),
				seed: task.seed,
				microBatching,
				signal,
				onProgress: (step, numSteps) => onProgress({ step, numSteps, loss: null, samplesPerSecond: null }),
			});
			if (result === null) return { loss: null, numSamples: 0, metrics: {} };
			return {
				loss: result.loss,
				numSamples: result.numFrames,
				metrics: heldOutMetrics(data.actionNames, result),
			};
		},
	};
}

function readWeights(path: string): Map<string, NdArray<"float32">> {
	using file = openSafetensors(path);
	return new Map([...file.entries.keys()].map((name) => [name, file.readFloat32(name)]));
}

function trainMetrics(result: LocalTrainingResult): Metrics {
	const { loss, lastLoss, gradNorm, proximalLoss, microBatch, samplesPerSecond } = result;
	return { loss, lastLoss, gradNorm, proximalLoss, microBatch, samplesPerSecond };
}

/** What the prefix cache did for the site since `before`: observations found and not found, bytes read and written. */
function cacheMetrics({ observations: { counts } }: Site, before: CacheCounts): Metrics {
	return {
		prefixHits: counts.hits - before.hits,
		prefixMisses: counts.misses - before.misses,
		prefixReadBytes: counts.readBytes - before.readBytes,
		prefixWrittenBytes: counts.writtenBytes - before.writtenBytes,
	};
}

/** Held-out figures by name; errors of joint j are `jointError.<name>` in degrees (grippers: percent). */
export function heldOutMetrics(actionNames: readonly string[], result: HeldOutResult): Metrics {
	const perJoint = (kind: string, errors: JointErrors | null) =>
		actionNames.map((name, joint) => [`${kind}.${name}`, errors?.perJoint[joint] ?? null]);
	return Object.fromEntries([
		["jointErrorDeg", result.joints.meanDeg],
		["holdPoseErrorDeg", result.holdPose?.meanDeg ?? null],
		["meanActionErrorDeg", result.meanAction.meanDeg],
		...perJoint("jointError", result.joints),
		...perJoint("holdPoseError", result.holdPose),
		...perJoint("meanActionError", result.meanAction),
	]);
}
