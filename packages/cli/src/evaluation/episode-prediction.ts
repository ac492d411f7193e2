// A bound checkpoint against one recorded episode, open loop: what `zk0 predict` writes.
import { createOrtRuntime, type Device } from "@zk0/autodiff/node";
import { createSampleSource, type LeRobotDataset } from "@zk0/dataset";
import { createPolicyEngine, jointUnit, type OpenLoopRtc, predictEpisode } from "@zk0/finetune";
import type { Checkpoint } from "@zk0/policy";
import type { JointPrediction, PredictedEpisode } from "@zk0/records/report";
import { CliError } from "../cli-error.ts";
import { camerasFor, jointNames, toFrame } from "./recorded-frames.ts";

/** What to predict. */
export interface EpisodePredictionOptions {
	readonly dataset: LeRobotDataset;
	readonly episode: number;
	/** Frames from one chunk to the next; default the policy's n_action_steps. */
	readonly every: number | undefined;
	/** Actions that are sent while a chunk is computed, with real-time chunking; undefined without. */
	readonly rtcDelay: number | undefined;
	readonly seed: number;
	readonly threads: number;
	readonly device: Device;
	readonly onFrames: (numDone: number, numFrames: number) => void;
	readonly signal: AbortSignal;
}

/** The document that is written. Keys are fixed; programs depend on them. */
export interface EpisodePrediction extends PredictedEpisode {
	readonly format: "zk0-prediction-1";
	/** Real-time chunking; null when chunks did not guide one another. */
	readonly rtc: OpenLoopRtc | null;
	/** Means over the joints in degrees; null when there is none. */
	readonly jointErrorDeg: number | null;
	readonly holdPoseErrorDeg: number | null;
}

/** Settings of LeRobot's RTCConfig where the checkpoint has none. */
const RTC = { executionHorizon: 10, schedule: "LINEAR", maxGuidanceWeight: 10 } as const;

function rtcOf({ config }: Checkpoint, delay: number | undefined, every: number): OpenLoopRtc | undefined {
	if (delay === undefined) return undefined;
	const left = config.chunk_size - every;
	if (left < 1 || delay > left || delay >= every) {
		throw new CliError(
			"bad-flag",
			`--rtc ${delay} with a chunk of ${config.chunk_size} actions every ${every} frames leaves nothing to guide with`,
			{ cure: `give --every <n> larger than ${delay} and at most ${config.chunk_size - Math.max(1, delay)}` },
		);
	}
	const own = config.rtc_config;
	const set =
		own === null
			? RTC
			: {
					executionHorizon: own.execution_horizon,
					schedule: own.prefix_attention_schedule,
					maxGuidanceWeight: own.max_guidance_weight,
				};
	return { delay, ...set };
}

/**
 * Predicts one episode.
 * @throws CliError "bad-flag" for an unknown episode or settings that contradict each other; FinetuneError
 * "camera-missing", "dims-mismatch"; PolicyError; DatasetError
 */
export async function predictOnDataset(
	checkpoint: Checkpoint,
	options: EpisodePredictionOptions,
): Promise<EpisodePrediction> {
	const { dataset, episode, seed, signal } = options;
	const { config, model, tokenizer, stats } = checkpoint;
	const known = dataset.episodes.map(({ index }) => index);
	if (!known.includes(episode)) {
		throw new CliError("bad-flag", `--episode ${episode}: ${dataset.root} has no such episode`, {
			cure: `it has ${known.length} episodes, ${known.at(0) ?? "none"} to ${known.at(-1) ?? "none"}`,
		});
	}
	const every = options.every ?? config.n_action_steps;
	if (every > config.chunk_size) {
		throw new CliError(
			"bad-flag",
			`--every ${every} is more than the ${config.chunk_size} actions of a chunk`,
			{
				cure: "lower it",
			},
		);
	}
	const rtc = rtcOf(checkpoint, options.rtcDelay, every);
	const cameras = camerasFor(checkpoint, dataset);
	await using source = await createSampleSource(dataset, {
		episodes: [episode],
		chunkSize: 1,
		cameras: [...cameras.keys()],
		signal,
	});
	const samples = await source.framesAt(
		Array.from({ length: source.length }, (_, frame) => frame),
		{ images: false, signal },
	);
	const runtime = await createOrtRuntime({ threads: options.threads, device: options.device });
	await using engine = createPolicyEngine(runtime, model);
	const policyCameras = [...cameras.values()];
	const found = await predictEpisode(engine, {
		episode: {
			numFrames: source.length,
			actionDim: dataset.actionDim,
			observationAt: async (frame) => toFrame(await source.frameAt(frame, { signal }), cameras),
			actionAt: (frame) => samples[frame]?.actions ?? new Float32Array(0),
		},
		context: { ...model, tokenizer, stats, cameras: policyCameras },
		cameras: policyCameras,
		every,
		rtc,
		seedPath: [seed, "predict", episode],
		onChunk: (numDone) => options.onFrames(numDone, source.length),
		signal,
	});
	const joints = jointNames(dataset).map((name, joint, { length: numJoints }): JointPrediction => {
		const column = (values: Float32Array): number[] =>
			Array.from({ length: source.length }, (_, frame) => values[frame * numJoints + joint] ?? Number.NaN);
		const recorded = column(found.recorded);
		const predicted = column(found.predicted);
		const held = recorded.map((_, frame) => samples[frame - (frame % every)]?.state[joint] ?? Number.NaN);
		const unit = jointUnit(name);
		return {
			name,
			unit,
			error: gap(predicted, recorded),
			holdPose: joint < dataset.stateDim ? gap(held, recorded) : null,
			recorded,
			predicted,
		};
	});
	const seconds = found.chunks.map((chunk) => chunk.seconds);
	return {
		format: "zk0-prediction-1",
		checkpoint: checkpoint.directory,
		dataset: dataset.root,
		episode,
		task: samples[0]?.task ?? "",
		fps: dataset.fps,
		frames: source.length,
		every: found.every,
		rtc: rtc ?? null,
		seed,
		joints,
		jointErrorDeg: meanDegrees(joints, ({ error }) => error),
		holdPoseErrorDeg: meanDegrees(joints, ({ holdPose }) => holdPose),
		chunks: found.chunks,
		firstChunkSeconds: seconds[0] ?? Number.NaN,
		chunkSeconds: median(seconds.slice(1)),
	};
}

/** Mean absolute difference. */
function gap(a: readonly number[], b: readonly number[]): number {
	return a.reduce((sum, value, index) => sum + Math.abs(value - (b[index] ?? Number.NaN)), 0) / a.length;
}

function meanDegrees(
	joints: readonly JointPrediction[],
	read: (joint: JointPrediction) => number | null,
): number | null {
	const inDegrees = joints.filter(({ unit }) => unit === "deg").map(read);
	const values = inDegrees.filter((value) => value !== null);
	return values.length === 0 || values.length < inDegrees.length
		? null
		: values.reduce((sum, value) => sum + value, 0) / values.length;
}

function median(values: readonly number[]): number | null {
	const sorted = values.toSorted((a, b) => a - b);
	const middle = Math.floor((sorted.length - 1) / 2);
	const low = sorted[middle];
	const high = sorted[Math.ceil((sorted.length - 1) / 2)];
	return low === undefined || high === undefined ? null : (low + high) / 2;
}
