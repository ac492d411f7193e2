// Statistics of a dataset's features as LeRobot computes them (spec: per episode over all frames, population
// standard deviation, histogram quantiles; pictures from a sample of frames, per channel, divided by 255;
// episodes joined by count-weighted means and the parallel variance formula of Chan, Golub & LeVeque 1979).
// All sums are float64; LeRobot's own are float32 for float32 input.
import { createHistogram } from "./histogram.ts";
import type { RgbImage } from "./image.ts";

/** Quantiles that LeRobot stores, by key. */
export const QUANTILES: Readonly<Record<QuantileKey, number>> = {
	q01: 0.01,
	q10: 0.1,
	q50: 0.5,
	q90: 0.9,
	q99: 0.99,
};

/** Keys of the stored quantiles. */
export type QuantileKey = "q01" | "q10" | "q50" | "q90" | "q99";

/** Keys of a feature's statistics that hold one number per dimension (or channel). */
export const VALUE_KEYS = ["min", "max", "mean", "std", "q01", "q10", "q50", "q90", "q99"] as const;

/** Statistics of one feature; every array is flat, `shape` says how a file nests it ([D], or [3,1,1] for pictures). */
export interface FeatureStats {
	readonly shape: readonly number[];
	readonly min: readonly number[];
	readonly max: readonly number[];
	readonly mean: readonly number[];
	/** Population standard deviation. */
	readonly std: readonly number[];
	/** Frames counted (for pictures: frames sampled). */
	readonly count: number;
	/** Absent in datasets written before LeRobot had quantiles. */
	readonly q01?: readonly number[];
	readonly q10?: readonly number[];
	readonly q50?: readonly number[];
	readonly q90?: readonly number[];
	readonly q99?: readonly number[];
}

/** Statistics by feature key. */
export type Stats = Readonly<Record<string, FeatureStats>>;

/**
 * Statistics of `values` [N, dim] over N.
 * @throws RangeError when there is no row, or the length is not a multiple of `dim`.
 */
export function vectorStats(values: ArrayLike<number>, dim: number): FeatureStats {
	const numRows = values.length / dim;
	if (!Number.isInteger(numRows) || numRows < 1) {
		throw new RangeError(`vectorStats: ${values.length} values are not rows of ${dim}`);
	}
	const columns = Array.from({ length: dim }, (_, column) => columnStats(values, column, dim, numRows));
	const pick = (key: (typeof VALUE_KEYS)[number]): number[] => columns.map((stats) => stats[key]);
	return {
		shape: [dim],
		min: pick("min"),
		max: pick("max"),
		mean: pick("mean"),
		std: pick("std"),
		count: numRows,
		q01: pick("q01"),
		q10: pick("q10"),
		q50: pick("q50"),
		q90: pick("q90"),
		q99: pick("q99"),
	};
}

type Scalars = Record<(typeof VALUE_KEYS)[number], number>;

function columnStats(values: ArrayLike<number>, column: number, stride: number, numRows: number): Scalars {
	let min = Number.POSITIVE_INFINITY;
	let max = Number.NEGATIVE_INFINITY;
	let sum = 0;
	for (let at = column; at < values.length; at += stride) {
		const value = values[at] ?? 0;
		min = Math.min(min, value);
		max = Math.max(max, value);
		sum += value;
	}
	const mean = sum / numRows;
	const histogram = createHistogram(min, max);
	let squares = 0;
	for (let at = column; at < values.length; at += stride) {
		const value = values[at] ?? 0;
		squares += (value - mean) ** 2;
		histogram.add(value);
	}
	const quantile = (fraction: number): number => (numRows < 2 ? mean : histogram.quantile(fraction));
	return { min, max, mean, std: Math.sqrt(squares / numRows), ...quantilesOf(quantile) };
}

function quantilesOf(quantile: (fraction: number) => number): Record<QuantileKey, number> {
	return {
		q01: quantile(QUANTILES.q01),
		q10: quantile(QUANTILES.q10),
		q50: quantile(QUANTILES.q50),
		q90: quantile(QUANTILES.q90),
		q99: quantile(QUANTILES.q99),
	};
}

/** Frames of an episode of `length` frames that picture statistics look at, ascending; may repeat none. */
export function sampledFrames(length: number): number[] {
	const numSamples = Math.max(Math.min(100, length), Math.min(Math.floor(length ** 0.75), 10_000));
	const step = numSamples > 1 ? (length - 1) / (numSamples - 1) : 0;
	return Array.from({ length: numSamples }, (_, index) =>
		index === numSamples - 1 && index > 0 ? length - 1 : roundHalfEven(index * step),
	);
}

function roundHalfEven(value: number): number {
	const floor = Math.floor(value);
	if (value - floor !== 0.5) return Math.round(value);
	return floor % 2 === 0 ? floor : floor + 1;
}

/** Collects sampled pictures of one episode and camera. */
export interface ImageStatsCollector {
	add(image: RgbImage): void;
	/** @throws RangeError when nothing was added. */
	finish(): FeatureStats;
}

