// What the gRPC server allows those who do not behave.
import { type ClientHttp2Session, connect as connectHttp2 } from "node:http2";
import { connect as connectTcp } from "node:net";
import { expect, test, vi } from "vitest";
import { FlowerError } from "../errors.ts";
import { Fleet } from "../gen/flwr/proto/fleet_pb.ts";
import { createRoutes, type Routes } from "../service.ts";
import { partialFleet } from "../transport.contract.ts";
import { createByteBudget } from "./byte-budget.ts";
import { FLOW_CONTROL_WINDOW_BYTES } from "./connection.ts";
import { type GrpcServerOptions, serveGrpc } from "./grpc-server.ts";
import { grpcTransport } from "./grpc-transport.ts";

const host = "127.0.0.1";
const ANSWER_BYTES = 1 << 20;

/** A service that knows its friends by a header, and answers with a megabyte. */
const routes: Routes = createRoutes(
	Fleet,
	partialFleet<boolean>({
		sendNodeHeartbeat: async () => ({ success: true }),
		pullObject: async () => ({ objectContent: new Uint8Array(ANSWER_BYTES) }),
		registerNode: async () => {
			throw new FlowerError("resource-exhausted", "Too many; again in 70 ms.", { retryAfterMs: 70 });
		},
	}),
	{
		admit: ({ headers }) => headers.get("zk0-friend") === "yes",
		bounds: (isTrusted) => ({ account: "a", isTrusted, maxRequestBytes: 1000, answerBytes: 0 }),
		onFault: () => undefined,
	},
);

const serve = (options: Partial<GrpcServerOptions> = {}) =>
	serveGrpc(routes, { host, port: 0, security: "plaintext", ...options });

interface Friend extends AsyncDisposable {
	readonly session: ClientHttp2Session;
	/** Posts a call and gives its status; `friend` is whether somebody vouches for it. */
	post(method: string, bytes: Uint8Array, options?: { friend?: boolean; isRead?: boolean }): Promise<string>;
}

function http2Client(port: number): Friend {
	const session = connectHttp2(`http://${host}:${port}`);
	session.on("error", () => undefined);
	return {
		session,
		post: (method, bytes, { friend = true, isRead = true } = {}) =>
			new Promise((resolve) => {
				const stream = session.request({
					":method": "POST",
					":path": `/flwr.proto.Fleet/${method}`,
					"content-type": "application/grpc",
					...(friend ? { "zk0-friend": "yes" } : {}),
				});
				const note = (headers: { readonly [name: string]: unknown }): void => {
					const status = headers["grpc-status"];
					if (typeof status === "string") resolve(status);
				};
				stream.on("response", note).on("trailers", note);
				stream.on("error", () => undefined).on("close", () => resolve(`closed ${stream.rstCode}`));
				if (isRead) stream.resume();
				stream.end(bytes);
			}),
		[Symbol.asyncDispose]: async () => session.destroy(),
	};
}

const message = (length: number, declared = length): Uint8Array => {
	const bytes = new Uint8Array(5 + length);
	new DataView(bytes.buffer).setUint32(1, declared);
	return bytes;
};

const closed = (port: number): Promise<void> =>
	new Promise((resolve) => {
		const socket = connectTcp(port, host);
		socket.on("error", () => undefined).on("close", () => resolve());
		socket.resume();
	});

test("a connection without an admitted call is closed, however busy; an admitted one stays", async () => {
	const refused: string[] = [];
	await using server = await serve({
		admissionTimeoutMs: 500,
		keepaliveMs: 40,
		onRefused: ({ message: why }) => refused.push(why),
	});
	await using friend = http2Client(server.port);
	await using stranger = http2Client(server.port);
	expect(await friend.post("SendNodeHeartbeat", message(0))).toBe("0");
	expect(await stranger.post("SendNodeHeartbeat", message(0), { friend: false })).toBe("0");
	await new Promise<void>((resolve) => stranger.session.once("close", resolve));
	expect(await friend.post("SendNodeHeartbeat", message(0))).toBe("0");
	expect(refused).toEqual(["no admitted call in time"]);
});

test("windows open wide only for those somebody vouches for", async () => {
	await using server = await serve();
	await using friend = http2Client(server.port);
	await friend.post("SendNodeHeartbeat", message(0), { friend: false });
	expect(friend.session.remoteSettings.initialWindowSize).toBe(65_535);
	const changed = new Promise<void>((resolve) => friend.session.once("remoteSettings", () => resolve()));
	await friend.post("SendNodeHeartbeat", message(0));
	await changed;
	expect(friend.session.remoteSettings.initialWindowSize).toBe(FLOW_CONTROL_WINDOW_BYTES);
});

