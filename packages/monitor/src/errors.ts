// The one error class of this package.

/** What went wrong. */
export type MonitorErrorCode = "webhook-failed" | "bad-webhook";

/** A failure that an operator can act on. Never holds a secret: of a webhook only the host is named. */
export class MonitorError extends Error {
	override readonly name = "MonitorError";
	readonly code: MonitorErrorCode;

	constructor(code: MonitorErrorCode, message: string, options: { cause?: unknown } = {}) {
		super(message, options.cause === undefined ? undefined : { cause: options.cause });
		this.code = code;
	}
}
