// The one operational error class of this package.

/** What went wrong; the message says how to cure it. */
export type HubErrorCode =
	| "bad-reference"
	| "hub-unauthorized"
	| "hub-not-found"
	| "hub-unreachable"
	| "hub-corrupt"
	| "hub-offline"
	| "write-failed";

/** Where it went wrong, as far as known. */
export interface HubErrorContext {
	readonly cause?: unknown;
	/** File or directory on this machine, or file of a repository. */
	readonly path?: string;
}

/** Thrown when a repository of the hub cannot be named, reached, read or stored. */
export class HubError extends Error {
	override readonly name = "HubError";
	readonly code: HubErrorCode;
	readonly path: string | undefined;

	constructor(code: HubErrorCode, message: string, context: HubErrorContext = {}) {
		const where = context.path === undefined ? "" : `${context.path}: `;
		super(`${code}: ${where}${message}`, context.cause === undefined ? {} : { cause: context.cause });
		this.code = code;
		this.path = context.path;
	}
}
