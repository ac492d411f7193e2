// The one operational error of @zk0/finetune: what can go wrong with a site's data, state or weights.
// Programmer errors stay TypeError and RangeError.

/** What went wrong; stable, for exit codes and tests. */
export type FinetuneErrorCode =
	/** The dataset lacks a camera that the camera map names, or the policy's cameras are not all mapped. */
	| "camera-missing"
	/** State or action sizes differ between dataset and policy. */
	| "dims-mismatch"
	/** A frame has no task sentence. */
	| "task-empty"
	/** No episode is left to train on. */
	| "no-train-episodes"
	/** The learning configuration that arrived with a task is not valid. */
	| "bad-learning-config"
	/** A training step does not fit the memory that is left. */
	| "memory-pressure"
	/** Loss or weights became infinite or not a number. */
	| "non-finite"
	/** A spooled training state is unreadable or belongs to another run or site. */
	| "bad-training-state";

/** An operational error of a site's training or evaluation; the message says the cure. */
export class FinetuneError extends Error {
	override readonly name = "FinetuneError";
	/** Stable code of the failure. */
	readonly code: FinetuneErrorCode;
	/** Site it happened at, when known. */
	readonly site: string | undefined;

	constructor(
		code: FinetuneErrorCode,
		message: string,
		details: { readonly site?: string; readonly cause?: unknown } = {},
	) {
		const prefix = details.site === undefined ? code : `${code} (${details.site})`;
		super(`[${prefix}] ${message}`, details.cause === undefined ? {} : { cause: details.cause });
		this.code = code;
		this.site = details.site;
	}
}
