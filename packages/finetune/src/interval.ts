// Confidence interval of a success rate.
// Source: Wilson, "Probable Inference, the Law of Succession, and Statistical Inference", JASA 22, 1927.

/** A success rate with its 95 % Wilson score interval; all in [0, 1]. */
export interface SuccessRate {
	readonly successes: number;
	readonly episodes: number;
	readonly rate: number;
	readonly low: number;
	readonly high: number;
}

/** Two-sided 95 % quantile of the normal distribution. */
const Z_95 = 1.959963984540054;

/**
 * Success rate of `successes` out of `episodes` with its 95 % Wilson score interval.
 * @throws RangeError unless 0 <= successes <= episodes and episodes >= 1, both integers.
 */
export function wilsonInterval(successes: number, episodes: number): SuccessRate {
	if (!Number.isInteger(episodes) || !Number.isInteger(successes) || episodes < 1) {
		throw new RangeError(
			`wilsonInterval: ${successes} of ${episodes} are not counts of at least one episode`,
		);
	}
	if (successes < 0 || successes > episodes) {
		throw new RangeError(`wilsonInterval: ${successes} successes of ${episodes} episodes`);
	}
	const rate = successes / episodes;
	const z2 = Z_95 ** 2 / episodes;
	const centre = (rate + z2 / 2) / (1 + z2);
	const half = (Z_95 * Math.sqrt((rate * (1 - rate)) / episodes + (z2 / episodes) * 0.25)) / (1 + z2);
	return {
		successes,
		episodes,
		rate,
		low: successes === 0 ? 0 : Math.max(0, centre - half),
		high: successes === episodes ? 1 : Math.min(1, centre + half),
	};
}
