// Errors of predicted action chunks against recorded ones, joint by joint, in degrees (grippers in percent), and the two baselines a policy must beat: holding the pose, the mean action.

/** Unit of a joint's raw values. */
export type JointUnit = "deg" | "percent";

/** One predicted and one recorded chunk, `[chunkSize * actionDim]` row-major, raw units. */
export interface ChunkPair {
	readonly predicted: Float32Array;
	readonly recorded: Float32Array;
	/** 1 where the recorded step lies beyond the episode's end, `[chunkSize]`. */
	readonly isPad: Uint8Array;
}

/** Mean absolute error of each joint over all steps that are not padding. */
export interface JointErrors {
	/** In each joint's unit, `[actionDim]`. */
	readonly perJoint: readonly number[];
	/** Mean over the joints measured in degrees; null when there is none. */
	readonly meanDeg: number | null;
	/** Number of action steps compared. */
	readonly numSteps: number;
}

/** Unit of a joint by its name: grippers of SO-100 recordings are in percent of their opening. */
export function jointUnit(name: string): JointUnit {
	return /gripper/i.test(name) ? "percent" : "deg";
}

/**
 * Mean absolute error per joint; `scale` is degrees (percent for grippers) per raw unit of each joint.
 * @throws RangeError when a chunk does not have `chunkSize * names.length` values, or no step is valid.
 */
export function jointErrors(
	names: readonly string[],
	pairs: readonly ChunkPair[],
	scale: readonly number[] = names.map(() => 1),
): JointErrors {
	const actionDim = names.length;
	const sums = Array.from({ length: actionDim }, () => 0);
	let numSteps = 0;
	for (const { predicted, recorded, isPad } of pairs) {
		const expected = isPad.length * actionDim;
		if (predicted.length !== expected || recorded.length !== expected) {
			throw new RangeError(
				`jointErrors: ${predicted.length} predicted and ${recorded.length} recorded values, ` +
					`expected ${isPad.length} steps x ${actionDim} joints`,
			);
		}
		for (const [step, pad] of isPad.entries()) {
			if (pad !== 0) continue;
			numSteps++;
			for (let joint = 0; joint < actionDim; joint++) {
				const at = step * actionDim + joint;
				sums[joint] = (sums[joint] ?? 0) + Math.abs((predicted[at] ?? 0) - (recorded[at] ?? 0));
			}
		}
	}
	if (numSteps === 0) throw new RangeError("jointErrors: no valid action step to compare");
	const perJoint = sums.map((sum, joint) => (sum / numSteps) * (scale[joint] ?? 1));
	const degrees = perJoint.filter((_, joint) => jointUnit(names[joint] ?? "") === "deg");
	const total = degrees.reduce((sum, value) => sum + value, 0);
	return { perJoint, meanDeg: degrees.length === 0 ? null : total / degrees.length, numSteps };
}

/** A chunk that repeats one action in every step, `[chunkSize * action.length]`. */
export function constantChunk(action: ArrayLike<number>, chunkSize: number): Float32Array {
	const chunk = new Float32Array(chunkSize * action.length);
	for (let step = 0; step < chunkSize; step++) chunk.set(Float32Array.from(action), step * action.length);
	return chunk;
}
