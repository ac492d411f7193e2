// The transport contract over real sockets, and what only exists there: TLS, reconnection, hostile connections.
import { connect as connectHttp2 } from "node:http2";
import { connect as connectTcp, createServer as createTcpServer, type Socket } from "node:net";
import { connect as connectTls, type TLSSocket } from "node:tls";
import { beforeAll, describe, expect, test, vi } from "vitest";
import { FlowerError } from "../errors.ts";
import { Fleet } from "../gen/flwr/proto/fleet_pb.ts";
import { createRoutes, type Routes } from "../service.ts";
import { type Connection, defineTransportContract, partialFleet } from "../transport.contract.ts";
import type { Traffic } from "../transport.ts";
import {
	type CertificateAuthority,
	createCertificateAuthority,
	issueServerCertificate,
} from "./certificates.ts";
import type { ServerCertificate } from "./grpc-listener.ts";
import { type GrpcServerOptions, serveGrpc } from "./grpc-server.ts";
import { grpcTransport } from "./grpc-transport.ts";

const host = "127.0.0.1";
const now = new Date();
const days = (count: number): Date => new Date(now.getTime() + count * 86_400_000);

let authority: CertificateAuthority;
let certificate: ServerCertificate;
beforeAll(async () => {
	authority = await createCertificateAuthority({
		commonName: "zk0 test",
		notBefore: days(-1),
		notAfter: days(1),
	});
	certificate = await issueServerCertificate(authority, {
		hosts: ["localhost", host],
		notBefore: days(-1),
		notAfter: days(1),
	});
});

const loopback = async (
	routes: Routes,
	security: ServerCertificate | "plaintext",
	options: { maxMessageBytes: number; onTraffic: (traffic: Traffic) => void },
): Promise<Connection> => {
	const server = await serveGrpc(routes, { host, port: 0, security, ...options });
	const trust = security === "plaintext" ? security : { rootCertificates: authority.certificate };
	const transport = grpcTransport({ host, port: server.port, security: trust, ...options });
	return {
		transport,
		[Symbol.asyncDispose]: async () => {
			await transport[Symbol.asyncDispose]();
			await server[Symbol.asyncDispose]();
		},
	};
};

describe("gRPC, plaintext on loopback", () => {
	defineTransportContract((routes, options) => loopback(routes, "plaintext", options));
});

describe("gRPC, TLS", () => {
	defineTransportContract((routes, options) => loopback(routes, certificate, options));
});

const routes = createRoutes(
	Fleet,
	partialFleet<string>({
		sendNodeHeartbeat: async () => ({ success: true }),
		pushObject: async () => ({ stored: true }),
	}),
	{ admit: ({ peer }) => peer, onFault: () => undefined },
);
const serve = (options: Partial<GrpcServerOptions> = {}) =>
	serveGrpc(routes, { host, port: 0, security: certificate, ...options });
const beat = Fleet.method.sendNodeHeartbeat;

/** The first heartbeat's outcome with this trust. */
async function tryBeat(port: number, rootCertificates: string, serverHost = host): Promise<string> {
	await using transport = grpcTransport({ host: serverHost, port, security: { rootCertificates } });
	try {
		const { success } = await transport.unary(beat, {}, { timeoutMs: 3000 });
		return success ? "served" : "refused";
	} catch (caught) {
		if (caught instanceof FlowerError) return `${caught.code}: ${caught.message}`;
		throw caught;
	}
}

test("a connection attempt that hangs is given up, and the next one goes through", async () => {
	await using server = await serve();
	/** A network that takes connections and says nothing, then one that works. */
	let isUp = false;
	const sockets = new Set<Socket>();
	const network = createTcpServer((socket) => {
		sockets.add(socket.on("error", () => socket.destroy()));
		if (!isUp) return;
		const onward = connectTcp(server.port, host);
		socket.pipe(onward).pipe(socket);
		onward.on("error", () => socket.destroy());
	});
	await new Promise<void>((resolve) => network.listen(0, host, resolve));
	const address = network.address();
	const port = typeof address === "object" && address !== null ? address.port : 0;
	const security = { rootCertificates: authority.certificate };
	{
		await using transport = grpcTransport({ host, port, security, connectTimeoutMs: 100 });
		const hung = transport.unary(beat, {}, { timeoutMs: 20_000 });
		await expect(hung).rejects.toMatchObject({
			code: "unavailable",
			message: expect.stringMatching(/No connection .* 100 ms/),
		});
		isUp = true;
		await vi.waitFor(async () => {
			expect(await transport.unary(beat, {}, { timeoutMs: 20_000 })).toMatchObject({ success: true });
		}, 20_000);
	}
	for (const socket of sockets) socket.destroy();
	network.close();
});

