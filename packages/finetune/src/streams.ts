// The random streams of a site. Each is named by run seed, site name and purpose (and a position or frame),
// never by a node number, a round or the order of work, so that results do not depend on scheduling.
// Noise and time follow the training objective (spec: smolvla §7).
import { type Rng, rng } from "@zk0/arrays";

/** Names the streams of one site in one run. */
export interface SiteSeed {
	/** The run's seed. */
	readonly seed: number;
	/** The site's name. */
	readonly site: string;
}

/** Starting noise and flow time of one sample. */
export interface FlowDraw {
	/** Standard normal noise over all action dimensions, `[chunkSize * maxActionDim]`. */
	readonly noise: Float32Array;
	/** Flow time in [0.001, 1]. */
	readonly time: number;
}

/** `length` standard normal deviates. */
export function normals(random: Rng, length: number): Float32Array {
	return Float32Array.from({ length }, () => random.normal());
}

function timeOfQuantile(quantile: number): number {
	return quantile ** (2 / 3) * 0.999 + 0.001;
}

/** Path of the stream that shuffles the site's training frames. */
export function samplerPath({ seed, site }: SiteSeed): readonly (string | number)[] {
	return [seed, site, "sampler"];
}

/** Noise and time of the training sample at `position` of the site's sample sequence. */
export function trainingDraw({ seed, site }: SiteSeed, position: number, noiseLength: number): FlowDraw {
	const random = rng(seed, site, "flow", position);
	const time = random.beta15() * 0.999 + 0.001;
	return { noise: normals(random, noiseLength), time };
}

/**
 * Noise and time `draw` (of `numDraws`) of a held-out frame: the same in every round. The times of a frame's
 * draws are stratified: draw d lies in the d-th of `numDraws` equally likely parts of the time distribution.
 */
export function evaluationDraw(
	{ seed, site }: SiteSeed,
	frame: number,
	noiseLength: number,
	{ draw = 0, numDraws = 1 }: { readonly draw?: number; readonly numDraws?: number } = {},
): FlowDraw {
	const random = rng(seed, site, "eval", frame, draw);
	const time = timeOfQuantile((draw + 1 - random.uniform()) / numDraws);
	return { noise: normals(random, noiseLength), time };
}

/** Starting noise for sampling the action chunk of a held-out frame: the same in every round. */
export function samplingNoise({ seed, site }: SiteSeed, frame: number, noiseLength: number): Float32Array {
	return normals(rng(seed, site, "sample", frame), noiseLength);
}
