// Statistics of a dataset as a site normalises with them, and as they are saved with its checkpoint.
import type { Stats } from "@zk0/dataset";
import type { BatchContext } from "@zk0/policy";

/** A number whose spread is below this share of its size does not move: only rounding is left. */
const CONSTANT_SHARE = 1e-6;

/**
 * The entries with one number per dimension (`count` and `shape` have not). A standard deviation of zero becomes 1:
 * divided by LeRobot's floor of 1e-8, a joint that rests in the training episodes and moves a degree in a held-out
 * one would count 1e8 standard deviations.
 */
export function normalizerStats(stats: Stats): BatchContext["stats"] {
	return Object.fromEntries(
		Object.entries(stats).map(([feature, { mean, std, min, max, q01, q10, q50, q90, q99 }]) => {
			const scale = std.map((deviation, index) =>
				deviation > CONSTANT_SHARE * Math.max(1, Math.abs(mean[index] ?? 0)) ? deviation : 1,
			);
			const present = Object.entries({ mean, std: scale, min, max, q01, q10, q50, q90, q99 });
			return [
				feature,
				Object.fromEntries(
					present.flatMap(([name, numbers]) => (numbers === undefined ? [] : [[name, numbers]])),
				),
			];
		}),
	);
}
