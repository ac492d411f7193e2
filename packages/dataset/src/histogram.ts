// Quantiles from a histogram of 5000 equal bins over [min - 1e-10, max + 1e-10], as LeRobot estimates them
// (src/lerobot/datasets/compute_stats.py, RunningQuantileStats, one update): bins are half open, the last one
// closed; a quantile interpolates linearly inside the bin where the cumulative count reaches q * count.

const NUM_BINS = 5000;
const PADDING = 1e-10;

/** A histogram over a fixed range; values outside the range are a caller's mistake and land in the end bins. */
export interface Histogram {
	add(value: number, count?: number): void;
	/** The estimated quantile for `fraction` in [0, 1]. */
	quantile(fraction: number): number;
}

/** An empty histogram for values in [min, max]. */
export function createHistogram(min: number, max: number): Histogram {
	const low = min - PADDING;
	const high = max + PADDING;
	const step = (high - low) / NUM_BINS;
	const counts = new Float64Array(NUM_BINS);
	let total = 0;
	const edge = (index: number): number => (index === NUM_BINS ? high : index * step + low);
	const binOf = (value: number): number => {
		if (step === 0) return NUM_BINS - 1;
		let bin = Math.min(NUM_BINS - 1, Math.max(0, Math.floor((value - low) / step)));
		while (bin > 0 && edge(bin) > value) bin--;
		while (bin < NUM_BINS - 1 && edge(bin + 1) <= value) bin++;
		return bin;
	};
	return {
		add(value, count = 1) {
			const bin = binOf(value);
			counts[bin] = (counts[bin] ?? 0) + count;
			total += count;
		},
		quantile(fraction) {
			const target = fraction * total;
			let before = 0;
			for (let bin = 0; bin < NUM_BINS; bin++) {
				const inBin = counts[bin] ?? 0;
				if (before + inBin >= target) {
					if (bin === 0) return edge(0);
					if (inBin === 0) return edge(bin);
					return edge(bin) + ((target - before) / inBin) * (edge(bin + 1) - edge(bin));
				}
				before += inBin;
			}
			return edge(NUM_BINS);
		},
	};
}
