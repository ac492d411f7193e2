// The order in which training sees a site's frames: endless epochs, each a fresh permutation.
import { rng } from "@zk0/arrays";

/** Item at a position of the endless sequence; position 0 is the first ever. */
export type Sampler = (position: number) => number;

/**
 * A sampler over items 0..numItems-1. It is a pure function of `seedPath` and position: positions e*numItems to
 * (e+1)*numItems-1 are a permutation, so every item is seen once per epoch and a run resumes at any position.
 * A batch may span epochs, so fewer items than a batch repeat within it.
 * @throws RangeError when numItems or a position is out of range.
 */
export function createSampler(numItems: number, seedPath: readonly (string | number)[]): Sampler {
	if (!Number.isSafeInteger(numItems) || numItems < 1) {
		throw new RangeError(`createSampler: ${numItems} items; at least one is needed`);
	}
	let cached: { readonly epoch: number; readonly order: Uint32Array } = {
		epoch: -1,
		order: new Uint32Array(0),
	};
	return (position) => {
		if (!Number.isSafeInteger(position) || position < 0) {
			throw new RangeError(`sampler: position ${position} is not a non-negative integer`);
		}
		const epoch = Math.floor(position / numItems);
		if (cached.epoch !== epoch)
			cached = { epoch, order: rng(...seedPath, "epoch", epoch).permutation(numItems) };
		return cached.order[position % numItems] ?? 0;
	};
}
