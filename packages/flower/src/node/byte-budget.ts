// Bounds the bytes that calls hold in memory, for each account and in all. A call that finds no room waits; meanwhile its
// body stays with the sender, in HTTP/2's flow control.

/** Room for bytes. */
export interface ByteBudget {
	/** Waits for room; disposing the answer gives it back. Rejects with the signal's reason. */
	take(account: string, numBytes: number, signal: AbortSignal): Promise<Disposable>;
	/** Bytes that are taken now. */
	readonly numBytes: number;
}

interface Waiter {
	readonly account: string;
	readonly numBytes: number;
	readonly enter: () => void;
}

/** Room for `maxBytes` in all and `maxAccountBytes` for each account; one call is let in alone whatever its size. */
export function createByteBudget(limits: {
	readonly maxBytes: number;
	readonly maxAccountBytes: number;
}): ByteBudget {
	const taken = new Map<string, number>();
	const waiting = new Set<Waiter>();
	let total = 0;
	const fits = (account: string, numBytes: number): boolean => {
		const own = taken.get(account) ?? 0;
		const hasOwnRoom = own === 0 || own + numBytes <= limits.maxAccountBytes;
		return hasOwnRoom && (total === 0 || total + numBytes <= limits.maxBytes);
	};
	const add = (account: string, numBytes: number): void => {
		total += numBytes;
		const own = (taken.get(account) ?? 0) + numBytes;
		if (own === 0) taken.delete(account);
		else taken.set(account, own);
	};
	const letIn = (): void => {
		for (const waiter of waiting) {
			if (!fits(waiter.account, waiter.numBytes)) continue;
			waiting.delete(waiter);
			waiter.enter();
		}
	};
	const enter = (account: string, numBytes: number): Disposable => {
		add(account, numBytes);
		let isGone = false;
		return {
			[Symbol.dispose]: () => {
				if (isGone) return;
				isGone = true;
				add(account, -numBytes);
				letIn();
			},
		};
	};
	return {
		get numBytes() {
			return total;
		},
		take(account, numBytes, signal) {
			if (numBytes === 0 || fits(account, numBytes)) return Promise.resolve(enter(account, numBytes));
			return new Promise((resolve, reject) => {
				const leave = (): void => {
					waiting.delete(waiter);
					reject(signal.reason);
				};
				const waiter: Waiter = {
					account,
					numBytes,
					enter: () => {
						signal.removeEventListener("abort", leave);
						resolve(enter(account, numBytes));
					},
				};
				if (signal.aborted) return leave();
				waiting.add(waiter);
				signal.addEventListener("abort", leave, { once: true });
			});
		},
	};
}
