// A connection that is reset while nobody reads it, which is what Node's TLS leaves of an HTTP/2 session after a refused write
// (tools/faults has the whole case, which does not happen every time).
/* oxlint-disable no-underscore-dangle -- as grpc-js names its way from credentials to a connection */
import { connect, createServer, type Socket } from "node:net";
import { ChannelCredentials } from "@grpc/grpc-js";
import { expect, test, vi } from "vitest";
import { endingResets } from "./connection-ends.ts";

const HOST = "127.0.0.1";

test("a connection that was reset is closed although nobody reads it, and no other one is", async () => {
	const accepted: Socket[] = [];
	const server = createServer((socket) => void accepted.push(socket));
	await new Promise<void>((resolve) => server.listen(0, HOST, resolve));
	const address = server.address();
	const port = typeof address === "object" && address !== null ? address.port : 0;
	const credentials = endingResets(ChannelCredentials.createInsecure());
	const connector = credentials._createSecureConnector({ scheme: "dns", path: `${HOST}:${port}` }, {});
	const open = async (): Promise<Socket> => {
		const socket = connect(port, HOST);
		// Without a reader Node does not look at the connection.
		socket.pause();
		await new Promise<void>((resolve) => socket.once("connect", resolve));
		return (await connector.connect(socket)).socket;
	};
	const first = await open();
	await vi.waitFor(() => expect(accepted).toHaveLength(1));
	const second = await open();
	const closed = vi.fn();
	first.once("close", closed);
	accepted[0]?.resetAndDestroy();
	await vi.waitFor(() => expect(closed).toHaveBeenCalledOnce(), { timeout: 5000 });
	expect(second.destroyed).toBe(false);
	second.destroy();
	server.close();
	for (const socket of accepted) socket.destroy();
});
