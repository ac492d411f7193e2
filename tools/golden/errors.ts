// How far values are from their reference, and the line that says so.

/** One check: `error` must not exceed `limit`. */
export interface Check {
	readonly name: string;
	readonly error: number;
	readonly limit: number;
	/** What the error is. */
	readonly measure: string;
}

/** True when the check holds; a NaN error fails. */
export function passes({ error, limit }: Check): boolean {
	return error <= limit;
}

/** `ok    loss                relative error 3.1e-7 (limit 1e-5)`. */
export function checkLine(check: Check): string {
	const verdict = passes(check) ? "ok  " : "MISS";
	const error = check.error === 0 ? "0" : check.error.toExponential(2);
	return `${verdict}  ${check.name}  ${check.measure} ${error} (limit ${Number(check.limit.toPrecision(2))})`;
}

/** |a - b| / |b|. */
export function relativeError(actual: number, expected: number): number {
	return Math.abs(actual - expected) / Math.max(Math.abs(expected), Number.MIN_VALUE);
}

/** Largest |a - b|; infinite for different lengths. */
export function maxAbsError(actual: ArrayLike<number>, expected: ArrayLike<number>): number {
	if (actual.length !== expected.length) return Number.POSITIVE_INFINITY;
	let worst = 0;
	for (let index = 0; index < expected.length; index++) {
		const error = Math.abs((actual[index] ?? Number.NaN) - (expected[index] ?? Number.NaN));
		if (!(error <= worst)) worst = error;
	}
	return worst;
}

/** L2 norm. */
export function norm(values: ArrayLike<number>): number {
	let sum = 0;
	for (let index = 0; index < values.length; index++) sum += (values[index] ?? 0) ** 2;
	return Math.sqrt(sum);
}

/** ||a - b|| / max(||b||, floor); infinite for different lengths. */
export function relativeL2(
	actual: ArrayLike<number>,
	expected: ArrayLike<number>,
	floor = Number.MIN_VALUE,
): number {
	if (actual.length !== expected.length) return Number.POSITIVE_INFINITY;
	const difference = Float64Array.from(
		{ length: expected.length },
		(_, index) => (actual[index] ?? Number.NaN) - (expected[index] ?? Number.NaN),
	);
	return norm(difference) / Math.max(norm(expected), floor);
}

/** Elements of one set that the other lacks, both ways. */
export function setDifference(actual: Iterable<string>, expected: Iterable<string>): string[] {
	const [left, right] = [new Set(actual), new Set(expected)];
	return [...[...left].filter((name) => !right.has(name)), ...[...right].filter((name) => !left.has(name))];
}
