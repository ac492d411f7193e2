// Learning-rate schedule of LeRobot's `CosineDecayWithWarmupSchedulerConfig`: linear warm-up, then cosine decay whose
// argument counts from step 0 (not from the end of the warm-up).

/** Learning rates and lengths of the schedule. */
export interface CosineSchedule {
	readonly peakLr: number;
	readonly warmupSteps: number;
	readonly decaySteps: number;
	/** Learning rate after `decaySteps`. */
	readonly decayLr: number;
	/** Length of the run; when shorter than `decaySteps`, warm-up and decay shrink in proportion. */
	readonly totalSteps?: number;
}

/**
 * Learning rate of update `step`, counted from 0.
 * @throws RangeError when a step or length is not a whole number, or the peak is not positive.
 */
export function learningRateAt(step: number, schedule: CosineSchedule): number {
	const { peakLr, decayLr, totalSteps } = schedule;
	const lengths = [step, schedule.warmupSteps, schedule.decaySteps, totalSteps ?? 1];
	if (lengths.some((length) => !Number.isSafeInteger(length) || length < 0) || schedule.decaySteps < 1) {
		throw new RangeError(
			`learningRateAt: steps ${lengths.join(", ")} must be whole numbers, decaySteps at least 1`,
		);
	}
	if (!(peakLr > 0) || !(decayLr >= 0)) {
		throw new RangeError(
			`learningRateAt: peakLr ${peakLr} must be above 0 and decayLr ${decayLr} at least 0`,
		);
	}
	const shrinks = totalSteps !== undefined && totalSteps > 0 && totalSteps < schedule.decaySteps;
	const decaySteps = shrinks ? totalSteps : schedule.decaySteps;
	const warmupSteps = shrinks
		? Math.trunc(schedule.warmupSteps * (totalSteps / schedule.decaySteps))
		: schedule.warmupSteps;
	if (step < warmupSteps) {
		const start = 1 / (warmupSteps + 1);
		if (step === 0) return peakLr * start;
		return peakLr * ((start - 1) * (1 - step / warmupSteps) + 1);
	}
	const cosine = 0.5 * (1 + Math.cos((Math.PI * Math.min(step, decaySteps)) / decaySteps));
	const floor = decayLr / peakLr;
	return peakLr * ((1 - floor) * cosine + floor);
}
