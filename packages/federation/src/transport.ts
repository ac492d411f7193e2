// The seam between node and server: calls of protocol.ts in either memory or a network. The server's handlers have
// the same shape, so a memory transport is a function call and a network transport is a stub on each side.
import type { RequestOf, ResponseOf, StreamMethod, StreamRequestOf, UnaryMethod } from "./protocol.ts";

/** Options of every call. */
export interface CallOptions {
	/** Aborts the call. */
	readonly signal?: AbortSignal | undefined;
	/** Ends the call with code `deadline` when there was no answer (or no further bytes) for this long. */
	readonly timeoutMs?: number | undefined;
}

/** The calls themselves, as a node makes them and as a server answers them. */
export interface FleetCalls {
	/** @throws FederationError: `unavailable` and `deadline` may be repeated, other codes may not. */
	unary<M extends UnaryMethod>(
		method: M,
		request: RequestOf<M>,
		options?: CallOptions,
	): Promise<ResponseOf<M>>;
	/** Bytes in order; pieces may have any size. Ending the iteration early ends the call. */
	stream<M extends StreamMethod>(
		method: M,
		request: StreamRequestOf<M>,
		options?: CallOptions,
	): AsyncIterable<Uint8Array>;
}

/** Payload bytes moved, seen from the node: `bytesUp` leave it, `bytesDown` reach it. */
export interface Traffic {
	readonly bytesUp: number;
	readonly bytesDown: number;
}

/** A node's way to the server. */
export interface Transport extends FleetCalls, AsyncDisposable {
	traffic(): Traffic;
}
