// A whole exchange: a server with Flower's store rules and a node, through the production code of both sides.
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { MessageInitShape } from "@bufbuild/protobuf";
import { float32Array, rng } from "@zk0/arrays";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { chunked } from "./chunk-source.ts";
import type { Clock } from "./clock.ts";
import { type DeflatedMessage, deflateContent, deflateMessage } from "./deflate.ts";
import { FlowerError } from "./errors.ts";
import { authenticated, type FleetCaller, type FleetHandlers, fleetRoutes } from "./fleet.ts";
import { pullMessage, pushMessage } from "./fleet-client.ts";
import { Fleet } from "./gen/flwr/proto/fleet_pb.ts";
import type { MessageSchema } from "./gen/flwr/proto/message_pb.ts";
import { parseObjectId } from "./ids.ts";
import { inflateMessage } from "./inflate.ts";
import { memoryTransport } from "./memory-transport.ts";
import { checkReply, instructionMetadata, replyMetadata } from "./message.ts";
import { openObjectDirectory } from "./node/object-directory.ts";
import { createNodeIdentity, type NodeIdentity } from "./node-auth.ts";
import { flowerArray, openArray, streamedArray, toNdArray } from "./numpy.ts";
import { createObjectRegistry } from "./object-registry.ts";
import { memoryObjects, type ObjectStore } from "./object-store.ts";
import { treeNodes } from "./object-tree.ts";
import { arrayRecord, type FlowerRecord, metricRecord, type RecordDict } from "./record.ts";
import type { RetryPolicy } from "./retry.ts";
import { partialFleet } from "./transport.contract.ts";
import type { Transport } from "./transport.ts";

const NODE_ID = 2n ** 63n + 7n;
const RUN_ID = 42n;
const nowMs = Date.UTC(2026, 10, 23);
const weights = float32Array(
	[50, 100],
	Float32Array.from({ length: 5000 }, (_, index) => index / 7),
);
const identity = createNodeIdentity();

/** A clock that moves only by sleeping. */
function steppingClock(): Clock {
	let time = nowMs;
	return {
		now: () => time,
		sleep: async (durationMs) => {
			time += durationMs;
		},
	};
}
const retry = (): RetryPolicy => ({
	clock: steppingClock(),
	rng: rng("fleet.test"),
	firstDelayMs: 100,
	maxDelayMs: 1000,
	maxWaitMs: 10_000,
});

/** A server that hands out one instruction and takes one reply. */
function serve(instruction: DeflatedMessage, store: ObjectStore = memoryObjects()) {
	const registry = createObjectRegistry(store);
	const queue: MessageInitShape<typeof MessageSchema>[] = [instruction.wire];
	registry.announce([...instruction.objects.values()]);
	const replies: string[] = [];
	const pushed: string[] = [];
	const handlers: FleetHandlers = partialFleet<FleetCaller>({
		registerNode: async () => ({ nodeId: NODE_ID }),
		sendNodeHeartbeat: async () => ({ success: true }),
		pullMessages: async () => {
			const message = queue.shift();
			return message === undefined ? {} : { messagesList: [message], messageObjectTrees: [instruction.tree] };
		},
		pullObject: async ({ objectId }) => {
			const found = await registry.get(parseObjectId(objectId));
			return {
				objectFound: found.kind !== "unknown",
				objectAvailable: found.kind === "available",
				...(found.kind === "available" ? { objectContent: found.bytes } : {}),
			};
		},
		confirmMessageReceived: async ({ messageObjectId }) => {
			await registry.release(parseObjectId(messageObjectId));
			return {};
		},
		pushMessages: async ({ messagesList, messageObjectTrees }) => {
			const [tree] = messageObjectTrees;
			const [message] = messagesList;
			if (tree === undefined || message?.content === undefined) return {};
			replies.push(tree.objectId);
			return { results: { [tree.objectId]: 0 }, objectsToPush: registry.announce(treeNodes(tree)) };
		},
		pushObject: async ({ objectId, objectContent }) => {
			pushed.push(objectId);
			return { stored: await registry.put(parseObjectId(objectId), objectContent) };
		},
	});
	const routes = fleetRoutes(handlers, {
		now: () => nowMs,
		nodeIdOf: (pem) => (pem === identity.publicKeyPem ? NODE_ID : undefined),
		onFault: (cause) => {
			throw cause;
		},
	});
	return { routes, registry, replies, pushed };
}