test("connections from one address are counted, and strangers make room for newcomers", async () => {
	await using few = await serve({ maxConnectionsPerAddress: 1 });
	await using friend = http2Client(few.port);
	expect(await friend.post("SendNodeHeartbeat", message(0))).toBe("0");
	await closed(few.port);
	await using full = await serve({ maxConnections: 1 });
	await using stranger = http2Client(full.port);
	await stranger.post("SendNodeHeartbeat", message(0), { friend: false });
	await using newcomer = http2Client(full.port);
	expect(await newcomer.post("SendNodeHeartbeat", message(0))).toBe("0");
	await closed(full.port);
	expect(await newcomer.post("SendNodeHeartbeat", message(0))).toBe("0");
	await using slow = await serve({ newConnectionsPerAddress: { burst: 1, perSecond: 0.001 } });
	await using first = http2Client(slow.port);
	expect(await first.post("SendNodeHeartbeat", message(0))).toBe("0");
	await closed(slow.port);
});

test("bodies: too long by what they announce, two at once, compressed, stalled; answers nobody takes", async () => {
	await using server = await serve({ bodyTimeoutMs: 600, stallTimeoutMs: 500 });
	await using friend = http2Client(server.port);
	const compressed = message(0);
	compressed[0] = 1;
	expect(await friend.post("SendNodeHeartbeat", message(0, 1001))).toBe("8");
	expect(await friend.post("SendNodeHeartbeat", Buffer.concat([message(0), message(0)]))).toBe("3");
	expect(await friend.post("SendNodeHeartbeat", compressed)).toBe("12");
	expect(await friend.post("SendNodeHeartbeat", message(1, 2))).toBe("3");
	expect(await friend.post("Nothing", message(0))).toBe("12");
	expect(await friend.post("PullObject", message(0), { isRead: false })).toBe("closed 8");
});

test("an error says when to try again", async () => {
	await using server = await serve();
	await using transport = grpcTransport({ host, port: server.port, security: "plaintext" });
	await expect(transport.unary(Fleet.method.registerNode, {})).rejects.toMatchObject({
		code: "resource-exhausted",
		message: "Too many; again in 70 ms.",
		retryAfterMs: 70,
	});
});

test("bytes in flight are bounded for one account and for all; what waits can give up", async () => {
	const budget = createByteBudget({ maxBytes: 10, maxAccountBytes: 6 });
	const { signal } = new AbortController();
	const order: string[] = [];
	const take = async (account: string, numBytes: number): Promise<Disposable> => {
		const room = await budget.take(account, numBytes, signal);
		order.push(account);
		return room;
	};
	const first = await take("a", 5);
	const second = take("a", 3);
	const third = await take("b", 5);
	const giveUp = new AbortController();
	const fourth = budget.take("c", 1, giveUp.signal);
	giveUp.abort(new FlowerError("cancelled", "enough"));
	await expect(fourth).rejects.toThrow("enough");
	expect(order).toEqual(["a", "b"]);
	first[Symbol.dispose]();
	first[Symbol.dispose]();
	(await second)[Symbol.dispose]();
	expect(budget.numBytes).toBe(5);
	third[Symbol.dispose]();
	const alone = await take("d", 100);
	expect(budget.numBytes).toBe(100);
	alone[Symbol.dispose]();
	expect(budget.numBytes).toBe(0);
});

test("content of which only the handler knows counts as long as its answer is under way", async () => {
	const entered: string[] = [];
	let open = (): void => undefined;
	const isOpen = new Promise<void>((resolve) => {
		open = resolve;
	});
	const reserving = createRoutes(
		Fleet,
		partialFleet<null>({
			pullMessages: async ({ session }, { reserve }) => {
				await reserve(ANSWER_BYTES);
				entered.push(session);
				await isOpen;
				return {};
			},
			sendNodeHeartbeat: async () => ({ success: true }),
		}),
		{
			admit: () => null,
			bounds: () => ({ account: "a", isTrusted: true, maxRequestBytes: 1000, answerBytes: 0 }),
			onFault: () => undefined,
		},
	);
	const maxBytesInFlightPerNode = 1.5 * ANSWER_BYTES;
	await using server = await serveGrpc(reserving, {
		host,
		port: 0,
		security: "plaintext",
		maxBytesInFlightPerNode,
	});
	await using transport = grpcTransport({ host, port: server.port, security: "plaintext" });
	const pull = (session: string) => transport.unary(Fleet.method.pullMessages, { session });
	const pulls = [pull("first"), pull("second")];
	await vi.waitFor(() => expect(entered).toHaveLength(1));
	// A call that is answered after both had begun.
	expect((await transport.unary(Fleet.method.sendNodeHeartbeat, {})).success).toBe(true);
	expect(entered).toHaveLength(1);
	open();
	await Promise.all(pulls);
	expect(entered).toHaveLength(2);
});
