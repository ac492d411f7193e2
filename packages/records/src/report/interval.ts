// Confidence intervals of a mean over sites.

/** 97.5 % quantiles of Student's t for 1 to 30 degrees of freedom (Student, 1908; as in any table of t). */
const T_975 = [
	12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228, 2.201, 2.179, 2.16, 2.145, 2.131,
	2.12, 2.11, 2.101, 2.093, 2.086, 2.08, 2.074, 2.069, 2.064, 2.06, 2.056, 2.052, 2.048, 2.045, 2.042,
];
/** The normal quantile that t approaches. */
const NORMAL_975 = 1.96;

/** A mean with its 95 % confidence interval. */
export interface Interval {
	readonly mean: number;
	readonly low: number;
	readonly high: number;
	readonly numValues: number;
}

/** Mean and 95 % t interval; null for less than two values, of which no spread is known. */
export function meanInterval(values: readonly number[]): Interval | null {
	const numValues = values.length;
	if (numValues < 2) return null;
	const mean = values.reduce((sum, value) => sum + value, 0) / numValues;
	const variance = values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / (numValues - 1);
	const half = (T_975[numValues - 2] ?? NORMAL_975) * Math.sqrt(variance / numValues);
	return { mean, low: mean - half, high: mean + half, numValues };
}
