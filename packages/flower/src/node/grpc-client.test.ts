// What is done about connections that grpc-js takes for alive: with streams that nobody reads and bytes to send, Node keeps
// an HTTP/2 session after its socket is gone (tools/faults has the whole case, which does not happen every time).
import { connect, createServer, type Socket } from "node:net";
import { ChannelCredentials, Client } from "@grpc/grpc-js";
import { expect, test, vi } from "vitest";
import { tellingLoss } from "./connection-ends.ts";
import { type MakeClient, watchClient } from "./grpc-client.ts";
import { serveGrpc } from "./grpc-server.ts";

const host = "127.0.0.1";
const serve = () => serveGrpc(new Map(), { host, port: 0, security: "plaintext" });

/** Resolves when the client is connected. */
const ready = (client: Client): Promise<void> =>
	new Promise((resolve, reject) =>
		client.waitForReady(Date.now() + 10_000, (error) => (error === undefined ? resolve() : reject(error))),
	);

test("a client that has lost its connection without noticing is replaced, and its calls are made again", async () => {
	await using server = await serve();
	const losses: (() => void)[] = [];
	const make: MakeClient = (onLost) => {
		losses.push(onLost);
		return new Client(`${host}:${server.port}`, ChannelCredentials.createInsecure(), {
			"grpc.use_local_subchannel_pool": 1,
		});
	};
	const onSlow = vi.fn();
	const watched = watchClient(make, { connectTimeoutMs: 3000, onSlow });
	const used: Client[] = [];
	const connectOnce = () =>
		watched.use(async (client) => {
			used.push(client);
			await ready(client);
		});
	await connectOnce();
	losses[0]?.();
	expect(onSlow).toHaveBeenCalledOnce();
	await connectOnce();
	expect(used[1]).not.toBe(used[0]);
	// The first is not in use any more.
	losses[0]?.();
	expect(onSlow).toHaveBeenCalledOnce();
	watched.close();
});

test("the loss of a connection is told, and not while another is there", async () => {
	await using server = await serve();
	const sockets: Socket[] = [];
	const proxy = createServer((client) => {
		const upstream = connect(server.port, host);
		for (const socket of [client, upstream]) socket.on("error", () => socket.destroy());
		client.pipe(upstream).pipe(client);
		sockets.push(client);
	});
	await new Promise<void>((resolve) => proxy.listen(0, host, resolve));
	const address = proxy.address();
	const port = typeof address === "object" && address !== null ? address.port : 0;
	const onLost = vi.fn();
	const credentials = tellingLoss(ChannelCredentials.createInsecure(), onLost);
	const client = new Client(`${host}:${port}`, credentials, { "grpc.initial_reconnect_backoff_ms": 20 });
	await ready(client);
	sockets[0]?.resetAndDestroy();
	await vi.waitFor(() => expect(client.getChannel().getConnectivityState(true)).not.toBe(2));
	await ready(client);
	expect(sockets).toHaveLength(2);
	expect(onLost).not.toHaveBeenCalled();
	sockets[1]?.resetAndDestroy();
	await vi.waitFor(() => expect(onLost).toHaveBeenCalledOnce(), { timeout: 5000 });
	client.close();
	for (const socket of sockets) socket.destroy();
	proxy.close();
});
