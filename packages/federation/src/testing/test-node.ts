// A node under a test's hand: makes single calls of the Fleet API as a site with a key of its own.
import { join } from "node:path";
import type { NamedArrays } from "@zk0/arrays";
import { rng } from "@zk0/arrays";
import { writeSafetensorsFile } from "@zk0/arrays/node";
import {
	announcedMessage,
	authenticated,
	createNodeIdentity,
	type DeflatedMessage,
	Fleet,
	memoryObjects,
	memoryTransport,
	type NodeIdentity,
	parseObjectId,
	pushMessage,
	type ReplyRefusal,
	type Routes,
	type Transport,
} from "@zk0/flower";
import type { Clock } from "../clock.ts";
import { nodeIdOf } from "../node-id.ts";
import type { TaskResult } from "../protocol.ts";
import { replyMessage } from "../reply-message.ts";
import { type ReceivedTask, receiveTask } from "../task-runner.ts";

/** A node of a test. */
export interface TestNode {
	readonly identity: NodeIdentity;
	readonly nodeId: bigint;
	readonly calls: Transport;
	activate(session?: string, details?: Readonly<Record<string, string>>): Promise<void>;
	/** The next task, or undefined when the server has none for `waitMs`. */
	pull(options?: { readonly waitMs?: number; readonly session?: string }): Promise<ReceivedTask | undefined>;
	/** A signed reply; `update` are the tensors of an update. */
	reply(task: ReceivedTask, result: TaskResult, update?: NamedArrays): Promise<DeflatedMessage>;
	push(reply: DeflatedMessage, task: ReceivedTask): Promise<ReplyRefusal | undefined>;
	/** Says that it is alive; gives the running tasks that are unwanted. */
	beat(running?: readonly string[], session?: string): Promise<readonly string[]>;
}

/** What a test node needs. */
export interface TestNodeOptions {
	readonly routes: Routes;
	readonly site: string;
	readonly clock: Clock;
	/** For files of updates. */
	readonly dir: string;
	readonly identity?: NodeIdentity;
	readonly invite?: string;
}

/** Registers and activates a node as `site`. */
export async function joinAs(options: TestNodeOptions): Promise<TestNode> {
	const node = testNode(options);
	const publicKey = Buffer.from(node.identity.publicKeyPem);
	const { site, invite = "" } = options;
	await node.calls.unary(Fleet.method.registerNode, { publicKey, site, invite });
	await node.activate();
	return node;
}

/** A node that has not called yet. */
export function testNode({ routes, site, clock, dir, ...options }: TestNodeOptions): TestNode {
	const identity = options.identity ?? createNodeIdentity("prime256v1");
	const nodeId = nodeIdOf(identity.publicKeyPem);
	const calls = authenticated(memoryTransport(routes, { peer: site }), identity, () => clock.now());
	const retry = { clock, rng: rng("test"), firstDelayMs: 1, maxDelayMs: 1, maxWaitMs: 10 };
	let numFiles = 0;
	return {
		identity,
		nodeId,
		calls,
		async activate(session = site, details = {}) {
			const publicKey = Buffer.from(identity.publicKeyPem);
			await calls.unary(Fleet.method.activateNode, {
				publicKey,
				session,
				numSamples: 5n,
				details: JSON.stringify(details),
			});
		},
		async pull({ waitMs = 0, session = site } = {}) {
			const hold = { session, waitMs };
			const instruction = await announcedMessage(calls, nodeId, { store: memoryObjects(), retry, hold });
			return instruction === undefined ? undefined : receiveTask(instruction);
		},
		async reply({ instruction }, result, update) {
			const updatePath = update === undefined ? null : join(dir, `${site}-${numFiles++}.safetensors`);
			if (updatePath !== null && update !== undefined) await writeSafetensorsFile(updatePath, update);
			const { metadata } = instruction.message;
			return await replyMessage({
				instruction: { id: parseObjectId(instruction.id), metadata },
				result,
				updatePath,
				identity,
				nowMs: clock.now(),
			});
		},
		push: (reply, { instruction }) =>
			pushMessage(calls, nodeId, reply, { runtimeSeconds: 1, runId: instruction.message.metadata.runId }),
		async beat(running = [], session = site) {
			const request = { node: { nodeId }, session, running: [...running] };
			return (await calls.unary(Fleet.method.sendNodeHeartbeat, request)).unwanted;
		},
	};
}
