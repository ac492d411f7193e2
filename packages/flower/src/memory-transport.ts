// Client and server in one process: the same bytes as over a network, without a socket.
import { type Deadline, startDeadline } from "./deadline.ts";
import { FlowerError, toFlowerError } from "./errors.ts";
import { MAX_RPC_MESSAGE_BYTES } from "./limits.ts";
import { decodeProtobuf, encodeProtobuf } from "./protobuf.ts";
import { checkBodySize, findRoute, type Routes } from "./service.ts";
import { type CallOptions, methodPath, type Traffic, type Transport } from "./transport.ts";

/** Settings of a memory transport. */
export interface MemoryTransportOptions {
	/** What the server sees as the address of this client. @default "memory" */
	readonly peer?: string;
	/** @default MAX_RPC_MESSAGE_BYTES */
	readonly maxMessageBytes?: number;
	/** Is told of every call that succeeded. */
	readonly onTraffic?: (traffic: Traffic) => void;
}

/** A transport whose server is `routes`. */
export function memoryTransport(routes: Routes, options: MemoryTransportOptions = {}): Transport {
	const { peer = "memory", maxMessageBytes = MAX_RPC_MESSAGE_BYTES, onTraffic } = options;
	const calls = new Set<Deadline>();
	let isClosed = false;
	const call = async (path: string, body: Uint8Array, callOptions: CallOptions): Promise<Uint8Array> => {
		if (isClosed) throw closedError(path);
		using deadline = startDeadline(callOptions, path);
		calls.add(deadline);
		const serve = async (): Promise<Uint8Array> => {
			const headers = callOptions.headers ?? new Map();
			const admitted = await findRoute(routes, path).open({ method: path, headers, peer });
			deadline.signal.throwIfAborted();
			checkBodySize(body.length, maxMessageBytes, path);
			const answer = await admitted.handle(body, deadline.signal, () => Promise.resolve());
			checkBodySize(answer.length, maxMessageBytes, path);
			return answer;
		};
		try {
			return await deadline.race(serve());
		} finally {
			calls.delete(deadline);
		}
	};
	return {
		unary: async (method, request, callOptions = {}) => {
			const path = methodPath(method);
			const body = encodeProtobuf(method.input, request);
			try {
				const answer = await call(path, body, callOptions);
				onTraffic?.({ method: path, requestBytes: body.length, responseBytes: answer.length });
				return decodeProtobuf(method.output, answer);
			} catch (caught) {
				const { code, message, cause, retryAfterMs } = toFlowerError(caught, path);
				// A network carries the code and the text, so this transport carries no more.
				throw new FlowerError(code, message, {
					method: path,
					retryAfterMs,
					cause: code === "cancelled" ? cause : undefined,
				});
			}
		},
		[Symbol.asyncDispose]: async () => {
			isClosed = true;
			for (const deadline of calls) deadline.abort(closedError());
		},
	};
}

function closedError(method?: string): FlowerError {
	return new FlowerError("unavailable", "The transport is closed.", { method });
}
