// Client and server in one process: the same bytes as over a network, without a socket.
import { callingTransport } from "./calling-transport.ts";
import { FlowerError, toFlowerError } from "./errors.ts";
import { MAX_RPC_MESSAGE_BYTES } from "./limits.ts";
import { checkBodySize, findRoute, type Routes } from "./service.ts";
import type { Traffic, Transport } from "./transport.ts";

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
	return callingTransport({
		onTraffic,
		call: async (path, body, { headers = new Map() }, deadline) => {
			const serve = async (): Promise<Uint8Array> => {
				const admitted = await findRoute(routes, path).open({ method: path, headers, peer });
				deadline.signal.throwIfAborted();
				checkBodySize(body.length, maxMessageBytes, path);
				const answer = await admitted.handle(body, deadline.signal, () => Promise.resolve());
				checkBodySize(answer.length, maxMessageBytes, path);
				return answer;
			};
			try {
				return await deadline.race(serve());
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
		onClosed: () => undefined,
	});
}
