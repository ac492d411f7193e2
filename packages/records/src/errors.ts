// The one operational error class of this package.

/** What is wrong with a run's directory; the message says how to cure it. */
export type RecordsErrorCode = "no-rounds" | "run-damaged" | "run-in-use" | "run-not-found";

/** Thrown when a run cannot be read, is worked on by another process, or does not hold what is asked for. */
export class RecordsError extends Error {
	override readonly name = "RecordsError";
	readonly code: RecordsErrorCode;

	constructor(code: RecordsErrorCode, message: string, options?: { readonly cause: unknown }) {
		super(message, options);
		this.code = code;
	}
}
