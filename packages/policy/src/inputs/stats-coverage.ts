// Which statistics states and actions need, which of them are there, and which lie under another data set's name.
import type { NormalizationMode, SmolVLAConfig } from "../config/policy-config.ts";
import { createNormalizer, neededStatistics, normalizedFeatures, type Stats } from "./normalizer.ts";

/** One feature's need. */
export interface FeatureCoverage {
	readonly key: string;
	readonly mode: NormalizationMode;
	readonly present: readonly string[];
	/** Statistics that {@link mode} needs and that are not there. */
	readonly missing: readonly string[];
}

/** What statistics cover. */
export interface StatsCoverage {
	/** State, then action. */
	readonly features: readonly FeatureCoverage[];
	/**
	 * Statistics of a state or an action under a prefix, e.g. `so100.buffer.action.mean` in smolvla_base: LeRobot finds
	 * none of them and passes the values through unchanged.
	 */
	readonly prefixed: readonly string[];
	/** Nothing is missing. */
	readonly isComplete: boolean;
}

/** @throws PolicyError unsupported for normalised images; bad-config without state or action; bad-stats */
export function statsCoverage(config: SmolVLAConfig, stats: Stats): StatsCoverage {
	const { state, action } = normalizedFeatures(config);
	const features = [state, action].map((feature): FeatureCoverage => {
		const { key, mode } = feature;
		const needed = neededStatistics(mode);
		const missing = needed.filter((name) => stats[key]?.[name] === undefined);
		if (missing.length === 0) createNormalizer(feature, stats);
		return { key, mode, present: needed.filter((name) => !missing.includes(name)), missing };
	});
	const prefixed = Object.entries(stats).flatMap(([key, byName]) => {
		const isOf = features.some((feature) => key.endsWith(`.${feature.key}`));
		return isOf ? Object.keys(byName).map((name) => `${key}.${name}`) : [];
	});
	return { features, prefixed, isComplete: features.every(({ missing }) => missing.length === 0) };
}

/** The statistics that are not there, and what is there instead, as the middle of a sentence. */
export function describeGap({ features, prefixed }: StatsCoverage): string {
	const missing = features.flatMap(({ key, missing: names }) => names.map((name) => `${key}.${name}`));
	const others = prefixed.length === 0 ? "" : ` (it has ${prefixed.join(", ")}, which nothing reads)`;
	return `no statistics of ${missing.join(", ")}${others}`;
}
