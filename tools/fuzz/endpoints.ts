// What a server's ports are fed: calls of the Fleet API with damaged bodies and headers (in memory and over gRPC), bytes that
// are no HTTP/2, and damaged requests to the admin API. A server may refuse, in its protocol's words; it may not fail,
// stop answering, let anybody in, or write without bound.
import { type ClientHttp2Session, connect as connectHttp2, type OutgoingHttpHeaders } from "node:http2";
import { connect as connectTcp } from "node:net";
import { join } from "node:path";
import { createServer, manualClock, openMemberLog } from "@zk0/federation";
import { createNodeIdentity, FlowerError, type NodeIdentity } from "@zk0/flower";
import { serveGrpc } from "@zk0/flower/node";
import { listenHttp } from "../../packages/cli/src/http/listener.ts";
import { json, route } from "../../packages/cli/src/http/route.ts";
import { createSessions } from "../../packages/cli/src/http/sessions.ts";
import { readStaticFiles } from "../../packages/cli/src/http/static-files.ts";
import { DEFAULT_CALL_LIMITS } from "../../packages/federation/src/call-guard.ts";
import { Fleet } from "../../packages/flower/src/gen/flwr/proto/fleet_pb.ts";
import { signCall } from "../../packages/flower/src/node-auth.ts";
import { encodeProtobuf } from "../../packages/flower/src/protobuf.ts";
import { type Edit, mutate } from "./mutate.ts";
import type { FuzzTarget } from "./targets.ts";

const NOW_MS = Date.UTC(2026, 10, 23);
const ID = "0".repeat(64);
const TREE = { objectId: ID, children: [{ objectId: ID, children: [] }] };
/** Statuses that are faults of the server: UNKNOWN, INTERNAL and DATA_LOSS. */
const FAULTS: ReadonlySet<string> = new Set(["2", "13", "15"]);
/** Time for a status; loaded machines are slow. */
const PATIENCE_MS = 20_000;
/** Lines that the audit may have written: its budget, and a summary of each kind. */
const MAX_AUDIT_LINES = 130;

/** A request of every method that is right, or would be from somebody who may. */
function requests(nodeId: bigint, publicKey: Uint8Array): ReadonlyMap<string, Uint8Array> {
	const node = { nodeId };
	const { method } = Fleet;
	const metadata = {
		runId: 1n,
		messageId: ID,
		srcNodeId: nodeId,
		dstNodeId: 1n,
		messageType: "train",
		ttl: 9,
	};
	return new Map([
		[
			"RegisterNode",
			encodeProtobuf(method.registerNode.input, { publicKey, site: "../up", invite: "guess" }),
		],
		[
			"ActivateNode",
			encodeProtobuf(method.activateNode.input, { publicKey, session: "s", details: '{"a":[1,{}]}' }),
		],
		[
			"SendNodeHeartbeat",
			encodeProtobuf(method.sendNodeHeartbeat.input, { node, session: "s", running: [ID] }),
		],
		["PullMessages", encodeProtobuf(method.pullMessages.input, { node, session: "s" })],
		[
			"PushMessages",
			encodeProtobuf(method.pushMessages.input, {
				node,
				messagesList: [{ metadata }],
				messageObjectTrees: [TREE],
			}),
		],
		[
			"PushObject",
			encodeProtobuf(method.pushObject.input, { node, objectId: ID, objectContent: new Uint8Array(99) }),
		],
		["PullObject", encodeProtobuf(method.pullObject.input, { node, objectId: ID })],
		[
			"ConfirmMessageReceived",
			encodeProtobuf(method.confirmMessageReceived.input, { node, messageObjectId: ID }),
		],
		["GetRun", encodeProtobuf(method.getRun.input, { node, runId: 1n })],
		["GetFab", encodeProtobuf(method.getFab.input, { node, hashStr: ID })],
		["DeactivateNode", encodeProtobuf(method.deactivateNode.input, { nodeId })],
		["UnregisterNode", encodeProtobuf(method.unregisterNode.input, { nodeId })],
	]);
}

/** Headers of a call: of the member, of a stranger, damaged, or none. */
function headersOf(who: number, member: NodeIdentity, stranger: NodeIdentity, damage: readonly Edit[]) {
	if (who === 3) return new Map<string, string | Uint8Array>();
	const headers = new Map(signCall(who === 1 ? stranger : member, NOW_MS));
	if (who !== 2) return headers;
	return new Map(
		[...headers].map(([name, value]): [string, string | Uint8Array] => [
			name,
			typeof value === "string" ? value.slice(1) : mutate(value, damage),
		]),
	);
}

