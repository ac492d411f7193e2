// The one operational error class of this package. Its codes are those of gRPC (the numbers are in
// node/grpc-status.ts): https://grpc.io/docs/guides/status-codes/

/** What went wrong, named after the gRPC status that carries it on the wire. */
export type FlowerErrorCode =
	| "cancelled"
	| "unknown"
	| "invalid-argument"
	| "deadline-exceeded"
	| "not-found"
	| "already-exists"
	| "permission-denied"
	| "resource-exhausted"
	| "failed-precondition"
	| "aborted"
	| "out-of-range"
	| "unimplemented"
	| "internal"
	| "unavailable"
	| "data-loss"
	| "unauthenticated";

/** Why a caller was turned away. Only for the side that did it, where it decides what the audit says. */
export type RefusalReason =
	| "unsigned"
	| "bad-signature"
	| "expired"
	| "unknown-key"
	/** An activation with a key that is bound to nobody: a newcomer's first call, or somebody who tries keys. */
	| "not-registered"
	| "other-node"
	| "revoked"
	| "bad-invitation"
	| "bad-name"
	| "name-taken"
	| "over-limit";

/** Why a server could not be trusted or spoken to, on the side that called it. */
export type ConnectionProblem =
	| "unreachable"
	| "certificate-expired"
	| "wrong-authority"
	| "wrong-name"
	| "plaintext-port"
	| "tls-port";

/** Ids that say what an error is about. */
export interface FlowerErrorDetails extends ErrorOptions {
	readonly objectId?: string | undefined;
	/** RPC path, e.g. `/flwr.proto.Fleet/PullMessages`. */
	readonly method?: string | undefined;
	/** When the same call may succeed; travels as gRPC's `grpc-retry-pushback-ms`. */
	readonly retryAfterMs?: number | undefined;
	/** Never travels. */
	readonly reason?: RefusalReason | undefined;
	/** Never travels. */
	readonly problem?: ConnectionProblem | undefined;
}

/**
 * Thrown by everything in this package that handles bytes or peers. In Flower's use of the codes:
 * `permission-denied` = the run is not running, `unauthenticated` = node authentication failed,
 * `failed-precondition` = unknown key, node already online or malformed object,
 * `invalid-argument` = bytes or values that break the protocol, `resource-exhausted` = over a named limit.
 */
export class FlowerError extends Error {
	override readonly name = "FlowerError";
	readonly code: FlowerErrorCode;
	readonly objectId: string | undefined;
	readonly method: string | undefined;
	/** When the same call may succeed; undefined: the peer does not say. */
	readonly retryAfterMs: number | undefined;
	readonly reason: RefusalReason | undefined;
	readonly problem: ConnectionProblem | undefined;

	constructor(code: FlowerErrorCode, message: string, details: FlowerErrorDetails = {}) {
		super(message, details);
		this.code = code;
		this.objectId = details.objectId;
		this.method = details.method;
		this.retryAfterMs = details.retryAfterMs;
		this.reason = details.reason;
		this.problem = details.problem;
	}
}

/**
 * Any caught value as a FlowerError: itself if it is one, else `unknown` with the value as cause.
 * The text of a foreign error is kept for the log of this side only (see `cause`), never put in the message.
 */
export function toFlowerError(caught: unknown, method?: string): FlowerError {
	if (caught instanceof FlowerError) return caught;
	return new FlowerError("unknown", "The handler failed; the cause is in the log of the side that ran it.", {
		cause: caught,
		method,
	});
}

/** @throws FlowerError cancelled when `signal` is already aborted. */
export function throwIfCancelled(signal: AbortSignal | undefined): void {
	if (signal?.aborted === true) throw cancelledError(signal);
}

/** The error of a call given up because `signal` aborted. */
export function cancelledError(signal: AbortSignal, method?: string): FlowerError {
	return new FlowerError("cancelled", "Cancelled by the caller.", { cause: signal.reason, method });
}
