// One signal for "the caller gave up" and "time is up", with everything cleaned up when the call ends.
import { cancelledError, FlowerError } from "./errors.ts";

/** Ends a call; dispose it when the call is over. */
export interface Deadline extends Disposable {
	/** Aborts with a FlowerError, cancelled or deadline-exceeded, as its reason. */
	readonly signal: AbortSignal;
	/** Settles as `work` does, or rejects with the signal's reason if that comes first. */
	race<T>(work: Promise<T>): Promise<T>;
	/** Ends the call for another reason. */
	abort(reason: FlowerError): void;
}

/** Starts the time limit of a call to `method`. @throws RangeError for a timeout that is not positive. */
export function startDeadline(
	options: { readonly signal?: AbortSignal | undefined; readonly timeoutMs?: number | undefined },
	method: string,
): Deadline {
	const { signal, timeoutMs } = options;
	if (timeoutMs !== undefined && !(timeoutMs > 0))
		throw new RangeError(`timeoutMs ${timeoutMs} is not positive`);
	const controller = new AbortController();
	const cancel = (): void => {
		if (signal !== undefined) controller.abort(cancelledError(signal, method));
	};
	const timer =
		timeoutMs === undefined
			? undefined
			: setTimeout(() => controller.abort(timeoutError(timeoutMs, method)), timeoutMs);
	if (signal?.aborted === true) cancel();
	else signal?.addEventListener("abort", cancel, { once: true });
	return {
		signal: controller.signal,
		race: (work) => raceAbort(work, controller.signal),
		abort: (reason) => controller.abort(reason),
		[Symbol.dispose]: () => {
			clearTimeout(timer);
			signal?.removeEventListener("abort", cancel);
		},
	};
}

/** The error of a call that took longer than its caller allowed. */
export function timeoutError(timeoutMs: number, method: string): FlowerError {
	return new FlowerError("deadline-exceeded", `No answer within ${timeoutMs} ms.`, { method });
}

async function raceAbort<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
	let stop: (() => void) | undefined;
	const aborted = new Promise<never>((_, reject) => {
		// The reason of a Deadline's signal is always a FlowerError.
		stop = () => reject(signal.reason as FlowerError);
		if (signal.aborted) stop();
		else signal.addEventListener("abort", stop, { once: true });
	});
	try {
		return await Promise.race([work, aborted]);
	} finally {
		if (stop !== undefined) signal.removeEventListener("abort", stop);
	}
}