const as = (node: NodeIdentity, routes: Parameters<typeof memoryTransport>[0]): Transport =>
	authenticated(memoryTransport(routes), node, () => nowMs);

const content = (record: FlowerRecord): RecordDict =>
	new Map([
		["arrays", record],
		["metrics", metricRecord([["num-examples", 10n]])],
	]);

async function instruct(): Promise<DeflatedMessage> {
	const metadata = instructionMetadata({
		runId: RUN_ID,
		dstNodeId: NODE_ID,
		messageType: "train",
		createdAtSeconds: nowMs / 1000,
	});
	const arrays = arrayRecord([["w", flowerArray(weights, 4096)]]);
	return deflateMessage(metadata, await deflateContent(content(arrays)));
}

let folder: string;
beforeEach(async () => {
	folder = await mkdtemp(join(tmpdir(), "zk0-fleet-"));
});
afterEach(() => rm(folder, { recursive: true }));

describe("an exchange", () => {
	test("instruction to the node's disk, reply back, nothing sent twice, nothing left over", async () => {
		const instruction = await instruct();
		const server = serve(instruction);
		for (const [id, object] of instruction.objects)
			expect(await server.registry.put(id, await object.read())).toBe(true);
		const transport = as(identity, server.routes);
		const store = await openObjectDirectory(folder);

		const pulled = await pullMessage(transport, NODE_ID, { store, retry: retry() });
		if (pulled?.message.payload.kind !== "content") throw new RangeError("no content");
		expect(pulled.id).toBe(instruction.id);
		expect(server.registry.numObjects).toBe(0);
		const record = pulled.message.payload.content.get("arrays");
		const received = record?.kind === "arrays" ? record.entries.get("w") : undefined;
		if (received === undefined) throw new RangeError("no array");
		expect(await toNdArray(received)).toEqual(weights);
		expect(await pullMessage(transport, NODE_ID, { store, retry: retry() })).toBeUndefined();

		const metadata = replyMetadata(pulled.message.metadata, pulled.id, nowMs / 1000 + 1);
		const reply = deflateMessage(metadata, await deflateContent(content(arrayRecord([["w", received]]))));
		server.registry.announce([...instruction.objects.values()]);
		for (const [id, object] of instruction.objects) await server.registry.put(id, await object.read());
		await pushMessage(transport, NODE_ID, reply, { runId: RUN_ID, runtimeSeconds: 1.5 });
		expect(server.replies).toEqual([reply.id]);
		expect(server.pushed).toEqual([reply.id]);
		await pushMessage(transport, NODE_ID, reply, { runId: RUN_ID, runtimeSeconds: 1.5 });
		expect(server.pushed).toEqual([reply.id]);

		const reader = {
			read: async (id: ReturnType<typeof parseObjectId>) => {
				const found = await server.registry.get(id);
				if (found.kind !== "available") throw new FlowerError("not-found", "gone", { objectId: id });
				return found.bytes;
			},
		};
		const answered = await inflateMessage(reply.id, reader);
		checkReply(answered.metadata, pulled.message.metadata, pulled.id);
		await server.registry.release(reply.id);
		await server.registry.release(instruction.id);
		expect(server.registry.numObjects).toBe(0);
	});

	test("objects that are still being uploaded are waited for", async () => {
		const instruction = await instruct();
		const server = serve(instruction);
		const transport = as(identity, server.routes);
		const policy = retry();
		let numSleeps = 0;
		const uploading: Clock = {
			now: () => policy.clock.now(),
			sleep: async (durationMs) => {
				await policy.clock.sleep(durationMs);
				if (++numSleeps === 3)
					for (const [id, object] of instruction.objects) await server.registry.put(id, await object.read());
			},
		};
		const store = memoryObjects();
		const pulled = await pullMessage(transport, NODE_ID, { store, retry: { ...policy, clock: uploading } });
		expect(pulled?.id).toBe(instruction.id);
		expect(numSleeps).toBeGreaterThanOrEqual(3);
	});

	test("objects that never come end the wait", async () => {
		const server = serve(await instruct());
		const pull = pullMessage(as(identity, server.routes), NODE_ID, {
			store: memoryObjects(),
			retry: retry(),
		});
		await expect(pull).rejects.toMatchObject({ code: "deadline-exceeded" });
	});

	test("a server that sends other bytes is caught", async () => {
		const instruction = await instruct();
		const { routes } = serve(instruction);
		const lie = fleetRoutes(
			partialFleet<FleetCaller>({
				pullMessages: async () => ({
					messagesList: [instruction.wire],
					messageObjectTrees: [instruction.tree],
				}),
				pullObject: async () => ({
					objectFound: true,
					objectAvailable: true,
					objectContent: Buffer.from("ArrayChunk  1\0x"),
				}),
			}),
			{ now: () => nowMs, nodeIdOf: () => NODE_ID, onFault: () => undefined },
		);
		const store = memoryObjects();
		const pull = pullMessage(as(identity, lie), NODE_ID, { store, retry: retry() });
		await expect(pull).rejects.toMatchObject({ code: "data-loss" });
		expect(routes.size).toBe(12);
	});

	test("cancelling stops a transfer", async () => {
		const controller = new AbortController();
		const server = serve(await instruct());
		const store: ObjectStore = {
			...memoryObjects(),
			has: async () => {
				controller.abort();
				return false;
			},
		};
		const options = { store, retry: retry(), signal: controller.signal };
		const pull = pullMessage(as(identity, server.routes), NODE_ID, options);
		await expect(pull).rejects.toMatchObject({ code: "cancelled" });
	});
});