/** A collector; pictures of 300 px and more are read with an integer stride towards 150 px. */
export function collectImageStats(): ImageStatsCollector {
	const counts = [new Float64Array(256), new Float64Array(256), new Float64Array(256)] as const;
	let numImages = 0;
	return {
		add({ height, width, rgb }) {
			const stride = Math.max(height, width) < 300 ? 1 : Math.floor(Math.max(height, width) / 150);
			const [red, green, blue] = counts;
			for (let row = 0; row < height; row += stride) {
				for (let column = 0; column < width; column += stride) {
					const at = (row * width + column) * 3;
					increment(red, rgb[at]);
					increment(green, rgb[at + 1]);
					increment(blue, rgb[at + 2]);
				}
			}
			numImages++;
		},
		finish() {
			if (numImages === 0) throw new RangeError("collectImageStats: no picture was added");
			const channels = counts.map(channelStats);
			const pick = (key: (typeof VALUE_KEYS)[number]): number[] => channels.map((stats) => stats[key] / 255);
			return {
				shape: [3, 1, 1],
				min: pick("min"),
				max: pick("max"),
				mean: pick("mean"),
				std: pick("std"),
				count: numImages,
				q01: pick("q01"),
				q10: pick("q10"),
				q50: pick("q50"),
				q90: pick("q90"),
				q99: pick("q99"),
			};
		},
	};
}

function increment(counts: Float64Array, value: number | undefined): void {
	if (value !== undefined) counts[value] = (counts[value] ?? 0) + 1;
}

/** Statistics in 0..255 of a channel given how often each value occurs. */
function channelStats(counts: Float64Array): Scalars {
	const min = counts.findIndex((count) => count > 0);
	const max = counts.findLastIndex((count) => count > 0);
	const total = counts.reduce((sum, count) => sum + count, 0);
	const mean = counts.reduce((sum, count, value) => sum + count * value, 0) / total;
	const variance = counts.reduce((sum, count, value) => sum + count * (value - mean) ** 2, 0) / total;
	const histogram = createHistogram(min, max);
	for (let value = min; value <= max; value++) {
		const count = counts[value] ?? 0;
		if (count > 0) histogram.add(value, count);
	}
	const quantile = (fraction: number): number => (total < 2 ? mean : histogram.quantile(fraction));
	return { min, max, mean, std: Math.sqrt(variance), ...quantilesOf(quantile) };
}

/**
 * Joins statistics of disjoint sets of frames: count-weighted mean, parallel variance, extremes; quantiles up to
 * q50 take the smallest, above it the largest (LeRobot's envelope). A quantile missing in any part is left out.
 * @throws RangeError when `parts` is empty or shapes differ.
 */
export function aggregateFeatureStats(parts: readonly FeatureStats[]): FeatureStats {
	const [first] = parts;
	if (first === undefined) throw new RangeError("aggregateFeatureStats: nothing to aggregate");
	const dim = first.mean.length;
	if (parts.some((part) => part.mean.length !== dim)) {
		throw new RangeError(
			`aggregateFeatureStats: dims differ: ${parts.map((part) => part.mean.length).join(",")}`,
		);
	}
	const count = parts.reduce((sum, part) => sum + part.count, 0);
	const join = (
		value: (part: FeatureStats, at: number) => number,
		reduce: (values: number[]) => number,
	): number[] => Array.from({ length: dim }, (_, at) => reduce(parts.map((part) => value(part, at))));
	const weighted = (values: number[]): number =>
		values.reduce((sum, value, part) => sum + value * (parts[part]?.count ?? 0), 0) / count;
	const mean = join((part, at) => part.mean[at] ?? 0, weighted);
	const variance = join(
		(part, at) => (part.std[at] ?? 0) ** 2 + ((part.mean[at] ?? 0) - (mean[at] ?? 0)) ** 2,
		weighted,
	);
	const smallest = (values: number[]): number => values.reduce((a, b) => Math.min(a, b));
	const largest = (values: number[]): number => values.reduce((a, b) => Math.max(a, b));
	const quantiles: Partial<Record<QuantileKey, number[]>> = {};
	for (const key of ["q01", "q10", "q50", "q90", "q99"] as const) {
		if (parts.every((part) => part[key] !== undefined)) {
			quantiles[key] = join((part, at) => part[key]?.[at] ?? 0, QUANTILES[key] <= 0.5 ? smallest : largest);
		}
	}
	return {
		shape: first.shape,
		min: join((part, at) => part.min[at] ?? 0, smallest),
		max: join((part, at) => part.max[at] ?? 0, largest),
		mean,
		std: variance.map(Math.sqrt),
		count,
		...quantiles,
	};
}

/** Joins statistics feature by feature; the result has every feature that occurs, in order of first occurrence. */
export function aggregateStats(parts: readonly Stats[]): Stats {
	const keys = [...new Set(parts.flatMap((part) => Object.keys(part)))];
	return Object.fromEntries(
		keys.map((key) => {
			const present = parts.map((part) => part[key]).filter((stats) => stats !== undefined);
			return [key, aggregateFeatureStats(present)];
		}),
	);
}
