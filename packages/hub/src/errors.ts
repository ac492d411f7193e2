// The one operational error class of this package.
import { codeOf } from "@zk0/arrays";

/** What went wrong; the message says how to cure it. */
export type HubErrorCode =
	| "bad-reference"
	| "bad-hub-setting"
	| "hub-unauthorized"
	| "hub-gated"
	| "hub-not-found"
	| "hub-conflict"
	| "hub-refused"
	| "hub-rate-limited"
	| "hub-unreachable"
	| "hub-corrupt"
	| "hub-offline"
	| "disk-full"
	| "write-failed";

/** Where it went wrong, as far as known. */
export interface HubErrorContext {
	readonly cause?: unknown;
	/** File or directory on this machine, or file of a repository. */
	readonly path?: string;
}

/** Thrown when a repository of the hub cannot be named, reached, read, stored or written. */
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

/** What a failed write to the cache becomes. */
export function storageError(cause: unknown, path: string): HubError {
	if (cause instanceof HubError) return cause;
	const isFull = codeOf(cause) === "ENOSPC" || codeOf(cause) === "EDQUOT";
	return isFull
		? new HubError(
				"disk-full",
				"the disk is full; free some space, what is downloaded is kept and continued",
				{
					cause,
					path,
				},
			)
		: new HubError("write-failed", "the cache cannot be written; check its permissions and free space", {
				cause,
				path,
			});
}
