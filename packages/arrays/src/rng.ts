// Seeded random streams. A stream is named by a path of words ("seed", site, round, purpose …): the path is
// hashed to the generator's state, so streams never depend on call order across purposes.
// Generator: xoshiro128** (Blackman & Vigna, "Scrambled Linear Pseudorandom Number Generators", 2021),
// seeded by a 32-bit FNV-1a hash expanded with SplitMix32. Normal deviates by the Box-Muller transform.

/** A deterministic stream of random numbers. */
export interface Rng {
	/** Uniform in [0, 1), 32 bits of resolution. */
	uniform(): number;
	/** Uniform integer in [0, bound). */
	below(bound: number): number;
	/** Standard normal deviate. */
	normal(): number;
	/** Beta(1.5, 1) deviate in (0, 1), exact by inversion of its CDF x^1.5. */
	beta15(): number;
	/** Uniformly random permutation of 0..length-1 (Fisher-Yates). */
	permutation(length: number): Uint32Array;
	/** An independent stream named below this one; does not advance this stream. */
	fork(...path: readonly (string | number)[]): Rng;
}

function hashPath(path: readonly (string | number)[]): number[] {
	const text = JSON.stringify(path);
	return [0x811c9dc5, 0x01234567, 0x9e3779b9, 0xdeadbeef].map((basis) => {
		let hash = basis;
		for (let index = 0; index < text.length; index++) {
			hash = Math.imul(hash ^ text.charCodeAt(index), 0x01000193);
			hash ^= hash >>> 15;
		}
		return splitMix(hash >>> 0);
	});
}

function splitMix(word: number): number {
	let z = (word + 0x9e3779b9) | 0;
	z = Math.imul(z ^ (z >>> 16), 0x21f0aaad);
	z = Math.imul(z ^ (z >>> 15), 0x735a2d97);
	return (z ^ (z >>> 15)) >>> 0;
}

function rotateLeft(word: number, bits: number): number {
	return (word << bits) | (word >>> (32 - bits));
}

/** The stream named by `path`, e.g. `rng(seed, "site-a", round, "noise")`. */
export function rng(...path: readonly (string | number)[]): Rng {
	const state = Uint32Array.from(hashPath(path));
	if (state.every((word) => word === 0)) state[0] = 1;
	const next = (): number => {
		const [s0 = 0, s1 = 0, s2 = 0, s3 = 0] = state;
		const result = Math.imul(rotateLeft(Math.imul(s1, 5), 7), 9) >>> 0;
		const t2 = s2 ^ s0;
		const t3 = s3 ^ s1;
		state[1] = s1 ^ t2;
		state[0] = s0 ^ t3;
		state[2] = t2 ^ (s1 << 9);
		state[3] = rotateLeft(t3, 11);
		return result;
	};
	for (let warmUp = 0; warmUp < 8; warmUp++) next();
	const uniform = (): number => next() / 4294967296;
	const below = (bound: number): number => {
		if (!Number.isSafeInteger(bound) || bound < 1 || bound > 4294967296) {
			throw new RangeError(`rng.below: bound ${bound} is not an integer in [1, 2^32]`);
		}
		const limit = 4294967296 - (4294967296 % bound);
		let word = next();
		while (word >= limit) word = next();
		return word % bound;
	};
	let spare: number | undefined;
	return {
		uniform,
		below,
		normal() {
			if (spare !== undefined) {
				const value = spare;
				spare = undefined;
				return value;
			}
			const radius = Math.sqrt(-2 * Math.log(1 - uniform()));
			const angleRad = 2 * Math.PI * uniform();
			spare = radius * Math.sin(angleRad);
			return radius * Math.cos(angleRad);
		},
		beta15: () => (1 - uniform()) ** (2 / 3),
		permutation(length) {
			const order = Uint32Array.from({ length }, (_, index) => index);
			for (let last = length - 1; last > 0; last--) {
				const pick = below(last + 1);
				const kept = order[last] ?? 0;
				order[last] = order[pick] ?? 0;
				order[pick] = kept;
			}
			return order;
		},
		fork: (...more) => rng(...path, ...more),
	};
}
