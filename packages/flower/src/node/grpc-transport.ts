// Calls over gRPC (HTTP/2) with TLS 1.3. One transport is one connection, which comes back by itself after a loss.
import { isIP } from "node:net";
import { checkServerIdentity, createSecureContext } from "node:tls";
import { ChannelCredentials, Client } from "@grpc/grpc-js";
import { callingTransport } from "../calling-transport.ts";
import type { Deadline } from "../deadline.ts";
import { FlowerError } from "../errors.ts";
import { MAX_RPC_MESSAGE_BYTES } from "../limits.ts";
import type { CallOptions, Traffic, Transport } from "../transport.ts";
import { checkPlaintextHost, FLOW_CONTROL_WINDOW_BYTES, TLS_MIN_VERSION } from "./connection.ts";
import { endingResets } from "./connection-ends.ts";
import { connectionError } from "./connection-problem.ts";
import { watchClient } from "./grpc-client.ts";
import { toMetadata } from "./grpc-metadata.ts";
import { fromServiceError } from "./grpc-status.ts";

/** Which servers to trust. */
export interface ClientTls {
	/** PEM of the certificate authorities; absent means those that Node ships. */
	readonly rootCertificates?: string;
	/** Name in the server's certificate when it is not the host of the address. */
	readonly serverName?: string;
}

/** Settings of a gRPC transport. */
export interface GrpcTransportOptions {
	readonly host: string;
	readonly port: number;
	/** "plaintext" is for loopback hosts only. */
	readonly security: ClientTls | "plaintext";
	/** @default MAX_RPC_MESSAGE_BYTES */
	readonly maxMessageBytes?: number;
	/** How soon a lost connection is tried again, at first and at most. @default 200 and 2000 */
	readonly reconnectDelayMs?: readonly [number, number];
	/** Time without traffic after which the connection is probed. @default 30000; Flower's servers allow 300000 */
	readonly keepaliveMs?: number;
	/** While a connection attempt takes longer, another is made beside it. @default 3000 */
	readonly connectTimeoutMs?: number;
	/** Is told of every call that succeeded. */
	readonly onTraffic?: (traffic: Traffic) => void;
}

/** A probe that is not answered in this time means a dead connection. */
const KEEPALIVE_TIMEOUT_MS = 5_000;

/** Opens a transport; the connection is made by the first call. @throws TypeError for plaintext beyond loopback. */
export function grpcTransport(options: GrpcTransportOptions): Transport {
	const { host, port, security, onTraffic } = options;
	if (security === "plaintext") checkPlaintextHost(host);
	const maxMessageBytes = options.maxMessageBytes ?? MAX_RPC_MESSAGE_BYTES;
	const [firstDelayMs, maxDelayMs] = options.reconnectDelayMs ?? [200, 2_000];
	const address = host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`;
	const connectTimeoutMs = options.connectTimeoutMs ?? 3_000;
	const makeClient = (): Client =>
		new Client(address, endingResets(credentials(host, security)), {
			"grpc.max_receive_message_length": maxMessageBytes,
			"grpc.max_send_message_length": maxMessageBytes,
			"grpc.initial_reconnect_backoff_ms": firstDelayMs,
			"grpc.min_reconnect_backoff_ms": firstDelayMs,
			"grpc.max_reconnect_backoff_ms": maxDelayMs,
			"grpc.keepalive_time_ms": options.keepaliveMs ?? 30_000,
			"grpc.keepalive_timeout_ms": KEEPALIVE_TIMEOUT_MS,
			"grpc.enable_retries": 0,
			"grpc.use_local_subchannel_pool": 1,
			"grpc.enable_channelz": 0,
			"grpc-node.flow_control_window": FLOW_CONTROL_WINDOW_BYTES,
			...(security === "plaintext" ? {} : { "grpc.ssl_target_name_override": sniName(host, security) }),
		});
	const client = watchClient(makeClient, {
		connectTimeoutMs,
		onSlow: () => {
			const reason = `No connection to ${address} within ${connectTimeoutMs} ms.`;
			transport.endCalls(new FlowerError("unavailable", reason));
		},
	});
	const transport = callingTransport({
		onTraffic,
		call: (path, body, callOptions, deadline) =>
			client.use((current) =>
				deadline.race(unaryCall({ client: current, host, port }, path, body, callOptions, deadline)),
			),
		onClosed: () => client.close(),
	});
	return transport;
}

function unaryCall(
	{ client, ...server }: { readonly client: Client; readonly host: string; readonly port: number },
	path: string,
	body: Uint8Array,
	{ headers = new Map(), timeoutMs }: CallOptions,
	{ signal }: Deadline,
): Promise<Uint8Array> {
	return new Promise((resolve, reject) => {
		if (signal.aborted) return reject(signal.reason);
		const call = client.makeUnaryRequest(
			path,
			asBuffer,
			(bytes: Buffer) => bytes,
			body,
			toMetadata(headers),
			timeoutMs === undefined ? {} : { deadline: Date.now() + timeoutMs },
			(error, answer) => {
				signal.removeEventListener("abort", cancel);
				if (error !== null) reject(explained(fromServiceError(error, path), server));
				else resolve(answer ?? new Uint8Array(0));
			},
		);
		const cancel = (): void => call.cancel();
		signal.addEventListener("abort", cancel, { once: true });
	});
}

/** A connection that failed for a reason that people can act on says so, in the words of `checkServer`. */
function explained(
	error: FlowerError,
	server: { readonly host: string; readonly port: number },
): FlowerError {
	if (error.code !== "unavailable") return error;
	const found = connectionError(error.message, server, error);
	return found.problem === "unreachable" ? error : found;
}

function credentials(host: string, security: ClientTls | "plaintext"): ChannelCredentials {
	if (security === "plaintext") return ChannelCredentials.createInsecure();
	const { rootCertificates, serverName } = security;
	return ChannelCredentials.createFromSecureContext(
		createSecureContext({
			minVersion: TLS_MIN_VERSION,
			...(rootCertificates === undefined ? {} : { ca: rootCertificates }),
		}),
		{ checkServerIdentity: (_, certificate) => checkServerIdentity(serverName ?? host, certificate) },
	);
}

/** The name that the handshake announces. RFC 6066 allows no addresses there, and grpc-js would send one. */
function sniName(host: string, { serverName }: ClientTls): string {
	return serverName ?? (isIP(host) === 0 ? host : "address.invalid");
}

/** The same bytes as grpc-js wants them, not copied. */
function asBuffer(bytes: Uint8Array): Buffer {
	return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
