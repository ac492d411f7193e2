// Serves routes over gRPC: Node speaks HTTP/2 on the listener's connections. The server of @grpc/grpc-js is not used: it
// has no bound on a body per caller, does not read a body's length before the body, and leaves HTTP/2's window at
// 64 KiB, which holds a site 50 ms away to 1.3 MB/s. Its client is.
import { performServerHandshake, type ServerHttp2Session } from "node:http2";
import type { Socket } from "node:net";
import { FlowerError } from "../errors.ts";
import { MAX_RPC_MESSAGE_BYTES } from "../limits.ts";
import type { Routes } from "../service.ts";
import { createByteBudget } from "./byte-budget.ts";
import { FLOW_CONTROL_WINDOW_BYTES } from "./connection.ts";
import { type Connection, createConnectionTable } from "./connection-table.ts";
import { type CallSettings, type RunningCall, serveCall } from "./grpc-call.ts";
import { type Listener, type ListenOptions, listen } from "./grpc-listener.ts";
import { createSessionWatch } from "./session-watch.ts";

/** Settings of a gRPC server. */
export interface GrpcServerOptions extends ListenOptions {
	/** Bound on one message, both ways. @default MAX_RPC_MESSAGE_BYTES */
	readonly maxMessageBytes?: number;
	/** Calls under way at once on one connection. @default 16 */
	readonly maxCallsPerConnection?: number;
	/** Bytes that the calls of all callers may hold at once; what has no room waits. @default 192 MiB */
	readonly maxBytesInFlight?: number;
	/** The same for one caller. @default 64 MiB */
	readonly maxBytesInFlightPerNode?: number;
	/** Time that a caller has to send the body of an admitted call, and to take its answer. @default 120000 */
	readonly bodyTimeoutMs?: number;
	/** Longest pause within a body. @default 30000 */
	readonly stallTimeoutMs?: number;
	/** Connections without calls are closed after this time; clients come back by themselves. @default 300000 */
	readonly idleTimeoutMs?: number;
	/** Time without traffic after which a connection is probed, to notice half-open ones. @default 30000 */
	readonly keepaliveMs?: number;
}

/** A running server. Disposal aborts the signals of running handlers and closes all connections. */
export type GrpcServer = Listener;

/** Time for the last answers to leave before connections are cut. */
const CLOSE_GRACE_MS = 250;
/** Time that a caller nobody vouches for has to send its request: a key and a name. */
const STRANGER_TIMEOUT_MS = 10_000;
/** Bound on a call's headers: a key, a signature and a time are under 1 KB. */
const MAX_HEADER_BYTES = 16_384;
const MAX_HEADERS = 64;
/** What Node may queue for one connection, in MB; answers count, and they are bounded by the byte budget. */
const MAX_SESSION_MB = 128;
const MIB = 1 << 20;

/** Starts a server for `routes`. @throws as `listen` */
export async function serveGrpc(routes: Routes, options: GrpcServerOptions): Promise<GrpcServer> {
	const settings: CallSettings = {
		routes,
		budget: createByteBudget({
			maxBytes: options.maxBytesInFlight ?? 192 * MIB,
			maxAccountBytes: options.maxBytesInFlightPerNode ?? 64 * MIB,
		}),
		maxMessageBytes: options.maxMessageBytes ?? MAX_RPC_MESSAGE_BYTES,
		bodyTimeoutMs: options.bodyTimeoutMs ?? 120_000,
		stallTimeoutMs: options.stallTimeoutMs ?? 30_000,
		strangerTimeoutMs: STRANGER_TIMEOUT_MS,
	};
	const calls = new Set<RunningCall>();
	const connections = createConnectionTable(options);
	const watch = createSessionWatch({
		idleTimeoutMs: options.idleTimeoutMs ?? 300_000,
		keepaliveMs: options.keepaliveMs ?? 30_000,
		tick: (nowMs) => {
			for (const peer of connections.dropStrangers(nowMs))
				options.onRefused?.(new FlowerError("deadline-exceeded", "no admitted call in time"), peer);
		},
	});
	const accept = (socket: Socket, connection: Connection): void => {
		const session = startSession(socket, options.maxCallsPerConnection ?? 16);
		watch.add(session);
		session.on("stream", (stream, headers) => {
			const onAdmitted = (): void => admit(connection, session);
			const call = serveCall(stream, headers, connection.peer, { settings, onAdmitted });
			calls.add(call);
			void call.finished.then(() => calls.delete(call));
		});
	};
	const listener = await listen(options, connections, accept).catch(async (error: unknown) => {
		await watch.close(0);
		throw error;
	});
	return {
		get port() {
			return listener.port;
		},
		get numConnections() {
			return listener.numConnections;
		},
		replaceCertificate: (certificate) => listener.replaceCertificate(certificate),
		[Symbol.asyncDispose]: async () => {
			for (const call of calls) call.abort(new FlowerError("unavailable", "The server is stopping."));
			await watch.close(CLOSE_GRACE_MS);
			await listener[Symbol.asyncDispose]();
		},
	};
}

/** HTTP/2 on a connection; until a caller is admitted, with the small windows that are HTTP/2's default. */
function startSession(socket: Socket, maxCalls: number): ServerHttp2Session {
	return performServerHandshake(socket, {
		maxSessionMemory: MAX_SESSION_MB,
		maxHeaderListPairs: MAX_HEADERS,
		settings: { maxConcurrentStreams: maxCalls, maxHeaderListSize: MAX_HEADER_BYTES, enablePush: false },
	});
}

/** Opens the windows wide: now somebody vouches for what comes. */
function admit(connection: Connection, session: ServerHttp2Session): void {
	if (connection.isAdmitted || session.closed || session.destroyed) return;
	connection.isAdmitted = true;
	session.setLocalWindowSize(FLOW_CONTROL_WINDOW_BYTES);
	session.settings({ initialWindowSize: FLOW_CONTROL_WINDOW_BYTES });
}
