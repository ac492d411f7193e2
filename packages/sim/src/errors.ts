// The operational error of this package. Programmer errors are TypeError or RangeError.

/** What went wrong, for programs. */
export type SimErrorCode =
	| "unknown-task"
	| "bad-uri"
	| "bad-model"
	| "disposed"
	| "no-layout"
	| "expert-failed"
	/** @mujoco/mujoco, an optional package, is not installed. */
	| "not-installed";

/** An operational failure of the simulator; `code` says which, the message says the cure. */
export class SimError extends Error {
	override readonly name = "SimError";
	readonly code: SimErrorCode;

	constructor(code: SimErrorCode, message: string, options?: ErrorOptions) {
		super(`[${code}] ${message}`, options);
		this.code = code;
	}
}
