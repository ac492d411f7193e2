// A SuperLink under a test's hand: as much of Flower's Fleet API as a node needs, with Flower's own words and habits (a
// message is handed out once, ids are the SuperLink's, statuses as in Flower 1.28). The real one is run by tools/flower.
import {
	type DeflatedMessage,
	deflateContent,
	deflateMessage,
	type FleetHandlers,
	FlowerError,
	type FlowerMessage,
	fleetRoutes,
	inflateMessage,
	instructionMetadata,
	memoryObjects,
	type ObjectId,
	parseObjectId,
	type RecordDict,
	type Routes,
	treeNodes,
} from "@zk0/flower";
import type { Clock } from "../clock.ts";

/** The SuperLink. */
export interface FakeSuperLink {
	readonly routes: Routes;
	/** Sends a message to the node and waits for its answer. */
	ask(
		messageType: string,
		content: RecordDict,
		options?: { readonly groupId?: string },
	): Promise<FlowerMessage>;
	/** Forgets every node, as a restart without a database does. */
	forget(): void;
	/** Ends the run: whoever works for it hears so. */
	endRun(): void;
	/** What is true of the only node. */
	readonly node: { isRegistered: boolean; isOnline: boolean; numBeats: number; numActivations: number };
	/** Whether keys register themselves. */
	isOpen: boolean;
}

const RUN_ID = 12_345_678_901_234_567_890n;

/** A SuperLink that knows nobody yet. */
export function fakeSuperLink(clock: Clock): FakeSuperLink {
	const node = { isRegistered: false, isOnline: false, numBeats: 0, numActivations: 0 };
	let nodeId = 77n;
	let isRunning = true;
	const waiting: DeflatedMessage[] = [];
	const sent = new Map<ObjectId, DeflatedMessage>();
	const answers = new Map<string, (answer: FlowerMessage) => void>();
	const received = memoryObjects();
	let announced: { readonly root: ObjectId; readonly to: string; readonly missing: Set<ObjectId> } | null =
		null;
	const requireRun = (): void => {
		if (!isRunning) throw new FlowerError("permission-denied", "Run is finished.");
	};
	const handlers: FleetHandlers = {
		registerNode: async () => {
			if (!superlink.isOpen)
				throw new FlowerError("failed-precondition", "SuperNode authentication is enabled.");
			if (node.isRegistered) throw new FlowerError("failed-precondition", "Public key already in use.");
			node.isRegistered = true;
			return { nodeId };
		},
		activateNode: async ({ heartbeatInterval }) => {
			if (!node.isRegistered)
				throw new FlowerError("failed-precondition", "No SuperNode found with the given public key.");
			if (node.isOnline) throw new FlowerError("failed-precondition", "SuperNode could not be activated.");
			if (heartbeatInterval < 10) throw new FlowerError("invalid-argument", "Invalid heartbeat interval");
			node.isOnline = true;
			node.numActivations++;
			return { nodeId };
		},
		deactivateNode: async () => {
			node.isOnline = false;
			return {};
		},
		unregisterNode: async () => ({}),
		sendNodeHeartbeat: async () => {
			node.numBeats++;
			return { success: true };
		},
		pullMessages: async () => {
			const next = waiting.shift();
			return next === undefined ? {} : { messagesList: [next.wire], messageObjectTrees: [next.tree] };
		},
		confirmMessageReceived: async () => ({}),
		pullObject: async ({ objectId }) => {
			requireRun();
			const id = parseObjectId(objectId);
			const source = [...sent.values()].find(({ objects }) => objects.has(id));
			const objectContent = await source?.objects.get(id)?.read();
			return objectContent === undefined
				? { objectFound: false }
				: { objectFound: true, objectAvailable: true, objectContent };
		},
		pushMessages: async ({ messagesList: [message], messageObjectTrees: [tree] }) => {
			requireRun();
			if (tree === undefined) throw new FlowerError("unknown", "no tree");
			const missing = new Set(treeNodes(tree).map(({ id }) => id));
			announced = {
				root: parseObjectId(tree.objectId),
				to: message?.metadata?.replyToMessageId ?? "",
				missing,
			};
			return { results: { [tree.objectId]: 0 }, objectsToPush: [...missing] };
		},
		pushObject: async ({ objectId, objectContent }) => {
			const id = parseObjectId(objectId);
			await received.write(id, objectContent);
			announced?.missing.delete(id);
			if (announced?.missing.size === 0)
				answers.get(announced.to)?.(await inflateMessage(announced.root, received));
			return { stored: true };
		},
		getRun: async () => ({}),
		getFab: async () => ({}),
	};
	const superlink: FakeSuperLink = {
		node,
		isOpen: true,
		routes: fleetRoutes(handlers, {
			now: () => clock.now(),
			nodeIdOf: () => (node.isRegistered ? nodeId : undefined),
			onFault: (cause) => {
				throw cause;
			},
		}),
		async ask(messageType, content, { groupId = "" } = {}) {
			isRunning = true;
			const createdAtSeconds = clock.now() / 1000;
			const metadata = instructionMetadata({
				runId: RUN_ID,
				dstNodeId: nodeId,
				messageType,
				createdAtSeconds,
				groupId,
			});
			const message = deflateMessage(metadata, await deflateContent(content));
			sent.set(message.id, message);
			const answer = new Promise<FlowerMessage>((resolve) => answers.set(message.id, resolve));
			waiting.push(message);
			return await answer;
		},
		forget() {
			node.isRegistered = false;
			node.isOnline = false;
			nodeId++;
		},
		endRun() {
			isRunning = false;
		},
	};
	return superlink;
}
