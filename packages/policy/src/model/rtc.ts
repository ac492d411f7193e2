// Real-time chunking guidance for the sampler (Black et al., 2025, "Real-Time Execution of Action Chunking Flow
// Policies"), in the form LeRobot runs it: the correction is the weighted error itself, without a Jacobian
// (spec of SmolVLA §8). Works on normalised actions.
import { PolicyError } from "../errors.ts";

/** How the weight of the previous chunk fades after the delay. */
export type RtcSchedule = "ZEROS" | "ONES" | "LINEAR" | "EXP";

/** What guides a new chunk. */
export interface RtcGuidance {
	/** Unexecuted rest of the previous chunk in normalised units: `[B, previousLength, previousDim]`. */
	readonly previous: Float32Array;
	readonly previousLength: number;
	readonly previousDim: number;
	/** Actions of the new chunk that will be executed before it is ready. */
	readonly inferenceDelay: number;
	/** Actions that are guided at all. */
	readonly executionHorizon: number;
	readonly schedule: RtcSchedule;
	readonly maxGuidanceWeight: number;
}

/** Weight of each of `length` actions: 1 before `delay`, fading until `end`, 0 after. */
export function prefixWeights(
	schedule: RtcSchedule,
	delay: number,
	end: number,
	length: number,
): Float32Array {
	const weights = new Float32Array(length);
	const start = Math.min(delay, end);
	if (schedule === "ONES") return weights.fill(1, 0, end);
	weights.fill(1, 0, start);
	const numFading = Math.min(end, length) - start;
	if (schedule === "ZEROS" || numFading <= 0) return weights;
	for (let index = 0; index < numFading; index++) {
		const linear = 1 - (index + 1) / (numFading + 1);
		weights[start + index] = schedule === "LINEAR" ? linear : (linear * Math.expm1(linear)) / (Math.E - 1);
	}
	return weights;
}

/** Strength of the guidance at flow time `time` (1 = noise, 0 = actions). */
export function guidanceWeight(time: number, maxWeight: number): number {
	const tau = Math.fround(1 - time);
	const rest = 1 - tau;
	const ratio = tau === 0 ? maxWeight : rest / tau;
	const inverseVariance = (rest ** 2 + tau ** 2) / rest ** 2;
	return Math.min(ratio * inverseVariance, maxWeight);
}

/** Corrects velocities towards the previous chunk. */
export type Guide = (velocity: Float32Array, noisy: Float32Array, time: number) => void;

/**
 * A function that corrects velocities `[B, chunkSize, actionDim]` in place.
 * @throws PolicyError bad-frame when the previous chunk is larger than the new one or not of its stated size
 */
export function createGuide(rtc: RtcGuidance, chunkSize: number, actionDim: number): Guide {
	const { previous, previousLength, previousDim } = rtc;
	if (
		previousLength > chunkSize ||
		previousDim > actionDim ||
		previous.length % (previousLength * previousDim) !== 0
	) {
		throw new PolicyError(
			"bad-frame",
			`a previous chunk of ${previousLength}x${previousDim} (${previous.length} numbers) cannot guide one of ` +
				`${chunkSize}x${actionDim}`,
		);
	}
	const end = Math.min(rtc.executionHorizon, previousLength);
	const weights = prefixWeights(rtc.schedule, rtc.inferenceDelay, end, chunkSize);
	return (velocity, noisy, time) => {
		const strength = guidanceWeight(time, rtc.maxGuidanceWeight);
		for (let index = 0; index < velocity.length; index++) {
			const dim = index % actionDim;
			const row = Math.floor(index / actionDim);
			const step = row % chunkSize;
			const sample = Math.floor(row / chunkSize);
			const isKnown = step < previousLength && dim < previousDim;
			const place = (sample * previousLength + step) * previousDim + dim;
			const target = isKnown ? (previous[place] ?? 0) : 0;
			const v = velocity[index] ?? 0;
			const denoised = Math.fround((noisy[index] ?? 0) - Math.fround(time * v));
			const error = Math.fround((target - denoised) * (weights[step] ?? 0));
			velocity[index] = v - strength * error;
		}
	};
}