/** The Fleet API: in memory and over gRPC, and bytes that are neither, at the port. */
export async function fleetTarget(folder: string): Promise<FuzzTarget> {
	const clock = manualClock(NOW_MS);
	const members = await openMemberLog(join(folder, "members.jsonl"), clock);
	const faults: unknown[] = [];
	const server = createServer({
		members,
		clock,
		limits: {
			...DEFAULT_CALL_LIMITS,
			failuresPerAddress: { burst: 1e9, perSecond: 1 },
			failuresPerNode: { burst: 1e9, perSecond: 1 },
		},
		onOffence: (offence) => {
			members.audit(offence).catch((error: unknown) => faults.push(error));
		},
		onFault: (cause) => faults.push(cause),
	});
	const member = createNodeIdentity("prime256v1");
	const stranger = createNodeIdentity("prime256v1");
	const { publicKeyPem } = member;
	const { nodeId } = await members.register({ publicKeyPem, site: "ann", invite: "", peer: "" });
	await members.approve("ann");
	const right = [...requests(nodeId, Buffer.from(publicKeyPem))];
	const limits = { bodyTimeoutMs: 200, newConnectionsPerAddress: { burst: 1e9, perSecond: 1 } };
	const listener = await serveGrpc(server.routes, {
		host: "127.0.0.1",
		port: 0,
		security: "plaintext",
		...limits,
	});
	const connectAgain = (): ClientHttp2Session =>
		connectHttp2(`http://127.0.0.1:${listener.port}`).on("error", () => undefined);
	let session = connectAgain();
	const post = (path: string, body: Uint8Array, headers: OutgoingHttpHeaders): Promise<string> => {
		if (session.destroyed || session.closed) session = connectAgain();
		return statusOf(
			session.request({ ":method": "POST", ":path": path, "content-type": "application/grpc", ...headers }),
			body,
		);
	};
	const inMemory = async (
		path: string,
		body: Uint8Array,
		headers: Map<string, string | Uint8Array>,
	): Promise<void> => {
		try {
			const { signal } = new AbortController();
			const admitted = await server.routes.get(path)?.open({ method: path, headers, peer: "198.51.100.1:1" });
			await admitted?.handle(body, signal, () => Promise.resolve());
		} catch (error) {
			if (!(error instanceof FlowerError) || error.code === "unknown" || error.code === "internal")
				throw error;
		}
	};
	return {
		name: "fleet",
		async run(damage) {
			const [first] = damage;
			const choice = first?.value ?? 0;
			const [name, body] = right[choice % right.length] ?? ["", new Uint8Array(0)];
			const path = `/flwr.proto.Fleet/${name}`;
			const headers = headersOf((choice >> 4) % 4, member, stranger, damage);
			if (choice % 11 === 0) return await sendBytes(listener.port, mutate(HTTP2_BYTES, damage));
			const damaged = (choice >> 6) % 8 === 0 ? nested(choice) : mutate(body, damage);
			await inMemory(path, damaged, headers);
			const frame = Buffer.concat([Uint8Array.of(0, 0, 0, 0, 0), damaged]);
			frame.writeUInt32BE(damaged.length, 1);
			const sent = (choice >> 9) % 4 === 0 ? mutate(frame, damage) : frame;
			const wire = [...headers].map(([key, value]) => [
				key,
				typeof value === "string" ? value : Buffer.from(value).toString("base64"),
			]);
			const status = await post(path, sent, Object.fromEntries(wire));
			if (FAULTS.has(status) || status === "nothing") throw new RangeError(`${path} ended with ${status}`);
			if (faults.length > 0) throw faults[0];
		},
		async [Symbol.asyncDispose]() {
			const alive = await post("/flwr.proto.Fleet/GetRun", Uint8Array.of(0, 0, 0, 0, 0), {});
			session.destroy();
			await listener[Symbol.asyncDispose]();
			await server[Symbol.asyncDispose]();
			await members[Symbol.asyncDispose]();
			const approved = members.list().filter(({ state }) => state === "approved");
			if (alive !== "16" || approved.length !== 1 || members.events.length > 2 + MAX_AUDIT_LINES)
				throw new RangeError(`answers ${alive}, ${approved.length} members, ${members.events.length} lines`);
			if (faults.length > 0) throw faults[0];
		},
	};
}

