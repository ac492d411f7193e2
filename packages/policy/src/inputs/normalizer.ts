// Normalisation of states and actions by dataset statistics, LeRobot's five modes (normalize_processor.py).
// Where LeRobot passes values through silently because a statistic is absent, this refuses.
import type { NormalizationMode, SmolVLAConfig } from "../config/policy-config.ts";
import { actionLength, stateLength } from "../config/policy-config.ts";
import { PolicyError } from "../errors.ts";

const EPS = 1e-8;

/** Statistics of one feature by name (`mean`, `std`, `min`, `max`, `q01` …), one number per dimension. */
export type FeatureStats = Readonly<Record<string, ArrayLike<number>>>;

/** Statistics by feature key, e.g. `observation.state` and `action`. */
export type Stats = Readonly<Record<string, FeatureStats>>;

/** One feature's affine map; both directions work on vectors of its length, repeated any number of times. */
export interface Normalizer {
	/** Raw units to model units, float32. */
	normalize(raw: ArrayLike<number>): Float32Array;
	/** Model units to raw units, float32; not the exact inverse (LeRobot adds eps only one way). */
	unnormalize(normalized: ArrayLike<number>): Float32Array;
}

/** The statistics each mode needs. */
const NEEDED: Readonly<Record<NormalizationMode, readonly string[]>> = {
	IDENTITY: [],
	MEAN_STD: ["mean", "std"],
	MIN_MAX: ["min", "max"],
	QUANTILES: ["q01", "q99"],
	QUANTILE10: ["q10", "q90"],
};

/** The statistics that a mode reads. */
export function neededStatistics(mode: NormalizationMode): readonly string[] {
	return NEEDED[mode];
}

/** What {@link createNormalizer} normalises. */
export interface NormalizedFeature {
	readonly key: string;
	readonly mode: NormalizationMode;
	readonly length: number;
}

/** State and action, as the configuration wants them normalised. */
export function normalizedFeatures(config: SmolVLAConfig): {
	state: NormalizedFeature;
	action: NormalizedFeature;
} {
	const { STATE = "IDENTITY", ACTION = "IDENTITY", VISUAL = "IDENTITY" } = config.normalization_mapping;
	if (VISUAL !== "IDENTITY") {
		throw new PolicyError("unsupported", `images cannot be normalised by ${VISUAL}; SmolVLA uses IDENTITY`, {
			key: "normalization_mapping",
		});
	}
	return {
		state: { key: "observation.state", mode: STATE, length: stateLength(config) },
		action: { key: "action", mode: ACTION, length: actionLength(config) },
	};
}

function statistic(stats: Stats, { key, length, mode }: NormalizedFeature, name: string): Float32Array {
	const values = stats[key]?.[name];
	if (values === undefined) {
		throw new PolicyError(
			"missing-stats",
			`${mode} of ${key} needs the statistic ${key}.${name}, which is not there; ` +
				"bind the checkpoint to a dataset that has it (zk0 model bind <checkpoint> <dataset>)",
			{ key: `${key}.${name}` },
		);
	}
	const vector = Float32Array.from(values);
	if (vector.length !== length) {
		throw new PolicyError("bad-stats", `${key}.${name} has ${vector.length} numbers, ${key} has ${length}`, {
			key: `${key}.${name}`,
		});
	}
	// A negative standard deviation is legal: it mirrors a joint that a site counts the other way.
	if (!vector.every(Number.isFinite)) {
		throw new PolicyError("bad-stats", `${key}.${name} is [${[...vector].join(", ")}]`, {
			key: `${key}.${name}`,
		});
	}
	return vector;
}

interface AffineMap {
	/** normalised = forward(raw, dimension) */
	readonly forward: (raw: number, dimension: number) => number;
	readonly backward: (normalized: number, dimension: number) => number;
}

function meanStd(mean: Float32Array, std: Float32Array): AffineMap {
	return {
		forward: (raw, dim) => Math.fround(raw - (mean[dim] ?? 0)) / Math.fround((std[dim] ?? 0) + EPS),
		backward: (value, dim) => Math.fround(value * (std[dim] ?? 0)) + (mean[dim] ?? 0),
	};
}

function interval(low: Float32Array, high: Float32Array): AffineMap {
	const span = low.map((from, dim) => Math.fround((high[dim] ?? 0) - from) || EPS);
	return {
		forward: (raw, dim) => Math.fround(2 * Math.fround(raw - (low[dim] ?? 0))) / (span[dim] ?? 1) - 1,
		backward: (value, dim) => (Math.fround(value + 1) / 2) * (span[dim] ?? 1) + (low[dim] ?? 0),
	};
}

function affineMap(feature: NormalizedFeature, stats: Stats): AffineMap {
	const [first, second] = NEEDED[feature.mode];
	if (first === undefined || second === undefined)
		return { forward: (raw) => raw, backward: (value) => value };
	const low = statistic(stats, feature, first);
	const high = statistic(stats, feature, second);
	return feature.mode === "MEAN_STD" ? meanStd(low, high) : interval(low, high);
}

/** @throws PolicyError missing-stats | bad-stats (NaN, wrong length) */
export function createNormalizer(feature: NormalizedFeature, stats: Stats): Normalizer {
	const { forward, backward } = affineMap(feature, stats);
	const { key, length } = feature;
	const apply = (
		source: ArrayLike<number>,
		map: (value: number, dimension: number) => number,
	): Float32Array => {
		if (source.length % length !== 0) {
			throw new PolicyError("bad-frame", `${key} has ${length} numbers, got ${source.length}`, { key });
		}
		return Float32Array.from(source, (value, index) => map(value, index % length));
	};
	return {
		normalize: (raw) => apply(raw, forward),
		unnormalize: (normalized) => apply(normalized, backward),
	};
}
