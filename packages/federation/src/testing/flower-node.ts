// One of Flower's nodes under a test's hand: the calls, in the form and order in which a SuperNode of Flower 1.28 makes them,
// with nothing that only zk0 nodes send. The real one is run by tools/flower.
import type { NamedArrays } from "@zk0/arrays";
import { rng } from "@zk0/arrays";
import {
	type AnnouncedMessage,
	announcedMessage,
	arrayRecord,
	authenticated,
	confirmMessage,
	deflateContent,
	deflateMessage,
	Fleet,
	type FlowerRecord,
	flowerArray,
	memoryObjects,
	memoryTransport,
	metricRecord,
	type NodeIdentity,
	pullObjects,
	pushMessage,
	type ReplyRefusal,
	type Routes,
	replyMetadata,
	type Transport,
} from "@zk0/flower";
import type { Clock } from "../clock.ts";
import { nodeIdOf } from "../node-id.ts";

/** A Flower node of a test. */
export interface FlowerNode {
	readonly calls: Transport;
	readonly node: { readonly nodeId: bigint };
	activate(heartbeatInterval?: number): Promise<void>;
	/** Takes the next message whole, as Flower does before its app runs. */
	pull(): Promise<AnnouncedMessage | undefined>;
	/** Answers as an app in Python would: one ArrayRecord for training, one MetricRecord. */
	push(task: AnnouncedMessage, update: NamedArrays | null, loss?: number): Promise<ReplyRefusal | undefined>;
	/** Answers that the app raised an exception. */
	fail(task: AnnouncedMessage, reason: string): Promise<void>;
}

/** A node that has not called yet. */
export function flowerNode(routes: Routes, identity: NodeIdentity, clock: Clock): FlowerNode {
	const nodeId = nodeIdOf(identity.publicKeyPem);
	const calls = authenticated(memoryTransport(routes), identity, () => clock.now());
	const retry = { clock, rng: rng("test"), firstDelayMs: 1, maxDelayMs: 1, maxWaitMs: 10 };
	const metadataOf = ({ id, message }: AnnouncedMessage) =>
		replyMetadata(message.metadata, id, clock.now() / 1000);
	const options = ({ message }: AnnouncedMessage) => ({ runtimeSeconds: 1, runId: message.metadata.runId });
	return {
		calls,
		node: { nodeId },
		async activate(heartbeatInterval = 30) {
			const publicKey = Buffer.from(identity.publicKeyPem);
			await calls.unary(Fleet.method.activateNode, { publicKey, heartbeatInterval });
		},
		async pull() {
			const store = memoryObjects();
			const task = await announcedMessage(calls, nodeId, { store, retry });
			if (task === undefined) return undefined;
			const { runId } = task.message.metadata;
			await pullObjects({ transport: calls, service: "fleet", nodeId, runId }, task.chunkIds, store, {
				retry,
			});
			await confirmMessage(calls, nodeId, task);
			return task;
		},
		async push(task, update, loss) {
			const records = new Map<string, FlowerRecord>();
			if (update !== null)
				records.set("arrays", arrayRecord([...update].map(([name, array]) => [name, flowerArray(array)])));
			const metrics = loss === undefined ? [] : [["loss", loss] as const];
			records.set("metrics", metricRecord([...metrics, ["num-examples", 8n]]));
			const reply = deflateMessage(metadataOf(task), await deflateContent(records));
			return await pushMessage(calls, nodeId, reply, options(task));
		},
		async fail(task, reason) {
			await pushMessage(calls, nodeId, deflateMessage(metadataOf(task), { code: 2, reason }), options(task));
		},
	};
}
