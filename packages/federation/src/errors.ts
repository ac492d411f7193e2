// The one operational error class of this package. Programmer errors are TypeError or RangeError.
import { FlowerError } from "@zk0/flower";

/** What went wrong, for callers that decide (retry, skip the site, stop the run) and for exit codes. */
export type FederationErrorCode =
	| "cancelled"
	| "deadline"
	| "unavailable"
	| "bad-message"
	| "not-admitted"
	| "unknown-member"
	| "unknown-object"
	| "site-name-taken"
	| "client-app"
	| "disk-full"
	| "storage"
	| "corrupt-object"
	| "hash-mismatch"
	| "log-tampered"
	| "log-mismatch"
	| "bad-weights"
	| "too-few-sites"
	| "too-few-updates"
	| "closed"
	| UpdateRejection;

/** Why an update was not accepted. */
export type UpdateRejection =
	| "duplicate"
	| "late"
	| "wrong-round"
	| "wrong-site"
	| "unknown-task"
	| "zero-samples"
	| "not-finite"
	| "wrong-shape"
	| "wrong-dtype"
	| "missing-tensor"
	| "extra-tensor"
	| "bad-file"
	| "bad-signature";

/** Which run, round and site an error belongs to. */
export interface FederationErrorIds {
	readonly runId?: string;
	readonly round?: number;
	readonly site?: string;
}

/** Thrown by rounds, server, client, stores and transports; the message names the cure where there is one. */
export class FederationError extends Error {
	override readonly name = "FederationError";
	readonly code: FederationErrorCode;
	readonly ids: FederationErrorIds;

	constructor(
		code: FederationErrorCode,
		message: string,
		options: { cause?: unknown; ids?: FederationErrorIds } = {},
	) {
		super(message, options.cause === undefined ? undefined : { cause: options.cause });
		this.code = code;
		this.ids = options.ids ?? {};
	}
}

/** Anything thrown as an Error, so that messages and causes can be read. */
export function toError(thrown: unknown): Error {
	return thrown instanceof Error ? thrown : new FederationError("client-app", String(thrown));
}

/** True for an abort by a signal, whoever raised it. */
export function isCancelled(thrown: unknown): boolean {
	if (thrown instanceof FederationError || thrown instanceof FlowerError) return thrown.code === "cancelled";
	return thrown instanceof Error && (thrown.name === "AbortError" || thrown.name === "ABORT_ERR");
}

/** @throws FederationError cancelled when the signal is aborted. */
export function throwIfCancelled(signal: AbortSignal | undefined, what: string): void {
	if (signal?.aborted === true) {
		throw new FederationError("cancelled", `${what} was cancelled`, { cause: signal.reason });
	}
}

/** A failed call as an error of this package; anything else passes unchanged. */
export function callError(thrown: unknown): unknown {
	if (!(thrown instanceof FlowerError)) return thrown;
	const code = CODE_OF_CALL[thrown.code] ?? "bad-message";
	return new FederationError(code, thrown.message, { cause: thrown });
}

const CODE_OF_CALL: Readonly<Partial<Record<FlowerError["code"], FederationErrorCode>>> = {
	cancelled: "cancelled",
	unavailable: "unavailable",
	"deadline-exceeded": "deadline",
	"already-exists": "site-name-taken",
	unauthenticated: "not-admitted",
	"permission-denied": "not-admitted",
	"failed-precondition": "not-admitted",
	"resource-exhausted": "storage",
};
