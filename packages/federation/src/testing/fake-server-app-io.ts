// The ServerAppIo API of a SuperLink under a test's hand, with nodes that answer at once; in Flower's own words and habits
// (what is pulled is gone, a stopped run is refused). The real one is run by tools/flower.
import {
	createRoutes,
	type DeflatedMessage,
	deflateMessage,
	FlowerError,
	type FlowerMessage,
	inflateMessage,
	memoryObjects,
	type ObjectId,
	parseObjectId,
	type Routes,
	replyMetadata,
	ServerAppIo,
	treeNodes,
} from "@zk0/flower";
import type { Clock } from "../clock.ts";

/** The SuperLink. */
export interface FakeServerAppIo {
	readonly routes: Routes;
	/** Runs that wait for somebody. */
	readonly waiting: bigint[];
	/** Nodes that are online. */
	readonly nodes: Set<bigint>;
	/** What nodes answer; undefined: nothing. Set before the run. */
	answer: (message: FlowerMessage, id: ObjectId) => Promise<DeflatedMessage | undefined>;
	/** Refuses everything about the run. */
	stop(): void;
	/** Makes the token invalid. */
	isTokenGood: boolean;
	/** How runs ended. */
	readonly endings: { readonly subStatus: string; readonly details: string }[];
	/** Messages that were confirmed. */
	readonly confirmed: string[];
}

/** A SuperLink without runs and nodes. */
export function fakeServerAppIo(clock: Clock): FakeServerAppIo {
	const objects = memoryObjects();
	const replies = new Map<string, DeflatedMessage>();
	const missing = new Map<ObjectId, Set<ObjectId>>();
	let isRunning = true;
	const requireRun = (): void => {
		if (!isRunning) throw new FlowerError("permission-denied", "Run is finished. Stopped by user.");
	};
	const complete = async (id: ObjectId): Promise<void> => {
		const reply = await fake.answer(await inflateMessage(id, objects), id);
		if (reply === undefined) return;
		for (const [objectId, source] of reply.objects) await objects.write(objectId, await source.read());
		replies.set(id, reply);
	};
	const fake: FakeServerAppIo = {
		waiting: [],
		nodes: new Set(),
		endings: [],
		confirmed: [],
		isTokenGood: true,
		answer: async ({ metadata }, id) =>
			deflateMessage(replyMetadata(metadata, id, clock.now() / 1000), { code: 2, reason: "no answer" }),
		stop() {
			isRunning = false;
		},
		routes: new Map(),
	};
	const routes = createRoutes(
		ServerAppIo,
		{
			listAppsToLaunch: async () => ({ runIds: fake.waiting }),
			requestToken: async ({ runId }) => {
				const index = fake.waiting.indexOf(runId);
				fake.waiting.splice(index, 1);
				// An odd run is somebody else's.
				return { token: runId % 2n === 0n ? "token" : "" };
			},
			getRun: async () => ({}),
			sendAppHeartbeat: async () => ({ success: fake.isTokenGood }),
			pullAppInputs: async () => ({
				run: { runId: 6n, fabId: "zk0/toy", fabVersion: "1.0.0" },
				context: { runId: 6n },
			}),
			pushAppOutputs: async () => ({}),
			pushObject: async ({ objectId, objectContent }) => {
				const id = parseObjectId(objectId);
				await objects.write(id, objectContent);
				for (const [message, needed] of missing) {
					if (!needed.delete(id) || needed.size > 0) continue;
					missing.delete(message);
					await complete(message);
				}
				return { stored: true };
			},
			pullObject: async ({ objectId }) => {
				requireRun();
				const id = parseObjectId(objectId);
				if (!(await objects.has(id))) return { objectFound: false };
				return { objectFound: true, objectAvailable: true, objectContent: await objects.read(id) };
			},
			confirmMessageReceived: async ({ messageObjectId }) => {
				fake.confirmed.push(messageObjectId);
				return {};
			},
			updateRunStatus: async ({ runStatus }) => {
				requireRun();
				fake.endings.push({ subStatus: runStatus?.subStatus ?? "", details: runStatus?.details ?? "" });
				return {};
			},
			pushLogs: async () => ({}),
			pushMessages: async ({ messagesList: [message], messageObjectTrees: [tree] }) => {
				requireRun();
				if (tree === undefined || !fake.nodes.has(message?.metadata?.dstNodeId ?? 0n))
					return { messageIds: [""] };
				const ids = treeNodes(tree).map(({ id }) => id);
				const needed = new Set<ObjectId>();
				for (const id of ids) if (!(await objects.has(id))) needed.add(id);
				missing.set(parseObjectId(tree.objectId), new Set(needed));
				return { messageIds: [tree.objectId], objectsToPush: [...needed] };
			},
			pullMessages: async ({ messageIds }) => {
				requireRun();
				const found = messageIds.flatMap((id) => replies.get(id) ?? []);
				for (const id of messageIds) replies.delete(id);
				return {
					messagesList: found.map(({ wire }) => wire),
					messageObjectTrees: found.map(({ tree }) => tree),
				};
			},
			getNodes: async () => {
				requireRun();
				return { nodes: [...fake.nodes].map((nodeId) => ({ nodeId })) };
			},
		},
		{
			admit: () => null,
			onFault: (cause) => {
				throw cause;
			},
		},
	);
	return Object.assign(fake, { routes });
}
