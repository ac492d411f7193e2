// When a client has lost its connection. Node keeps an HTTP/2 session that has bytes to send after its socket is gone;
// grpc-js then learns of it from its keepalive, seconds later.
/* oxlint-disable no-underscore-dangle -- grpc-js's declared way from credentials to a connection has that name */
import type { ChannelCredentials } from "@grpc/grpc-js";

/** Time for grpc-js to notice by itself, and to connect again. */
const NOTICE_MS = 200;

/** The same credentials; calls back when the last connection that was made with them has ended and no other was made. */
export function tellingLoss(credentials: ChannelCredentials, onLost: () => void): ChannelCredentials {
	let numOpen = 0;
	const ended = (): void => {
		numOpen--;
		setTimeout(() => {
			if (numOpen === 0) onLost();
		}, NOTICE_MS).unref();
	};
	const create = credentials._createSecureConnector.bind(credentials);
	credentials._createSecureConnector = (...about) => {
		const connector = create(...about);
		return {
			connect: async (socket) => {
				const connected = await connector.connect(socket);
				numOpen++;
				connected.socket.once("close", ended);
				return connected;
			},
			waitForReady: () => connector.waitForReady(),
			getCallCredentials: () => connector.getCallCredentials(),
			destroy: () => connector.destroy(),
		};
	};
	return credentials;
}
