// The action side of a sample's feeds: normalised recorded actions mixed with noise at a flow time, and the target.
import type { NdArray } from "@zk0/arrays";
import {
	type BatchContext,
	createNormalizer,
	flowFeeds,
	type ModelDims,
	modelDims,
	type Normalizer,
} from "@zk0/policy";
import type { FlowDraw } from "./streams.ts";

/** A recorded chunk. */
export interface RecordedChunk {
	/** `[chunkSize * actionLength]`, raw units. */
	readonly actions: Float32Array;
	/** `[chunkSize]`, 1 beyond the episode's end. */
	readonly actionIsPad: Uint8Array;
}

/** Turns recorded chunks into feeds and sampled chunks into raw units, with one site's statistics. */
export interface FlowRows {
	readonly dims: ModelDims;
	/** Numbers of noise per sample: chunkSize * maxActionDim. */
	readonly noiseLength: number;
	/** Noisy actions, target velocity, time embedding and validity of one sample, `[1, ...]` each. */
	row(chunk: RecordedChunk, draw: FlowDraw): Map<string, NdArray>;
	/** Sampled model-unit chunk `[chunkSize * maxActionDim]` -> raw units `[chunkSize * actionLength]`. */
	toRaw(normalized: Float32Array): Float32Array;
}

/** @throws PolicyError missing-stats | bad-stats | bad-config */
export function createFlowRows(context: BatchContext): FlowRows {
	const { config, vlm, stats } = context;
	const dims = modelDims(config, vlm);
	const { chunkSize, actionLength, maxActionDim } = dims;
	const normalizer: Normalizer = createNormalizer(
		{ key: "action", mode: config.normalization_mapping.ACTION ?? "IDENTITY", length: actionLength },
		stats,
	);
	return {
		dims,
		noiseLength: chunkSize * maxActionDim,
		row({ actions, actionIsPad }, { noise, time }) {
			const normalized = normalizer.normalize(actions);
			const padded = new Float32Array(chunkSize * maxActionDim);
			for (let step = 0; step < chunkSize; step++) {
				const from = step * actionLength;
				padded.set(normalized.subarray(from, from + actionLength), step * maxActionDim);
			}
			const valid = Float32Array.from(actionIsPad, (isPad) => (isPad === 0 ? 1 : 0));
			return flowFeeds({ actions: padded, valid, noise, time: Float32Array.of(time) }, config, dims);
		},
		toRaw(normalized) {
			const real = normalized.filter((_, index) => index % maxActionDim < actionLength);
			return normalizer.unnormalize(real);
		},
	};
}

/** Steps of a chunk that lie inside the episode. */
export function numValidSteps({ actionIsPad }: RecordedChunk): number {
	return actionIsPad.reduce((count, isPad) => count + (isPad === 0 ? 1 : 0), 0);
}
