// Exclusive use of a few expensive things by many users: first come, first served. Results must not depend on
// which item serves whom, so users load all state they need at the start of their turn.

/** Options of {@link Pool.use}. */
export interface UseOptions {
	/** Leaves the queue with the signal's reason; a turn that has begun is the work's own business. */
	readonly signal?: AbortSignal | undefined;
}

/** Items that are lent to one user at a time. */
export interface Pool<Item extends AsyncDisposable> extends AsyncDisposable {
	readonly size: number;
	/** Runs `work` with an item that nobody else has meanwhile. */
	use<Result>(work: (item: Item) => Promise<Result>, options?: UseOptions): Promise<Result>;
}

interface Waiter<Item> {
	readonly serve: (item: Item) => void;
}

/**
 * A pool over `items`, which it owns: disposing waits for running turns, then disposes every item.
 * @throws RangeError when there is no item; TypeError from `use` after disposal.
 */
export function createPool<Item extends AsyncDisposable>(items: readonly Item[]): Pool<Item> {
	if (items.length === 0) throw new RangeError("createPool: no items, expected at least one");
	const idle = [...items];
	const waiting: Waiter<Item>[] = [];
	const turns = new Set<Promise<unknown>>();
	let isDisposed = false;

	const take = (signal: AbortSignal | undefined): Promise<Item> => {
		const item = idle.shift();
		if (item !== undefined) return Promise.resolve(item);
		return new Promise((resolve, reject) => {
			const leave = (): void => {
				waiting.splice(waiting.indexOf(waiter), 1);
				reject(signal?.reason);
			};
			const waiter = {
				serve: (served: Item): void => {
					signal?.removeEventListener("abort", leave);
					resolve(served);
				},
			};
			signal?.addEventListener("abort", leave, { once: true });
			waiting.push(waiter);
		});
	};
	const giveBack = (item: Item): void => {
		const next = waiting.shift();
		if (next === undefined) idle.push(item);
		else next.serve(item);
	};
	const turn = async <Result>(
		work: (item: Item) => Promise<Result>,
		signal: AbortSignal | undefined,
	): Promise<Result> => {
		const item = await take(signal);
		try {
			return await work(item);
		} finally {
			giveBack(item);
		}
	};
	return {
		size: items.length,
		async use(work, { signal } = {}) {
			if (isDisposed) throw new TypeError("pool: used after it was disposed");
			signal?.throwIfAborted();
			const running = turn(work, signal);
			turns.add(running);
			try {
				return await running;
			} finally {
				turns.delete(running);
			}
		},
		async [Symbol.asyncDispose]() {
			if (isDisposed) return;
			isDisposed = true;
			await Promise.allSettled(turns);
			for (const item of items) await item[Symbol.asyncDispose]();
		},
	};
}
