// A bound checkpoint against recorded episodes: flow-matching loss, and the error of sampled chunks in the robot's
// own units beside two ways of not looking: holding the pose and the mean action. Everything is normalised with the
// checkpoint's statistics, as on the robot, not with the dataset's.
import { type Rng, rng } from "@zk0/arrays";
import { createOrtRuntime, type Device } from "@zk0/autodiff/node";
import { createSampleSource, type LeRobotDataset, type Sample, splitEpisodes } from "@zk0/dataset";
import { jointUnit } from "@zk0/finetune";
import { buildLossGraph, type Checkpoint, createSampler, prepareBatch } from "@zk0/policy";
import { camerasFor, jointNames, toFrame } from "./recorded-frames.ts";

/** Frames per call: fixed, so that a result does not depend on how many frames were asked for. */
const BATCH_SIZE = 8;
/** Noise and time draws per frame. */
const NUM_DRAWS = 2;

/** What to evaluate on. */
export interface DatasetEvaluationOptions {
	readonly dataset: LeRobotDataset;
	/** Episodes that count as held out: a share of them, or their numbers; null for all. */
	readonly heldOut: number | readonly number[] | null;
	/** Chooses the held-out episodes, and the noise. */
	readonly seed: number;
	/** Most frames, spread evenly. */
	readonly numFrames: number;
	readonly threads: number;
	readonly device: Device;
	readonly onFrames: (numDone: number, numFrames: number) => void;
	readonly signal: AbortSignal;
}

/** Mean absolute error of one joint. */
export interface JointResult {
	readonly name: string;
	readonly unit: "deg" | "percent";
	readonly error: number;
	readonly holdPose: number;
	readonly meanAction: number;
}

/** What was found. */
export interface DatasetEvaluation {
	readonly episodes: number;
	readonly frames: number;
	readonly loss: number;
	readonly joints: readonly JointResult[];
	/** Means over the joints in degrees; null when there is none. */
	readonly jointErrorDeg: number | null;
	readonly holdPoseErrorDeg: number | null;
	readonly meanActionErrorDeg: number | null;
}

/** Sums over the recorded steps seen so far. */
interface Sums {
	loss: number;
	lossWeight: number;
	steps: number;
	readonly error: number[];
	readonly holdPose: number[];
	readonly meanAction: number[];
}

/**
 * Evaluates a checkpoint on a dataset.
 * @throws FinetuneError "camera-missing"; PolicyError; DatasetError
 */
export async function evaluateOnDataset(
	checkpoint: Checkpoint,
	options: DatasetEvaluationOptions,
): Promise<DatasetEvaluation> {
	const { dataset, seed, signal } = options;
	const { config, model, tokenizer, stats } = checkpoint;
	const { heldOut } = options;
	const episodes =
		heldOut === null
			? dataset.episodes.map(({ index }) => index)
			: splitEpisodes(dataset.episodes, { heldOut, seed }).heldOut;
	const cameras = camerasFor(checkpoint, dataset);
	const graphOptions = { batchSize: BATCH_SIZE, cameras: [...cameras.values()] };
	await using source = await createSampleSource(dataset, {
		episodes,
		chunkSize: config.chunk_size,
		cameras: [...cameras.keys()],
		signal,
	});
	await using runtime = await createOrtRuntime({ threads: options.threads, device: options.device });
	await using loss = await runtime.compile(buildLossGraph(model, graphOptions));
	await using sampler = await createSampler(runtime, model, { ...graphOptions, tokenizer, stats });
	const names = jointNames(dataset);
	const zeros = (): number[] => names.map(() => 0);
	const sums: Sums = {
		loss: 0,
		lossWeight: 0,
		steps: 0,
		error: zeros(),
		holdPose: zeros(),
		meanAction: zeros(),
	};
	const items = spread(source.length, options.numFrames);
	const noiseLength = config.chunk_size * config.max_action_dim;
	for (let at = 0; at < items.length; at += BATCH_SIZE) {
		signal.throwIfAborted();
		options.onFrames(at, items.length);
		const own = items.slice(at, at + BATCH_SIZE);
		// The last batch is filled up with its own frames; only the first `own.length` results count.
		const padded = Array.from({ length: BATCH_SIZE }, (_, index) => own[index % own.length] ?? 0);
		const samples = await source.framesAt(padded, { signal });
		const frames = samples.map((sample) => toFrame(sample, cameras));
		for (let draw = 0; draw < NUM_DRAWS; draw++) {
			const streams = padded.map((item) => rng(seed, "evaluate", item, draw));
			const noise = concatenate(streams.map((stream) => normals(stream, noiseLength)));
			const time = Float32Array.from(streams, (stream) => 0.001 + 0.999 * stream.beta15());
			const feeds = prepareBatch(frames, { ...model, ...graphOptions, tokenizer, stats, noise, time });
			const outputs = await loss.run(feeds, { signal });
			addLosses(sums, outputs.get("loss_per_sample")?.data, samples.slice(0, own.length));
		}
		const noise = concatenate(padded.map((item) => normals(rng(seed, "sample", item), noiseLength)));
		const { actions } = await sampler.sampleActions(frames, { noise, signal });
		addErrors(sums, samples.slice(0, own.length), actions, stats["action"]?.["mean"] ?? []);
	}
	options.onFrames(items.length, items.length);
	return summarize(sums, { names, episodes: episodes.length, frames: items.length });
}