describe("authentication of the Fleet API", () => {
	const heartbeat = Fleet.method.sendNodeHeartbeat;
	const refusal = (call: Promise<unknown>): Promise<unknown> =>
		call.then(
			() => "served",
			(caught: unknown) => (caught instanceof FlowerError ? caught.code : caught),
		);

	test("a node acts for itself only", async () => {
		const { routes } = serve(await instruct());
		const transport = as(identity, routes);
		expect((await transport.unary(heartbeat, { node: { nodeId: NODE_ID } })).success).toBe(true);
		expect(await refusal(transport.unary(heartbeat, { node: { nodeId: 5n } }))).toBe("unauthenticated");
		expect(await refusal(transport.unary(heartbeat, {}))).toBe("unauthenticated");
		expect(await refusal(transport.unary(Fleet.method.deactivateNode, { nodeId: 5n }))).toBe(
			"unauthenticated",
		);
	});

	test("an unknown key may register itself, and nothing else", async () => {
		const { routes } = serve(await instruct());
		const stranger = createNodeIdentity();
		const transport = as(stranger, routes);
		const publicKey = Buffer.from(stranger.publicKeyPem);
		expect((await transport.unary(Fleet.method.registerNode, { publicKey })).nodeId).toBe(NODE_ID);
		const another = Buffer.from(identity.publicKeyPem);
		expect(await refusal(transport.unary(Fleet.method.registerNode, { publicKey: another }))).toBe(
			"unauthenticated",
		);
		expect(await refusal(transport.unary(heartbeat, { node: { nodeId: NODE_ID } }))).toBe("unauthenticated");
	});

	test("no headers, no entry", async () => {
		const { routes } = serve(await instruct());
		expect(await refusal(memoryTransport(routes).unary(heartbeat, { node: { nodeId: NODE_ID } }))).toBe(
			"unauthenticated",
		);
	});
});

describe("streaming", () => {
	test("one chunk is in memory at a time, and only when it is read", async () => {
		const sizeBytes = 64 * 65_536;
		let numReads = 0;
		let largestRead = 0;
		const source = {
			sizeBytes,
			read: async (offset: number, length: number) => {
				numReads++;
				largestRead = Math.max(largestRead, length);
				return new Uint8Array(length).fill((offset / 65_536) & 255);
			},
		};
		const array = streamedArray("uint8", [sizeBytes], source, 65_536);
		const { objects } = await deflateContent(new Map([["arrays", arrayRecord([["w", array]])]]));
		expect(numReads).toBe(65);
		expect(largestRead).toBe(65_536);
		const chunks = [...objects.values()].filter(({ type }) => type === "ArrayChunk");
		expect((await chunks[3]?.read())?.length).toBeGreaterThan(65_536);
		expect(numReads).toBe(66);
		const stream = await openArray(array);
		let numBytes = 0;
		for await (const piece of stream.data) numBytes += piece.length;
		expect([stream.sizeBytes, numBytes]).toEqual([sizeBytes, sizeBytes]);
		expect(chunked(source, 1000).numChunks).toBe(Math.ceil(sizeBytes / 1000));
	});
});
