// Sine-cosine embedding of the flow-matching time (spec of SmolVLA §5), computed in float64 and rounded once.

/** torch.linspace(0, 1, count): the second half counts down from the end. */
function unitLinspace(count: number): number[] {
	const step = count > 1 ? 1 / (count - 1) : 0;
	return Array.from({ length: count }, (_, index) =>
		index < count / 2 ? index * step : 1 - (count - 1 - index) * step,
	);
}

/** What the embedding depends on. */
export interface TimeEmbeddingOptions {
	/** Even number of values per time. */
	readonly width: number;
	/** Shortest and longest period of the waves, in units of flow time. */
	readonly minPeriod: number;
	readonly maxPeriod: number;
}

/** `[numTimes, width]`: sines of the first half of the frequencies' angles, then cosines. */
export function timeEmbedding(times: Float32Array, options: TimeEmbeddingOptions): Float32Array {
	const { width, minPeriod, maxPeriod } = options;
	const half = width / 2;
	const angularRates = unitLinspace(half).map(
		(fraction) => (1 / (minPeriod * (maxPeriod / minPeriod) ** fraction)) * 2 * Math.PI,
	);
	const embedding = new Float32Array(times.length * width);
	times.forEach((time, row) => {
		angularRates.forEach((rate, index) => {
			embedding[row * width + index] = Math.sin(time * rate);
			embedding[row * width + half + index] = Math.cos(time * rate);
		});
	});
	return embedding;
}