describe("TLS", () => {
	test("TLS 1.3 is spoken, and nothing older", async () => {
		const refused: string[] = [];
		await using server = await serve({ onRefused: (cause) => refused.push(cause.message) });
		const handshake = (maxVersion: "TLSv1.2" | "TLSv1.3"): Promise<string> =>
			new Promise((resolve) => {
				const socket: TLSSocket = connectTls(
					{
						host,
						port: server.port,
						ca: authority.certificate,
						servername: "localhost",
						maxVersion,
						ALPNProtocols: ["h2"],
					},
					() => {
						resolve(
							`${socket.getProtocol()} ${String(socket.authorized)} ${socket.getPeerCertificate().asn1Curve}`,
						);
						socket.destroy();
					},
				);
				socket.on("error", () => resolve("refused"));
			});
		expect(await handshake("TLSv1.3")).toBe("TLSv1.3 true secp384r1");
		expect(await handshake("TLSv1.2")).toBe("refused");
		expect(refused.join()).toMatch(/protocol/);
	});

	test("only the pinned authority, a valid date and the right name are trusted", async () => {
		const stranger = await createCertificateAuthority({
			commonName: "x",
			notBefore: days(-1),
			notAfter: days(1),
		});
		await using server = await serve();
		expect(await tryBeat(server.port, authority.certificate)).toBe("served");
		expect(await tryBeat(server.port, stranger.certificate)).toMatch(/^unavailable: .*certificate/i);
		server.replaceCertificate(
			await issueServerCertificate(authority, {
				hosts: ["localhost", host],
				notBefore: days(-9),
				notAfter: days(-8),
			}),
		);
		expect(await tryBeat(server.port, authority.certificate)).toMatch(/expired/);
		server.replaceCertificate(
			await issueServerCertificate(authority, {
				hosts: ["example.org"],
				notBefore: days(-1),
				notAfter: days(1),
			}),
		);
		expect(await tryBeat(server.port, authority.certificate)).toMatch(/^unavailable: .*other names/);
		server.replaceCertificate(certificate);
		expect(await tryBeat(server.port, authority.certificate)).toBe("served");
	});

	test("plaintext is refused beyond loopback and by a TLS server", async () => {
		expect(() => grpcTransport({ host: "example.org", port: 1, security: "plaintext" })).toThrow(/loopback/);
		await expect(serve({ host: "0.0.0.0", security: "plaintext" })).rejects.toThrow(/loopback/);
		await using server = await serve();
		await using transport = grpcTransport({ host, port: server.port, security: "plaintext" });
		await expect(transport.unary(beat, {}, { timeoutMs: 2000 })).rejects.toBeInstanceOf(FlowerError);
		expect(() => server.replaceCertificate({ certificateChain: "no", privateKey: "no" })).toThrow(/PEM/);
		await using plain = await serve({ security: "plaintext" });
		expect(() => plain.replaceCertificate(certificate)).toThrow(TypeError);
	});

	test("a port in use is named", async () => {
		await using server = await serve();
		await expect(serve({ port: server.port })).rejects.toMatchObject({ code: "unavailable" });
	});
});

describe("connections", () => {
	test("a client comes back when the server does", async () => {
		const first = await serve();
		const { port } = first;
		await using transport = grpcTransport({
			host,
			port,
			security: { rootCertificates: authority.certificate },
			reconnectDelayMs: [20, 50],
		});
		expect((await transport.unary(beat, {})).success).toBe(true);
		await first[Symbol.asyncDispose]();
		await expect(transport.unary(beat, {})).rejects.toMatchObject({ code: "unavailable" });
		await using second = await serve({ port });
		let success = false;
		while (!success) {
			success = await transport.unary(beat, {}).then(
				(answer) => answer.success,
				(caught: FlowerError) => caught.code !== "unavailable",
			);
		}
		expect(second.numConnections).toBe(1);
	});

	test("silent and surplus connections are closed", async () => {
		await using server = await serve({ handshakeTimeoutMs: 100, maxConnections: 1 });
		const closed = (socket: ReturnType<typeof connectTcp>): Promise<void> =>
			new Promise((resolve) => {
				socket.on("error", () => undefined);
				socket.on("close", () => resolve()).resume();
			});
		const noConnections = async (): Promise<void> => {
			while (server.numConnections > 0) await new Promise((resolve) => setImmediate(resolve));
		};
		const silent = connectTcp(server.port, host);
		await closed(silent);
		expect(await tryBeat(server.port, authority.certificate)).toBe("served");
		await noConnections();
		const holder = connectTcp(server.port, host);
		const holderClosed = closed(holder);
		await new Promise((resolve) => holder.once("connect", resolve));
		await closed(connectTcp(server.port, host));
		await holderClosed;
		await noConnections();
		expect(server.numConnections).toBe(0);
	});

	test("the server bounds messages whatever the client allows", async () => {
		await using server = await serve({ security: "plaintext", maxMessageBytes: 10_000 });
		await using transport = grpcTransport({ host, port: server.port, security: "plaintext" });
		const push = (length: number) =>
			transport.unary(Fleet.method.pushObject, { objectContent: new Uint8Array(length) });
		expect((await push(9_000)).stored).toBe(true);
		await expect(push(20_000)).rejects.toMatchObject({ code: "resource-exhausted" });
	});

	test("a body that never comes, comes broken or is no gRPC ends with a status", async () => {
		await using server = await serve({ security: "plaintext", bodyTimeoutMs: 100 });
		const session = connectHttp2(`http://${host}:${server.port}`);
		const post = (frames: readonly Uint8Array[], end: boolean): Promise<string> =>
			new Promise((resolve, reject) => {
				const stream = session.request({
					":method": "POST",
					":path": "/flwr.proto.Fleet/PushObject",
					"content-type": "application/grpc",
					te: "trailers",
				});
				const note = (headers: { readonly [name: string]: unknown }): void => {
					const status = headers["grpc-status"];
					if (typeof status !== "string") return;
					resolve(status);
					stream.close();
				};
				stream.on("response", note).on("trailers", note).on("error", reject).resume();
				for (const frame of frames) stream.write(frame);
				if (end) stream.end();
			});
		const frame = (length: number, bytes: readonly number[]): Uint8Array =>
			Uint8Array.of(
				0,
				(length >> 24) & 255,
				(length >> 16) & 255,
				(length >> 8) & 255,
				length & 255,
				...bytes,
			);
		expect(await post([], false)).toBe("4");
		expect(await post([frame(10, [1])], false)).toBe("4");
		expect(await post([frame(0x7fffffff, [1])], true)).toBe("8");
		expect(await post([frame(3, [255, 255, 255])], true)).toBe("3");
		expect(await post([frame(0, [])], true)).toBe("0");
		session.destroy();
	});
});
