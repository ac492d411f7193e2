import { join } from "node:path";
import { encodeSafetensors } from "@zk0/arrays";
import { createNodeIdentity, Fleet, type NodeIdentity } from "@zk0/flower";
import { expect, test } from "vitest";
import { type ManualClock, manualClock } from "./clock.ts";
import type { RunApp } from "./flower-nodes.ts";
import type { Outcome } from "./grid.ts";
import { type MemberLog, openMemberLog } from "./member-log.ts";
import { runNumber } from "./node-id.ts";
import { type ObjectStore, openObjectStore } from "./object-store.ts";
import type { RunGrid } from "./run-grid.ts";
import { createServer, type FederationServer } from "./server.ts";
import { type FlowerNode, flowerNode } from "./testing/flower-node.ts";
import { NOW_MS, SPECS, taskOf } from "./testing/server-harness.ts";
import { testNode } from "./testing/test-node.ts";
import { temporaryDir, toyWeights } from "./testing/toy-app.ts";

const APP: RunApp = {
	runId: "run",
	bundle: { content: Buffer.from("a zip"), hash: "ab".repeat(32), id: "zk0/toy", version: "1.0.0" },
};

interface Place extends AsyncDisposable {
	readonly server: FederationServer;
	readonly members: MemberLog;
	readonly clock: ManualClock;
	readonly store: ObjectStore;
	readonly identity: NodeIdentity;
	readonly outcomes: Outcome[];
	open(app?: RunApp): RunGrid;
	send(grid: RunGrid, site: string, phase?: "train" | "evaluate"): Promise<void>;
}

async function place(allowFlowerNodes = true): Promise<Place> {
	const dir = await temporaryDir();
	const clock = manualClock(NOW_MS);
	const members = await openMemberLog(join(dir.path, "members.jsonl"), clock);
	const store = await openObjectStore(join(dir.path, "store"));
	const onFault = (cause: unknown): void => {
		throw cause;
	};
	const server = createServer({ members, clock, offlineAfterMs: 300, allowFlowerNodes, onFault });
	const outcomes: Outcome[] = [];
	return {
		server,
		members,
		clock,
		store,
		outcomes,
		identity: createNodeIdentity("prime256v1"),
		open(app) {
			const grid = server.openGrid(store, app);
			const read = async (): Promise<void> => {
				for (;;) {
					const next = await grid.next();
					outcomes.push(next.outcome);
					next.settle();
				}
			};
			// Ends when the grid is closed.
			read().catch(() => undefined);
			return grid;
		},
		async send(grid, site, phase = "train") {
			const weights = await store.put([encodeSafetensors(toyWeights())]);
			const message = taskOf(`1/${phase}/${site}`, { phase, weights: weights.sha256 });
			grid.send([{ site, message, expects: phase === "train" ? SPECS : null }]);
		},
		async [Symbol.asyncDispose]() {
			await server[Symbol.asyncDispose]();
			await members[Symbol.asyncDispose]();
			await dir[Symbol.asyncDispose]();
		},
	};
}

async function joined({ members, server, identity, clock }: Place): Promise<FlowerNode> {
	await members.addFlowerNode("flo", identity.publicKeyPem);
	const node = flowerNode(server.routes, identity, clock);
	await node.activate();
	return node;
}

test("a node whose key the operator bound trains and evaluates a run's app; its answers are recorded as not signed", async () => {
	await using here = await place();
	const node = await joined(here);
	const grid = here.open(APP);
	expect(grid.sites()).toEqual([
		{ site: "flo", info: { numSamples: null, details: { software: "Flower", signs: false } } },
	]);
	expect(await node.pull()).toBeUndefined();
	await here.send(grid, "flo");
	const task = await node.pull();
	if (task === undefined) throw new RangeError("no task");
	const runId = runNumber("run");
	expect((await node.calls.unary(Fleet.method.getRun, { node: node.node, runId })).run).toMatchObject({
		runId,
		fabId: "zk0/toy",
		fabVersion: "1.0.0",
		fabHash: APP.bundle.hash,
		status: { status: "running" },
	});
	const { fab } = await node.calls.unary(Fleet.method.getFab, {
		node: node.node,
		runId,
		hashStr: APP.bundle.hash,
	});
	expect(fab).toMatchObject({ hashStr: APP.bundle.hash, content: new Uint8Array(APP.bundle.content) });
	// A node that died in its task asks again and gets it again.
	expect((await node.pull())?.id).toBe(task.id);
	expect(await node.push(task, toyWeights())).toBeUndefined();
	expect(here.outcomes.at(-1)).toMatchObject({ kind: "update", numSamples: 8, signed: null });
	await here.send(grid, "flo", "evaluate");
	const evaluation = await node.pull();
	if (evaluation === undefined) throw new RangeError("no task");
	expect(await node.push(evaluation, null, 0.5)).toBeUndefined();
	expect(here.outcomes.at(-1)).toMatchObject({ kind: "evaluation", loss: 0.5 });
	expect(
		(await node.calls.unary(Fleet.method.sendNodeHeartbeat, { node: node.node, heartbeatInterval: 30 }))
			.success,
	).toBe(true);
	await node.calls.unary(Fleet.method.deactivateNode, node.node);
	expect(grid.sites()).toEqual([]);
	expect(here.members.events.at(-1)).toMatchObject({ kind: "member.added", site: "flo", signs: false });
});

