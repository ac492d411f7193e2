// One sampled chunk for one observation: what an actor and an open-loop prediction share.
import { type BatchContext, denoise, type Frame, type RtcGuidance } from "@zk0/policy";
import type { FlowRows } from "./flow-rows.ts";
import { observeFrames, type PolicyEngine } from "./policy-engine.ts";
import { withSignal } from "./signal-option.ts";

/** What chunks are sampled with. */
export interface ChunkPlanner {
	readonly engine: PolicyEngine;
	readonly context: BatchContext;
	/** Policy camera keys of the observations. */
	readonly cameras: readonly string[];
	readonly flow: FlowRows;
	/** Euler steps per chunk. @default the policy's `num_steps` */
	readonly numSteps?: number | undefined;
}

/** How one chunk is sampled. */
export interface ChunkOptions {
	/** Standard normal, `[chunkSize * maxActionDim]`. */
	readonly noise: Float32Array;
	readonly rtc?: RtcGuidance | undefined;
	readonly signal?: AbortSignal | undefined;
}

/** A sampled chunk. */
export interface PlannedChunk {
	/** `[chunkSize * actionLength]`, raw units. */
	readonly actions: Float32Array;
	/** `[chunkSize * maxActionDim]`, model units. */
	readonly normalized: Float32Array;
}

/** Samples a chunk with the engine's model. @throws PolicyError for an observation that does not fit the policy */
export async function planChunk(
	planner: ChunkPlanner,
	observation: Frame,
	{ noise, rtc, signal }: ChunkOptions,
): Promise<PlannedChunk> {
	const { engine, context, cameras, flow, numSteps } = planner;
	const encoded = await observeFrames(engine, [observation], context, { signal });
	const sampler = await engine.samplerFor(cameras);
	const setup = { config: context.config, dims: flow.dims, ...sampler };
	const normalized = await denoise(setup, encoded, {
		noise,
		...(numSteps === undefined ? {} : { numSteps }),
		...(rtc === undefined ? {} : { rtc }),
		...withSignal(signal),
	});
	return { normalized, actions: flow.toRaw(normalized) };
}
