// The one operational error class of this package.

/** What went wrong; the message says how to cure it. */
export type PolicyErrorCode =
	| "bad-config"
	| "unknown-key"
	| "unsupported"
	| "bad-checkpoint"
	| "missing-tensor"
	| "wrong-shape"
	| "bad-value"
	| "missing-stats"
	| "bad-stats"
	| "not-bound"
	| "missing-base"
	| "wrong-base"
	| "bad-tokenizer"
	| "bad-frame"
	| "no-camera"
	| "write-failed";

/** Where it went wrong, as far as known. */
export interface PolicyErrorContext {
	readonly cause?: unknown;
	/** File or directory. */
	readonly path?: string;
	/** Tensor, feature, camera or configuration key. */
	readonly key?: string;
}

/** Thrown for bad configurations, checkpoints, statistics, tokenizers and observations. */
export class PolicyError extends Error {
	override readonly name = "PolicyError";
	readonly code: PolicyErrorCode;
	readonly path: string | undefined;
	readonly key: string | undefined;

	constructor(code: PolicyErrorCode, message: string, context: PolicyErrorContext = {}) {
		const where = context.path === undefined ? "" : `${context.path}: `;
		super(`${code}: ${where}${message}`, context.cause === undefined ? {} : { cause: context.cause });
		this.code = code;
		this.path = context.path;
		this.key = context.key;
	}
}
