// How far one signal runs behind another: normalised cross-correlation over a range of lags, kept as sums so that
// many episodes can be added up.

/** Correlation sums of two zero-mean signals at every lag from -maxLag to maxLag. */
export interface LagSums {
	readonly maxLag: number;
	/** [2 * maxLag + 1] sums of a[t] * b[t + lag]. */
	readonly products: Float64Array;
	readonly powerA: Float64Array;
	readonly powerB: Float64Array;
}

/** The lag at which b is most like a. */
export interface BestLag {
	/** b[t + lag] resembles a[t]: positive when b comes later. */
	readonly lag: number;
	readonly correlation: number;
	/** Correlation without shifting. */
	readonly unshifted: number;
}

/** Empty sums. */
export function lagSums(maxLag: number): LagSums {
	const size = 2 * maxLag + 1;
	return {
		maxLag,
		products: new Float64Array(size),
		powerA: new Float64Array(size),
		powerB: new Float64Array(size),
	};
}

/** Adds a pair of signals of equal length; their means over the stretch are taken off. */
export function addSignals(sums: LagSums, a: ArrayLike<number>, b: ArrayLike<number>): void {
	const [meanA, meanB] = [meanOf(a), meanOf(b)];
	for (let lag = -sums.maxLag; lag <= sums.maxLag; lag++) {
		const at = lag + sums.maxLag;
		let product = 0;
		let powerA = 0;
		let powerB = 0;
		for (let t = Math.max(0, -lag); t < Math.min(a.length, b.length - lag); t++) {
			const x = (a[t] ?? 0) - meanA;
			const y = (b[t + lag] ?? 0) - meanB;
			product += x * y;
			powerA += x * x;
			powerB += y * y;
		}
		sums.products[at] = (sums.products[at] ?? 0) + product;
		sums.powerA[at] = (sums.powerA[at] ?? 0) + powerA;
		sums.powerB[at] = (sums.powerB[at] ?? 0) + powerB;
	}
}

/** Adds the sums of `other`, which must have the same range of lags, to `sums`. */
export function joinSums(sums: LagSums, other: LagSums): void {
	for (const key of ["products", "powerA", "powerB"] as const) {
		for (const [at, value] of other[key].entries()) sums[key][at] = (sums[key][at] ?? 0) + value;
	}
}

/** The best lag; null when a signal never moves. Of equally good lags the one nearest to zero wins. */
export function bestLag({ maxLag, products, powerA, powerB }: LagSums): BestLag | null {
	const correlationAt = (lag: number): number => {
		const at = lag + maxLag;
		const power = Math.sqrt((powerA[at] ?? 0) * (powerB[at] ?? 0));
		return power > 0 ? (products[at] ?? 0) / power : 0;
	};
	let lag = 0;
	for (let step = 1; step <= maxLag; step++) {
		for (const candidate of [step, -step])
			if (correlationAt(candidate) > correlationAt(lag) + 1e-9) lag = candidate;
	}
	const correlation = correlationAt(lag);
	return correlation <= 0 ? null : { lag, correlation, unshifted: correlationAt(0) };
}

function meanOf(values: ArrayLike<number>): number {
	let sum = 0;
	for (let at = 0; at < values.length; at++) sum += values[at] ?? 0;
	return values.length === 0 ? 0 : sum / values.length;
}