test("an app that raises is a failure with its text; an update of other tensors is refused", async () => {
	await using here = await place();
	const node = await joined(here);
	const grid = here.open(APP);
	await here.send(grid, "flo");
	const task = await node.pull();
	if (task === undefined) throw new RangeError("no task");
	expect(await node.push(task, new Map([...toyWeights()].slice(1)))).toMatchObject({
		code: "missing-tensor",
	});
	await here.send(grid, "flo", "evaluate");
	const next = await node.pull();
	if (next === undefined) throw new RangeError("no task");
	await node.fail(next, "<class 'ValueError'>:<'no data'>");
	expect(here.outcomes.at(-1)).toMatchObject({
		kind: "failure",
		message: "<class 'ValueError'>:<'no data'>",
	});
});

test("without --allow-flower-nodes, without a bound key, and with a zk0 site's key: refused with what to do", async () => {
	await using closed = await place(false);
	await closed.members.addFlowerNode("flo", closed.identity.publicKeyPem);
	const refused = flowerNode(closed.server.routes, closed.identity, closed.clock);
	await expect(refused.activate()).rejects.toThrow("--allow-flower-nodes");
	await using here = await place();
	const unknown = flowerNode(here.server.routes, here.identity, here.clock);
	const publicKey = Buffer.from(here.identity.publicKeyPem);
	await expect(unknown.activate()).rejects.toThrow("zk0 server add <site>");
	await expect(unknown.calls.unary(Fleet.method.registerNode, { publicKey })).rejects.toThrow(
		"zk0 server add <site>",
	);
	const { clock, server, store, members } = here;
	await members.invite("s", { expiresAtMs: NOW_MS + 1000 });
	const ann = testNode({ routes: server.routes, site: "ann", clock, dir: store.dir });
	const annsKey = Buffer.from(ann.identity.publicKeyPem);
	await ann.calls.unary(Fleet.method.registerNode, { publicKey: annsKey, site: "ann", invite: "s" });
	const asFlower = flowerNode(server.routes, ann.identity, clock);
	await expect(asFlower.activate()).rejects.toThrow("bound by a zk0 client");
	const node = await joined(here);
	await expect(node.activate(5)).rejects.toMatchObject({ code: "invalid-argument" });
	await expect(members.addFlowerNode("gil", here.identity.publicKeyPem)).rejects.toThrow("that of flo");
	await members.revoke("flo");
	await expect(node.pull()).rejects.toMatchObject({ code: "unauthenticated" });
});

test("a run without an app does without them, and its messages have no app", async () => {
	await using here = await place();
	const node = await joined(here);
	const grid = here.open();
	expect([grid.sites(), here.server.sites().length]).toEqual([[], 1]);
	await node.activate();
	await node.calls.unary(Fleet.method.deactivateNode, node.node);
	expect(here.outcomes).toEqual([]);
	const { nodeId } = node.node;
	for (const call of [
		node.calls.unary(Fleet.method.getRun, { node: { nodeId }, runId: 7n }),
		node.calls.unary(Fleet.method.getFab, { node: { nodeId }, runId: 7n, hashStr: "x" }),
	])
		await expect(call).rejects.toMatchObject({ code: "permission-denied" });
	here.open(APP);
	const other = node.calls.unary(Fleet.method.getFab, {
		node: { nodeId },
		runId: runNumber("run"),
		hashStr: "x",
	});
	await expect(other).rejects.toMatchObject({ code: "not-found" });
});

test("a server that was restarted knows them again without activation; silence counts by their own heartbeat", async () => {
	await using here = await place();
	const { clock, members, identity, server } = here;
	await members.addFlowerNode("flo", identity.publicKeyPem);
	const node = flowerNode(server.routes, identity, clock);
	expect(await node.pull()).toBeUndefined();
	const isOnlineAfter = async (seconds: number): Promise<boolean> => {
		for (let passed = 0; passed < seconds * 1000; passed += 60) {
			clock.advance(60);
			await new Promise(setImmediate);
		}
		return server.sites().length === 1;
	};
	expect(await isOnlineAfter(59)).toBe(true);
	expect(await isOnlineAfter(2)).toBe(false);
	await node.activate(10);
	expect([await isOnlineAfter(19), await isOnlineAfter(2)]).toEqual([true, false]);
});
