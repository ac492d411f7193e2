// Serves routes over gRPC: connections come from the listener, grpc-js speaks HTTP/2 on them, and every call is
// admitted by its headers before its body is read.
import {
	type handleUnaryCall,
	type Metadata,
	Server,
	ServerCredentials,
	ServerInterceptingCall,
	type ServerInterceptor,
} from "@grpc/grpc-js";
import { timeoutError } from "../deadline.ts";
import { FlowerError, toFlowerError } from "../errors.ts";
import { MAX_RPC_MESSAGE_BYTES } from "../limits.ts";
import { type BodyHandler, findRoute, type Routes } from "../service.ts";
import { FLOW_CONTROL_WINDOW_BYTES } from "./connection.ts";
import { type Listener, type ListenOptions, listen } from "./grpc-listener.ts";
import { fromMetadata } from "./grpc-metadata.ts";
import { toStatus } from "./grpc-status.ts";

/** Settings of a gRPC server. */
export interface GrpcServerOptions extends ListenOptions {
	/** Bound on one message, both ways. @default MAX_RPC_MESSAGE_BYTES */
	readonly maxMessageBytes?: number;
	/** Calls under way at once on one connection. @default 16 */
	readonly maxCallsPerConnection?: number;
	/** Time that a caller has to send the body of an admitted call. @default 120000 */
	readonly bodyTimeoutMs?: number;
	/** Connections without calls are closed after this time; clients come back by themselves. @default 300000 */
	readonly idleTimeoutMs?: number;
	/** Time without traffic after which a connection is probed, to notice half-open ones. @default 30000 */
	readonly keepaliveMs?: number;
}

/** A running server. Disposal aborts the signals of running handlers and closes all connections. */
export type GrpcServer = Listener;

/** A probe that is not answered in this time means a dead connection. */
const KEEPALIVE_TIMEOUT_MS = 10_000;

/** Time for the last answers to leave before connections are cut. */
const CLOSE_GRACE_MS = 250;

/** Starts a server for `routes`. @throws as `listen` */
export async function serveGrpc(routes: Routes, options: GrpcServerOptions): Promise<GrpcServer> {
	const maxMessageBytes = options.maxMessageBytes ?? MAX_RPC_MESSAGE_BYTES;
	const bodies = new WeakMap<Metadata, BodyHandler>();
	const running = new Set<AbortController>();
	const server = new Server({
		"grpc.max_receive_message_length": maxMessageBytes,
		"grpc.max_send_message_length": maxMessageBytes,
		"grpc.max_concurrent_streams": options.maxCallsPerConnection ?? 16,
		"grpc.max_connection_idle_ms": options.idleTimeoutMs ?? 300_000,
		"grpc.keepalive_time_ms": options.keepaliveMs ?? 30_000,
		"grpc.keepalive_timeout_ms": KEEPALIVE_TIMEOUT_MS,
		"grpc.enable_channelz": 0,
		"grpc-node.flow_control_window": FLOW_CONTROL_WINDOW_BYTES,
		interceptors: [admission(routes, bodies, options.bodyTimeoutMs ?? 120_000)],
	});
	for (const path of routes.keys()) {
		server.register(path, unaryHandler(bodies, running), asBuffer, (bytes) => bytes, "unary");
	}
	const injector = server.createConnectionInjector(ServerCredentials.createInsecure());
	const listener = await listen(options, (socket) => injector.injectConnection(socket));
	return {
		get port() {
			return listener.port;
		},
		get numConnections() {
			return listener.numConnections;
		},
		replaceCertificate: (certificate) => listener.replaceCertificate(certificate),
		[Symbol.asyncDispose]: async () => {
			for (const call of running) call.abort(new FlowerError("unavailable", "The server is stopping."));
			await new Promise<void>((resolve) => {
				const timer = setTimeout(resolve, CLOSE_GRACE_MS);
				server.tryShutdown(() => {
					clearTimeout(timer);
					resolve();
				});
			});
			server.forceShutdown();
			await listener[Symbol.asyncDispose]();
		},
	};
}

/** Opens the route by headers; until then the body stays in the sender's flow-control window. */
function admission(
	routes: Routes,
	bodies: WeakMap<Metadata, BodyHandler>,
	bodyTimeoutMs: number,
): ServerInterceptor {
	return ({ path }, call) => {
		let timer: NodeJS.Timeout | undefined;
		const open = async (metadata: Metadata): Promise<BodyHandler> =>
			findRoute(routes, path).open({ method: path, headers: fromMetadata(metadata), peer: call.getPeer() });
		const refuse = (caught: unknown): void => call.sendStatus(toStatus(toFlowerError(caught, path)));
		return new ServerInterceptingCall(call, {
			start: (next) =>
				next({
					onReceiveMetadata: (metadata, accept) => {
						open(metadata)
							.then((body) => {
								bodies.set(metadata, body);
								timer = setTimeout(() => refuse(timeoutError(bodyTimeoutMs, path)), bodyTimeoutMs);
								accept(metadata);
							})
							.catch(refuse);
					},
					onReceiveHalfClose: (accept) => {
						clearTimeout(timer);
						accept();
					},
					onCancel: () => clearTimeout(timer),
				}),
		});
	};
}

function unaryHandler(
	bodies: WeakMap<Metadata, BodyHandler>,
	running: Set<AbortController>,
): handleUnaryCall<Buffer, Uint8Array> {
	return (call, respond) => {
		const controller = new AbortController();
		running.add(controller);
		call.on("cancelled", () => controller.abort(new FlowerError("cancelled", "The caller gave up.")));
		const body = bodies.get(call.metadata);
		const work =
			body === undefined
				? Promise.reject(new FlowerError("internal", "The call was not admitted."))
				: body(call.request, controller.signal);
		work
			.then((answer) => respond(null, answer))
			.catch((caught: unknown) => respond(toStatus(toFlowerError(caught, call.getPath()))))
			.finally(() => running.delete(controller));
	};
}

/** The same bytes as grpc-js wants them, not copied. */
function asBuffer(bytes: Uint8Array): Buffer {
	return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
