// The one error class of this package. Its codes map to exit codes in exit-codes.ts.

/** What went wrong on the command line, in a configuration or in a run's directory. */
export type CliErrorCode =
	| "unknown-command"
	| "unknown-flag"
	| "bad-flag"
	| "missing-argument"
	| "bad-config"
	| "unknown-config-key"
	| "bad-data-uri"
	| "model-not-found"
	| "model-unusable"
	| "run-failed"
	| "run-not-found"
	| "run-damaged"
	| "run-in-use"
	| "run-not-resumable"
	| "recording-failed"
	| "not-installed"
	| "prediction-failed"
	| "cache-damaged"
	| "state-damaged"
	| "bad-invitation"
	| "bad-certificate"
	| "data-errors"
	| "not-joined"
	| "server-refused"
	| "not-running"
	| "no-answer"
	| "start-failed"
	| "service-failed"
	| "check-failed"
	| "target-exists"
	| "over-budget"
	| "interrupted";

/** A failure the user can act on; `message` says what happened and `cure` what to do. */
export class CliError extends Error {
	override readonly name = "CliError";
	readonly code: CliErrorCode;
	/** One imperative sentence, or undefined when the message already says it. */
	readonly cure: string | undefined;

	constructor(code: CliErrorCode, message: string, options: { cure?: string; cause?: unknown } = {}) {
		super(message, options.cause === undefined ? undefined : { cause: options.cause });
		this.code = code;
		this.cure = options.cure;
	}
}