function addLosses(sums: Sums, losses: unknown, samples: readonly Sample[]): void {
	if (!(losses instanceof Float32Array)) throw new TypeError("evaluate: the loss graph returned no losses");
	for (const [index, { actionIsPad }] of samples.entries()) {
		const weight = actionIsPad.filter((isPad) => isPad === 0).length;
		sums.loss += (losses[index] ?? Number.NaN) * weight;
		sums.lossWeight += weight;
	}
}

function addErrors(
	sums: Sums,
	samples: readonly Sample[],
	predicted: Float32Array,
	mean: ArrayLike<number>,
): void {
	const numJoints = sums.error.length;
	for (const [index, { actions, actionIsPad, state }] of samples.entries()) {
		for (const [step, isPad] of actionIsPad.entries()) {
			if (isPad !== 0) continue;
			sums.steps++;
			for (let joint = 0; joint < numJoints; joint++) {
				const place = step * numJoints + joint;
				const recorded = actions[place] ?? Number.NaN;
				const guess = predicted[index * actions.length + place] ?? Number.NaN;
				sums.error[joint] = (sums.error[joint] ?? 0) + Math.abs(guess - recorded);
				sums.holdPose[joint] =
					(sums.holdPose[joint] ?? 0) + Math.abs((state[joint] ?? Number.NaN) - recorded);
				sums.meanAction[joint] =
					(sums.meanAction[joint] ?? 0) + Math.abs((mean[joint] ?? Number.NaN) - recorded);
			}
		}
	}
}

function summarize(
	sums: Sums,
	{
		names,
		episodes,
		frames,
	}: { readonly names: readonly string[]; readonly episodes: number; readonly frames: number },
): DatasetEvaluation {
	const per = (totals: readonly number[], joint: number): number =>
		(totals[joint] ?? Number.NaN) / sums.steps;
	const joints = names.map((name, joint) => ({
		name,
		unit: jointUnit(name),
		error: per(sums.error, joint),
		holdPose: per(sums.holdPose, joint),
		meanAction: per(sums.meanAction, joint),
	}));
	const inDegrees = joints.filter(({ unit }) => unit === "deg");
	const meanOf = (read: (joint: JointResult) => number): number | null =>
		inDegrees.length === 0 ? null : inDegrees.reduce((sum, joint) => sum + read(joint), 0) / inDegrees.length;
	return {
		episodes,
		frames,
		loss: sums.loss / sums.lossWeight,
		joints,
		jointErrorDeg: meanOf(({ error }) => error),
		holdPoseErrorDeg: meanOf(({ holdPose }) => holdPose),
		meanActionErrorDeg: meanOf(({ meanAction }) => meanAction),
	};
}

/** `count` of the items 0..length-1, spread evenly. */
function spread(length: number, count: number): number[] {
	const taken = Math.min(count, length);
	return Array.from({ length: taken }, (_, index) => Math.floor(((index + 0.5) * length) / taken));
}

function normals(random: Rng, length: number): Float32Array {
	return Float32Array.from({ length }, () => random.normal());
}

function concatenate(parts: readonly Float32Array[]): Float32Array {
	const all = new Float32Array(parts.reduce((sum, { length }) => sum + length, 0));
	let at = 0;
	for (const part of parts) {
		all.set(part, at);
		at += part.length;
	}
	return all;
}
