// The one operational error class of this package: outside bytes that cannot be read as arrays.

/** What was wrong with the bytes. */
export type ArraysErrorCode =
	| "truncated"
	| "bad-header"
	| "bad-shape"
	| "unsupported-dtype"
	| "too-large"
	| "missing-tensor";

/** Thrown by the codecs of this package on input that is not a valid file; names the file when there is one. */
export class ArraysError extends Error {
	override readonly name = "ArraysError";
	readonly code: ArraysErrorCode;

	constructor(code: ArraysErrorCode, message: string, options?: ErrorOptions) {
		super(message, options);
		this.code = code;
	}
}