/** Length-delimited fields inside each other, in which sizes are right or claim too much. */
function nested(choice: number): Uint8Array {
	let bytes: Uint8Array = new Uint8Array(0);
	for (let depth = 0; depth < 60; depth++) {
		const size = choice % 5 === 0 && depth === 59 ? 127 : Math.min(127, bytes.length);
		bytes = Uint8Array.of(((1 + (choice % 3)) << 3) | 2, size, ...bytes);
	}
	return bytes;
}

function statusOf(
	stream: ReturnType<ReturnType<typeof connectHttp2>["request"]>,
	body: Uint8Array,
): Promise<string> {
	return new Promise((resolve) => {
		const timer = setTimeout(() => {
			resolve("nothing");
			stream.close();
		}, PATIENCE_MS);
		const note = (headers: { readonly [name: string]: unknown }): void => {
			const status = headers["grpc-status"] ?? (headers[":status"] === 415 ? "415" : undefined);
			if (typeof status === "string") resolve(status);
		};
		stream
			.on("response", note)
			.on("trailers", note)
			.on("error", () => undefined);
		stream.on("close", () => {
			clearTimeout(timer);
			resolve(`closed ${stream.rstCode}`);
		});
		stream.resume().end(body);
	});
}

/** The preface, settings, and a request's headers with a body that never comes. */
const HTTP2_BYTES: Uint8Array = Buffer.concat([
	Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
	Uint8Array.of(0, 0, 6, 4, 0, 0, 0, 0, 0, 0, 3, 0, 0, 0, 100),
	Uint8Array.of(0, 0, 4, 1, 4, 0, 0, 0, 1, 0x83, 0x86, 0x84, 0x41),
	Uint8Array.of(0, 0, 8, 6, 0, 0, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8),
	Uint8Array.of(0, 0, 4, 8, 0, 0, 0, 0, 0, 0x7f, 0xff, 0xff, 0xff),
]);

/** Sends bytes over several connections at once and closes them. */
async function sendBytes(port: number, bytes: Uint8Array, numConnections = 4): Promise<void> {
	await Promise.all(
		Array.from(
			{ length: numConnections },
			() =>
				new Promise<void>((resolve) => {
					const socket = connectTcp({ host: "127.0.0.1", port });
					socket.on("error", () => undefined).on("close", () => resolve());
					socket.once("data", () => socket.destroy());
					socket.resume();
					socket.end(bytes);
				}),
		),
	);
}

const TOKEN = "t".repeat(43);
const REQUEST =
	`POST /api/members/approve HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer ${TOKEN}\r\n` +
	'Content-Type: application/json\r\nContent-Length: 16\r\n\r\n{"site":"nobody"}';

/** The admin API's HTTP layer, with a route of its own behind it. */
export async function adminTarget(folder: string): Promise<FuzzTarget> {
	const faults: unknown[] = [];
	let numChanges = 0;
	const listener = await listenHttp(
		{
			routes: [
				route("POST", "/api/members/approve", "operator", async ({ body }) => {
					numChanges++;
					return json({ body: body === undefined ? null : "some" });
				}),
			],
			files: await readStaticFiles(folder),
			sessions: createSessions(() => NOW_MS),
			ofToken: (given) => (given === TOKEN ? { name: "fuzz", role: "operator" } : undefined),
			onChange: () => Promise.resolve(),
			onFault: (error) => faults.push(error),
		},
		{ host: "127.0.0.1", port: 0, names: [], certificate: null },
	);
	return {
		name: "admin",
		async run(damage) {
			const choice = damage[0]?.value ?? 0;
			const deep = `${"[".repeat(50_000)}${"]".repeat(50_000)}`;
			const text =
				choice % 13 === 0 ? REQUEST.replace("16", String(deep.length)).replace(/\{.*\}$/, deep) : REQUEST;
			await sendBytes(
				listener.port,
				mutate(Buffer.from(text), choice % 13 === 0 ? damage.slice(1) : damage),
				2,
			);
			if (faults.length > 0) throw faults[0];
		},
		async [Symbol.asyncDispose]() {
			const before = numChanges;
			const url = `http://127.0.0.1:${listener.port}/api/members/approve`;
			const stranger = await fetch(url, { method: "POST", body: "{}" });
			if (stranger.status !== 401 || numChanges !== before)
				throw new RangeError(`a stranger got ${stranger.status}`);
			await listener[Symbol.asyncDispose]();
			if (faults.length > 0) throw faults[0];
		},
	};
}
