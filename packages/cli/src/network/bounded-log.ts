// Bounds what a background process's log takes on disk: at 20 MB it becomes `<log>.1`, which replaces the one before. The process
// inherited the open file, so its content is copied and cut; Node writes to files at once, and nothing is written between.
import { copyFileSync, fstatSync, statSync, truncateSync } from "node:fs";

/** When a log is cut. */
export interface LogBound {
	/** @default 20 MB */
	readonly maxBytes?: number;
	/** Pause between two looks; default a minute. */
	readonly everyMs?: number;
	/** File descriptor that the process writes its log to; default stderr. */
	readonly descriptor?: number;
}

/** Cuts the log at `path` now. A cut log keeps the owner's permissions and the name; `.1` holds what was in it. */
export function cutLog(path: string, maxBytes: number): boolean {
	if (statSync(path).size <= maxBytes) return false;
	copyFileSync(path, `${path}.1`);
	truncateSync(path);
	return true;
}

/** Watches the log of this process until it is disposed. Where stderr is something else (a journal), nothing is done. */
export function boundLog(path: string, onFault: (error: unknown) => void, bound: LogBound = {}): Disposable {
	const { maxBytes = 20e6, everyMs = 60_000, descriptor = 2 } = bound;
	if (!isWrittenTo(path, descriptor)) return { [Symbol.dispose]: () => undefined };
	const timer = setInterval(() => {
		try {
			cutLog(path, maxBytes);
		} catch (error) {
			onFault(error);
		}
	}, everyMs).unref();
	return { [Symbol.dispose]: () => clearInterval(timer) };
}

function isWrittenTo(path: string, descriptor: number): boolean {
	const own = fstatSync(descriptor);
	const log = statSync(path, { throwIfNoEntry: false });
	return log !== undefined && own.ino === log.ino && own.dev === log.dev;
}
