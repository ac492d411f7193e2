// Accepts connections, with TLS 1.3 unless on loopback, bounded in number and in time.
import { createServer as createTcpServer, type Socket, type Server as TcpServer } from "node:net";
import { createServer as createTlsServer, type Server as TlsServer } from "node:tls";
import { FlowerError } from "../errors.ts";
import { checkPlaintextHost, TLS_MIN_VERSION } from "./connection.ts";
import { type Connection, type ConnectionLimits, type ConnectionTable, peerOf } from "./connection-table.ts";

/** A server's certificate and key. */
export interface ServerCertificate {
	/** PEM: the server's certificate, then its issuers up to, not including, the root. */
	readonly certificateChain: string;
	/** PEM. */
	readonly privateKey: string;
}

/** Where and how to listen. */
export interface ListenOptions extends Partial<ConnectionLimits> {
	/** Address to bind, e.g. `127.0.0.1` or `::`. */
	readonly host: string;
	/** 0 lets the system choose. */
	readonly port: number;
	/** "plaintext" is for loopback addresses only. */
	readonly security: ServerCertificate | "plaintext";
	/** Connections that have not finished their handshake by then are closed. @default 10000 */
	readonly handshakeTimeoutMs?: number;
	/** Is told of every connection that failed before it carried a call. */
	readonly onRefused?: (cause: Error, peer: string) => void;
}

/** An open port. */
export interface Listener extends AsyncDisposable {
	readonly port: number;
	/** Connections that are open now. */
	readonly numConnections: number;
	/** Used for connections from now on. @throws TypeError on a plaintext listener */
	replaceCertificate(certificate: ServerCertificate): void;
}

/**
 * Listens, and gives every connection that is ready for HTTP/2 to `onConnection`.
 * @throws TypeError for plaintext beyond loopback, FlowerError unavailable when the port cannot be bound.
 */
export async function listen(
	options: ListenOptions,
	connections: ConnectionTable,
	onConnection: (socket: Socket, connection: Connection) => void,
): Promise<Listener> {
	const { host, port, security, handshakeTimeoutMs = 10_000, onRefused } = options;
	if (security === "plaintext") checkPlaintextHost(host);
	const enter = (socket: Socket): void => {
		const peer = peerOf(socket);
		const entered = connections.enter(socket);
		if (typeof entered === "string") onRefused?.(refused(entered), peer);
	};
	const ready = (socket: Socket): void => {
		const connection = connections.find(peerOf(socket));
		if (connection === undefined) socket.destroy();
		else onConnection(socket, connection);
	};
	let server: TcpServer | TlsServer;
	if (security === "plaintext") {
		server = createTcpServer({ noDelay: true });
		server.on("connection", (socket: Socket) => {
			// Errors end in `close`, which is what is acted on.
			socket.on("error", () => undefined);
			enter(socket);
			ready(socket);
		});
	} else {
		const tls = createTlsServer({
			...secureContext(security),
			ALPNProtocols: ["h2"],
			handshakeTimeout: handshakeTimeoutMs,
			noDelay: true,
		});
		tls.prependListener("connection", enter);
		tls.on("secureConnection", ready);
		tls.on("tlsClientError", (cause, socket) => {
			onRefused?.(cause, peerOf(socket));
			socket.destroy();
		});
		server = tls;
	}
	const boundPort = await bind(server, host, port);
	return {
		port: boundPort,
		get numConnections() {
			return connections.size;
		},
		replaceCertificate: (certificate) => {
			if (!("setSecureContext" in server))
				throw new TypeError("replaceCertificate: the listener is plaintext");
			server.setSecureContext(secureContext(certificate));
		},
		[Symbol.asyncDispose]: async () => {
			const closed = new Promise<void>((resolve) => server.close(() => resolve()));
			connections.clear();
			await closed;
		},
	};
}

function refused(why: string): FlowerError {
	return new FlowerError("resource-exhausted", why, { reason: "over-limit" });
}

function secureContext({ certificateChain, privateKey }: ServerCertificate) {
	return { cert: certificateChain, key: privateKey, minVersion: TLS_MIN_VERSION } as const;
}

function bind(server: TcpServer, host: string, port: number): Promise<number> {
	return new Promise((resolve, reject) => {
		const fail = (cause: Error): void =>
			reject(
				new FlowerError("unavailable", `Cannot listen on ${host}:${port}: ${cause.message}.`, { cause }),
			);
		server.once("error", fail);
		server.listen(port, host, () => {
			server.off("error", fail);
			const address = server.address();
			resolve(typeof address === "object" && address !== null ? address.port : port);
		});
	});
}
