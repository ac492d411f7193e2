// Accepts connections, with TLS 1.3 unless on loopback, bounded in number and in handshake time.
import { createServer as createTcpServer, type Socket, type Server as TcpServer } from "node:net";
import { createServer as createTlsServer, type Server as TlsServer } from "node:tls";
import { FlowerError } from "../errors.ts";
import { checkPlaintextHost, TLS_MIN_VERSION } from "./connection.ts";

/** A server's certificate and key. */
export interface ServerCertificate {
	/** PEM: the server's certificate, then its issuers up to, not including, the root. */
	readonly certificateChain: string;
	/** PEM. */
	readonly privateKey: string;
}

/** Where and how to listen. */
export interface ListenOptions {
	/** Address to bind, e.g. `127.0.0.1` or `::`. */
	readonly host: string;
	/** 0 lets the system choose. */
	readonly port: number;
	/** "plaintext" is for loopback addresses only. */
	readonly security: ServerCertificate | "plaintext";
	/** Connections beyond this number are closed at once. @default 4096 */
	readonly maxConnections?: number;
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
	onConnection: (socket: Socket) => void,
): Promise<Listener> {
	const { host, port, security, maxConnections = 4096, handshakeTimeoutMs = 10_000, onRefused } = options;
	if (security === "plaintext") checkPlaintextHost(host);
	const sockets = new Set<Socket>();
	let server: TcpServer | TlsServer;
	if (security === "plaintext") {
		server = createTcpServer({ noDelay: true }, onConnection);
	} else {
		const tls = createTlsServer({
			...secureContext(security),
			ALPNProtocols: ["h2"],
			handshakeTimeout: handshakeTimeoutMs,
			noDelay: true,
		});
		tls.on("secureConnection", onConnection);
		tls.on("tlsClientError", (cause, socket) => {
			onRefused?.(cause, peerOf(socket));
			socket.destroy();
		});
		server = tls;
	}
	server.maxConnections = maxConnections;
	server.on("connection", (socket: Socket) => {
		sockets.add(socket);
		socket.once("close", () => sockets.delete(socket));
	});
	const boundPort = await bind(server, host, port);
	return {
		port: boundPort,
		get numConnections() {
			return sockets.size;
		},
		replaceCertificate: (certificate) => {
			if (!("setSecureContext" in server))
				throw new TypeError("replaceCertificate: the listener is plaintext");
			server.setSecureContext(secureContext(certificate));
		},
		[Symbol.asyncDispose]: async () => {
			const closed = new Promise<void>((resolve) => server.close(() => resolve()));
			for (const socket of sockets) socket.destroy();
			await closed;
		},
	};
}

/** `address:port` of the other side, for people. */
export function peerOf(socket: Socket): string {
	return `${socket.remoteAddress ?? "unknown"}:${socket.remotePort ?? 0}`;
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
