// Into how many passes a machine divides a batch. Chosen once, before the first step; under memory pressure it only
// shrinks, and the gradients of more passes are summed, so that the effective batch stays.

/** A micro-batch became smaller. */
export interface MicroBatchShrunk {
	readonly site: string;
	readonly from: number;
	readonly to: number;
	/** What happened, for people. */
	readonly why: string;
}

/** Options of {@link createMicroBatching}. */
export interface MicroBatchingOptions {
	/** Samples of one pass; null: the whole batch. */
	readonly microBatch: number | null;
	/** Bytes that this process may still take; absent: nobody looks. */
	readonly availableBytes?: () => number;
	/** Below this much memory a micro-batch shrinks. */
	readonly marginBytes?: number;
	readonly onShrink?: (event: MicroBatchShrunk) => void;
}

/** The micro-batch of a process, shared by all of its sites so that they share compiled graphs. */
export interface MicroBatching {
	/** Samples of one pass for a batch: the largest divisor that is allowed at present. */
	sizeFor(batchSize: number): number;
	/** True when there is little memory left and a smaller pass would help. */
	isMemoryShort(batchSize: number): boolean;
	/** The next smaller one; null when a pass has one sample already. */
	shrink(batchSize: number, about: { readonly site: string; readonly why: string }): number | null;
	/** At most `microBatch` from now on, as a checkpoint says. */
	limit(microBatch: number): void;
}

/** Divisors of a batch size, largest first: the micro-batches it can be made of. */
export function microBatchesOf(batchSize: number): number[] {
	return Array.from({ length: batchSize }, (_, index) => batchSize - index).filter(
		(size) => batchSize % size === 0,
	);
}

/** A process's micro-batch. */
export function createMicroBatching(options: MicroBatchingOptions = { microBatch: null }): MicroBatching {
	let limit = options.microBatch ?? Number.POSITIVE_INFINITY;
	const sizeFor = (batchSize: number): number => microBatchesOf(batchSize).find((size) => size <= limit) ?? 1;
	return {
		sizeFor,
		isMemoryShort: (batchSize) =>
			options.availableBytes !== undefined &&
			sizeFor(batchSize) > 1 &&
			options.availableBytes() < (options.marginBytes ?? 0),
		shrink(batchSize, { site, why }) {
			const from = sizeFor(batchSize);
			const to = microBatchesOf(batchSize).find((size) => size < from);
			if (to === undefined) return null;
			limit = to;
			options.onShrink?.({ site, from, to, why });
			return to;
		},
		limit(microBatch) {
			limit = Math.min(limit, microBatch);
		},
	};
}
