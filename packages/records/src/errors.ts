// The one operational error class of this package.

/** What is wrong with a run's directory; the message says how to cure it. */
export type RecordsErrorCode = "run-damaged" | "run-in-use" | "run-not-found";

/** Thrown when a run cannot be read, is worked on by another process, or does not hold what is asked for. */
export class RecordsError extends Error {
	override readonly name = "RecordsError";
	readonly code: RecordsErrorCode;

	constructor(code: RecordsErrorCode, message: string, options?: { readonly cause: unknown }) {
		super(message, options);
		this.code = code;
	}
}

/** The code that Node puts on the errors of its system calls, and other packages on theirs. */
export function codeOf(error: unknown): unknown {
	return error instanceof Error && "code" in error ? error.code : undefined;
}
