// What every transport does around its calls of bytes: messages to bytes and back, telling the traffic, and ending the calls
// that are under way.
import { type Deadline, startDeadline } from "./deadline.ts";
import { FlowerError } from "./errors.ts";
import { decodeProtobuf, encodeProtobuf } from "./protobuf.ts";
import { type CallOptions, methodPath, type Traffic, type Transport } from "./transport.ts";

/** A way to make calls. */
export interface ByteCalls {
	/** Makes a call; it ends, with the reason, when the deadline's signal aborts. */
	readonly call: (
		path: string,
		body: Uint8Array,
		options: CallOptions,
		deadline: Deadline,
	) => Promise<Uint8Array>;
	/** Is told of every call that succeeded. */
	readonly onTraffic: ((traffic: Traffic) => void) | undefined;
	/** The transport is disposed; no call is under way. */
	readonly onClosed: () => void;
}

/** A transport whose calls can be ended from outside. */
export interface CallingTransport extends Transport {
	/** Ends every call that is under way. */
	endCalls(reason: FlowerError): void;
}

/** A transport that makes its calls so. */
export function callingTransport({ call, onTraffic, onClosed }: ByteCalls): CallingTransport {
	const underWay = new Set<Deadline>();
	let isClosed = false;
	const endCalls = (reason: FlowerError): void => {
		for (const deadline of underWay) deadline.abort(reason);
	};
	return {
		endCalls,
		unary: async (method, request, options = {}) => {
			const path = methodPath(method);
			const body = encodeProtobuf(method.input, request);
			if (isClosed) throw closedError(path);
			using deadline = startDeadline(options, path);
			underWay.add(deadline);
			try {
				const answer = await call(path, body, options, deadline);
				onTraffic?.({ method: path, requestBytes: body.length, responseBytes: answer.length });
				return decodeProtobuf(method.output, answer);
			} finally {
				underWay.delete(deadline);
			}
		},
		[Symbol.asyncDispose]: async () => {
			isClosed = true;
			endCalls(closedError());
			onClosed();
		},
	};
}

function closedError(method?: string): FlowerError {
	return new FlowerError("unavailable", "The transport is closed.", { method });
}
