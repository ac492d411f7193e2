// Open-loop prediction of one recorded episode: at every planning frame the policy sees what was recorded and predicts a
// chunk, whose actions stand beside the recorded ones until it plans again. Nothing that it predicts changes what it
// sees, so this measures imitation and not success.
import { rng } from "@zk0/arrays";
import type { BatchContext, Frame, RtcGuidance, RtcSchedule } from "@zk0/policy";
import { FinetuneError } from "./errors.ts";
import { createFlowRows, type FlowRows } from "./flow-rows.ts";
import { type PlannedChunk, planChunk } from "./plan-chunk.ts";
import type { PolicyEngine } from "./policy-engine.ts";
import { normals } from "./streams.ts";

/** A recorded episode as the policy sees it. */
export interface RecordedEpisode {
	readonly numFrames: number;
	/** Numbers of one recorded action. */
	readonly actionDim: number;
	/** What the policy sees at a frame, by policy camera key. */
	observationAt(frame: number): Promise<Frame>;
	/** The recorded action of a frame, raw units. */
	actionAt(frame: number): Float32Array;
}

/** Real-time chunking (Black et al., 2025): the rest of a chunk guides the next one. */
export interface OpenLoopRtc {
	/** Actions that are sent while a chunk is computed: they come from the chunk before. */
	readonly delay: number;
	/** Actions that are guided at all. */
	readonly executionHorizon: number;
	readonly schedule: RtcSchedule;
	readonly maxGuidanceWeight: number;
}

/** Options of {@link predictEpisode}. */
export interface OpenLoopOptions {
	readonly episode: RecordedEpisode;
	readonly context: BatchContext;
	/** Policy camera keys of the observations. */
	readonly cameras: readonly string[];
	/** Frames from one chunk to the next, at most the chunk size. @default the policy's `n_action_steps` */
	readonly every?: number | undefined;
	readonly rtc?: OpenLoopRtc | undefined;
	/** Path of the noise's random streams, one per planning frame. */
	readonly seedPath: readonly (string | number)[];
	/** Milliseconds of a monotonic clock. @default performance.now */
	readonly clock?: () => number;
	readonly onChunk?: (numFramesDone: number) => void;
	readonly signal?: AbortSignal | undefined;
}

/** What was predicted. */
export interface OpenLoopResult {
	readonly every: number;
	/** `[numFrames * actionLength]`, raw units. */
	readonly predicted: Float32Array;
	/** `[numFrames * actionLength]`, raw units. */
	readonly recorded: Float32Array;
	/** Where the policy planned, and how long encoding and sampling took; reading pictures is not counted. */
	readonly chunks: readonly { readonly frame: number; readonly seconds: number }[];
}

function guidanceOf(
	rtc: OpenLoopRtc,
	{ normalized }: PlannedChunk,
	every: number,
	{ dims }: FlowRows,
): RtcGuidance {
	const { chunkSize, actionLength, maxActionDim } = dims;
	const rest = normalized
		.subarray(every * maxActionDim)
		.filter((_, place) => place % maxActionDim < actionLength);
	return {
		previous: rest,
		previousLength: chunkSize - every,
		previousDim: actionLength,
		inferenceDelay: rtc.delay,
		executionHorizon: rtc.executionHorizon,
		schedule: rtc.schedule,
		maxGuidanceWeight: rtc.maxGuidanceWeight,
	};
}

function checkOptions({ episode, rtc }: OpenLoopOptions, every: number, { dims }: FlowRows): void {
	const { chunkSize, actionLength } = dims;
	if (episode.actionDim !== actionLength) {
		throw new FinetuneError(
			"dims-mismatch",
			`recorded actions have ${episode.actionDim} numbers, the policy predicts ${actionLength}; ` +
				"use recordings of the robot that the checkpoint is bound to",
		);
	}
	if (!Number.isSafeInteger(every) || every < 1 || every > chunkSize) {
		throw new RangeError(`open loop: every is ${every}, expected 1 to the chunk size ${chunkSize}`);
	}
	if (rtc !== undefined && (rtc.delay < 0 || rtc.delay >= every || rtc.delay > chunkSize - every)) {
		throw new RangeError(
			`open loop: a delay of ${rtc.delay} with a chunk every ${every} frames; a chunk has ${chunkSize} actions`,
		);
	}
}

/**
 * Predicts an episode.
 * @throws FinetuneError "dims-mismatch"; PolicyError for observations that do not fit the policy; RangeError for options
 * out of range
 */
export async function predictEpisode(
	engine: PolicyEngine,
	options: OpenLoopOptions,
): Promise<OpenLoopResult> {
	const { episode, context, cameras, rtc, signal, clock = () => performance.now() } = options;
	const flow = createFlowRows(context);
	const { actionLength } = flow.dims;
	const every = options.every ?? context.config.n_action_steps;
	checkOptions(options, every, flow);
	const predicted = new Float32Array(episode.numFrames * actionLength);
	const recorded = new Float32Array(predicted.length);
	const chunks: OpenLoopResult["chunks"][number][] = [];
	const planner = { engine, context, cameras, flow };
	let previous: PlannedChunk | undefined;
	for (let frame = 0; frame < episode.numFrames; frame += every) {
		signal?.throwIfAborted();
		const observation = await episode.observationAt(frame);
		const noise = normals(rng(...options.seedPath, frame), flow.noiseLength);
		const guide =
			rtc === undefined || previous === undefined ? undefined : guidanceOf(rtc, previous, every, flow);
		const startedMs = clock();
		const chunk = await planChunk(planner, observation, { noise, rtc: guide, signal });
		chunks.push({ frame, seconds: (clock() - startedMs) / 1000 });
		const numSteps = Math.min(every, episode.numFrames - frame);
		for (let step = 0; step < numSteps; step++) {
			// Until a chunk is computed, the arm goes on with the one before.
			const isLate = previous !== undefined && rtc !== undefined && step < rtc.delay;
			const from = isLate ? (previous?.actions ?? chunk.actions) : chunk.actions;
			const row = isLate ? every + step : step;
			const action = from.subarray(row * actionLength, (row + 1) * actionLength);
			predicted.set(action, (frame + step) * actionLength);
			recorded.set(episode.actionAt(frame + step), (frame + step) * actionLength);
		}
		previous = chunk;
		options.onChunk?.(frame + numSteps);
	}
	return { every, predicted, recorded, chunks };
}
