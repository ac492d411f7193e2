// Bounds how much work runs at once: simulated sites share the machine's processors.
import type { ClientApp } from "./client-app.ts";
import { FederationError, throwIfCancelled } from "./errors.ts";

/** Runs actions, only so many at once, first come, first served. */
export interface Semaphore {
	/** Runs `action` when there is room. @throws FederationError cancelled while waiting; whatever `action` throws. */
	run<T>(action: () => Promise<T>, signal?: AbortSignal): Promise<T>;
}

/** A semaphore with room for `numPermits` actions. @throws RangeError unless it is a positive integer. */
export function createSemaphore(numPermits: number): Semaphore {
	if (!(Number.isSafeInteger(numPermits) && numPermits >= 1)) {
		throw new RangeError(`createSemaphore: ${numPermits} is not a positive integer`);
	}
	let numFree = numPermits;
	const queue: (() => void)[] = [];
	const acquire = async (signal: AbortSignal | undefined): Promise<void> => {
		throwIfCancelled(signal, "waiting for a free processor");
		if (numFree > 0) {
			numFree--;
			return;
		}
		await new Promise<void>((resolve, reject) => {
			const onAbort = (): void => {
				queue.splice(queue.indexOf(enter), 1);
				const message = "waiting for a free processor was cancelled";
				reject(new FederationError("cancelled", message, { cause: signal?.reason }));
			};
			const enter = (): void => {
				signal?.removeEventListener("abort", onAbort);
				resolve();
			};
			queue.push(enter);
			signal?.addEventListener("abort", onAbort, { once: true });
		});
	};
	const release = (): void => {
		const next = queue.shift();
		if (next === undefined) numFree++;
		else next();
	};
	return {
		async run(action, signal) {
			await acquire(signal);
			try {
				return await action();
			} finally {
				release();
			}
		},
	};
}

/** The same app, whose work waits for room in the semaphore. */
export function limitWork(app: ClientApp, semaphore: Semaphore): ClientApp {
	return {
		describe: () => app.describe(),
		train: (task, context) => semaphore.run(() => app.train(task, context), context.signal),
		evaluate: (task, context) => semaphore.run(() => app.evaluate(task, context), context.signal),
	};
}
