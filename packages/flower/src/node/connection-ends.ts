// Ends connections that the system has ended and Node has not noticed. Node's TLS forgets a write that is refused at once
// (ECONNRESET, while bytes that came before the reset are still unread) and takes it for under way ever after: the HTTP/2
// session reads and writes no more, and not even `close` is emitted. grpc-js would wait for its keepalive.
/* oxlint-disable no-underscore-dangle -- grpc-js's declared way from credentials to a connection has that name */
import type { Socket } from "node:net";
import type { ChannelCredentials } from "@grpc/grpc-js";

/** How often a connection is looked at: one system call. */
const LOOK_MS = 500;

/** The same credentials; a connection that was made with them is closed when the other end has reset it. */
export function endingResets(credentials: ChannelCredentials): ChannelCredentials {
	const create = credentials._createSecureConnector.bind(credentials);
	credentials._createSecureConnector = (...about) => {
		const connector = create(...about);
		return {
			connect: async (socket) => {
				const connected = await connector.connect(socket);
				endWhenReset(socket, connected.socket);
				return connected;
			},
			waitForReady: () => connector.waitForReady(),
			getCallCredentials: () => connector.getCallCredentials(),
			destroy: () => connector.destroy(),
		};
	};
	return credentials;
}

/** Destroys `socket`, which may be the TLS over `tcp`, once the system has ended `tcp`. */
function endWhenReset(tcp: Socket, socket: Socket): void {
	const timer = setInterval(() => {
		if (isReset(tcp)) socket.destroy();
	}, LOOK_MS);
	timer.unref();
	socket.once("close", () => clearInterval(timer));
}

/** Of a connection that was reset the system knows no other end any more; `remoteAddress` would tell what it was. */
function isReset(socket: Socket): boolean {
	const handle: unknown = Reflect.get(socket, "_handle");
	const ask: unknown = typeof handle === "object" && handle !== null && Reflect.get(handle, "getpeername");
	return typeof ask === "function" && Reflect.apply(ask, handle, [{}]) !== 0;
}
