import { encodeSafetensors, float32Array, type NamedArrays } from "@zk0/arrays";
import { sha256Hex } from "@zk0/arrays/node";
import { createNodeIdentity, Fleet, memoryTransport, objectIdOf } from "@zk0/flower";
import { describe, expect, test } from "vitest";
import { manualClock } from "./clock.ts";
import { openMembers } from "./members.ts";
import { openObjectStore } from "./object-store.ts";
import type { RunGrid } from "./run-grid.ts";
import { createServer } from "./server.ts";
import type { ReceivedTask } from "./task-runner.ts";
import { NOW_MS, SPECS, startServer as start, taskOf } from "./testing/server-harness.ts";
import { smallDisk } from "./testing/small-disk.ts";
import { joinAs, type TestNode, testNode } from "./testing/test-node.ts";
import { temporaryDir, toyWeights } from "./testing/toy-app.ts";
import { readTensorSpecs } from "./update-check.ts";

const update = (numSamples = 5) => ({ kind: "update", numSamples, metrics: {} }) as const;

function changed(name: string, array: ReturnType<typeof float32Array> | null): NamedArrays {
	const tensors = new Map(toyWeights());
	tensors.delete(name);
	if (array !== null) tensors.set(name, array);
	return tensors;
}

const GOOD = changed("b", float32Array([1], [9]));

describe("updates", () => {
	test("are taken, spooled as one file, recorded with their signature, and then acknowledged", async () => {
		await using harness = await start();
		const ann = await harness.join("ann");
		const task = await harness.task(ann, "ann");
		expect(task.task).toMatchObject({ phase: "train", round: 1, runId: "run" });
		expect(await ann.push(await ann.reply(task, update(), GOOD), task)).toBeUndefined();
		const { outcomes, store } = harness;
		expect(outcomes.map(({ kind }) => kind)).toEqual(["joined", "update"]);
		const sha256 = sha256Hex(encodeSafetensors(GOOD));
		expect(outcomes[1]).toMatchObject({
			numSamples: 5,
			sha256,
			signed: { instruction: task.instruction.id },
		});
		expect(await store.verify(sha256)).toBe(true);
		expect(await ann.pull()).toBeUndefined();
	});

	test.each([
		["not-finite", changed("w", float32Array([3], [1, Number.NaN, 2])), 5],
		["not-finite", changed("b", float32Array([1], [Number.POSITIVE_INFINITY])), 5],
		["missing-tensor", changed("b", null), 5],
		["extra-tensor", changed("extra", float32Array([1], [1])), 5],
		["wrong-shape", changed("w", float32Array([2], [1, 2])), 5],
		["wrong-shape", changed("w", float32Array([3, 1], [1, 2, 3])), 5],
		["zero-samples", toyWeights(), 0],
		["bad-file", toyWeights(), -4],
	])("are refused when they are %s", async (code, tensors, numSamples) => {
		await using harness = await start();
		const ann = await harness.join("ann");
		const task = await harness.task(ann, "ann");
		expect(await ann.push(await ann.reply(task, update(numSamples), tensors), task)).toMatchObject({ code });
		expect(harness.outcomes.at(-1)).toMatchObject({ kind: "rejected", site: "ann", code, endsTask: true });
		expect(harness.store.list()).toHaveLength(1);
	});

	test("objects that are not the announced ones are not stored; too many bytes are refused", async () => {
		await using harness = await start();
		const ann = await harness.join("ann");
		const task = await harness.task(ann, "ann");
		const reply = await ann.reply(task, update(), GOOD);
		const { nodeId } = ann;
		const put = async (objectId: string, objectContent: Uint8Array): Promise<boolean> =>
			(await ann.calls.unary(Fleet.method.pushObject, { node: { nodeId }, objectId, objectContent })).stored;
		expect(await put(reply.id, new Uint8Array(3))).toBe(false);
		const announced = await ann.calls.unary(Fleet.method.pushMessages, {
			node: { nodeId },
			messagesList: [reply.wire],
			messageObjectTrees: [reply.tree],
		});
		expect(announced.objectsToPush).toHaveLength(reply.objects.size);
		expect(announced.objectsToPush[0]).toBe(reply.id);
		const other = Buffer.from("ArrayChunk  1\0x");
		expect(await put(objectIdOf(other), other)).toBe(false);
		const chunk = [...reply.objects.values()].find(({ type }) => type === "ArrayChunk");
		expect(await put(chunk?.id ?? "", other)).toBe(false);
		await expect(put(chunk?.id ?? "", new Uint8Array(2 << 20))).rejects.toMatchObject({
			code: "resource-exhausted",
		});
	});

	test("bytes that were not stored do not count against a reply; too many of them are refused", async () => {
		await using harness = await start();
		const ann = await harness.join("ann");
		const task = await harness.task(ann, "ann");
		const { nodeId } = ann;
		const body = new Uint8Array(600_000);
		const another = Buffer.concat([Buffer.from("ArrayChunk  600000\0"), body]);
		const announce = async (tensors: NamedArrays) => {
			const reply = await ann.reply(task, update(), tensors);
			const { wire, tree, objects } = reply;
			const lists = { messagesList: [wire], messageObjectTrees: [tree] };
			await ann.calls.unary(Fleet.method.pushMessages, { node: { nodeId }, ...lists });
			const objectId = [...objects.values()].find(({ type }) => type === "ArrayChunk")?.id ?? "";
			const put = (objectContent: Uint8Array) =>
				ann.calls.unary(Fleet.method.pushObject, { node: { nodeId }, objectId, objectContent });
			return { reply, put };
		};
		const first = await announce(toyWeights());
		expect((await first.put(another)).stored).toBe(false);
		expect((await first.put(another)).stored).toBe(false);
		await expect(first.put(another)).rejects.toMatchObject({ code: "resource-exhausted" });
		const second = await announce(GOOD);
		// With the reply itself these are more than its bound.
		await expect(second.put(body)).rejects.toMatchObject({ code: "failed-precondition" });
		const nearlyAll = Buffer.concat([Buffer.from("ArrayChunk  488000\0"), body.subarray(0, 488_000)]);
		expect((await second.put(nearlyAll)).stored).toBe(false);
		expect(await ann.push(second.reply, task)).toBeUndefined();
		expect(harness.outcomes.at(-1)).toMatchObject({ kind: "update", numSamples: 5 });
	});

	test("duplicate, late, unknown, of another site, of another round: refused without touching what is open", async () => {
		await using harness = await start();
		const { outcomes, grid } = harness;
		const ann = await harness.join("ann");
		const bob = await harness.join("bob");
		const task = await harness.task(ann, "ann", 2);
		const lateId = harness.send("bob", 2);
		const late = await bob.pull();
		grid.withdraw([lateId]);
		if (late === undefined) throw new RangeError("no task");
		const of = (received: ReceivedTask, changes: object): ReceivedTask => {
			const { instruction } = received;
			const metadata = { ...instruction.message.metadata, ...changes };
			return { ...received, instruction: { ...instruction, message: { ...instruction.message, metadata } } };
		};
		const stranger: ReceivedTask = {
			...task,
			instruction: { ...task.instruction, id: objectIdOf(Buffer.from("guess")) },
		};
		const refused: [TestNode, ReceivedTask, string][] = [
			[bob, task, "wrong-site"],
			[ann, of(task, { groupId: "1" }), "wrong-round"],
			[ann, of(task, { messageType: "evaluate" }), "late"],
			[ann, of(task, { runId: 7n }), "late"],
			[ann, stranger, "unknown-task"],
			[bob, late, "late"],
		];
		for (const [node, received, code] of refused) {
			expect(await node.push(await node.reply(received, update(), GOOD), received)).toMatchObject({ code });
			expect(outcomes.at(-1)).toMatchObject({ kind: "rejected", code, endsTask: false });
		}
		const reply = await ann.reply(task, update(), GOOD);
		expect(await ann.push(reply, task)).toBeUndefined();
		// The same reply again is an answer that was lost; another one is a duplicate.
		expect(await ann.push(reply, task)).toBeUndefined();
		harness.clock.advance(10);
		expect(await ann.push(await ann.reply(task, update(), GOOD), task)).toMatchObject({ code: "duplicate" });
		expect(outcomes.filter(({ kind }) => kind === "update")).toHaveLength(1);
	});

	test("an unsigned reply, and one signed by another key, are refused", async () => {
		await using harness = await start();
		const ann = await harness.join("ann");
		const other = testNode({
			routes: harness.server.routes,
			site: "x",
			clock: harness.clock,
			dir: harness.store.dir,
		});
		const task = await harness.task(ann, "ann");
		const forged = await other.reply(task, update(), GOOD);
		expect(await ann.push(forged, task)).toMatchObject({ code: "bad-signature" });
		expect(harness.outcomes.at(-1)).toMatchObject({ code: "bad-signature", endsTask: true });
	});

	test("a result of the wrong kind is refused", async () => {
		await using harness = await start();
		const ann = await harness.join("ann");
		const task = await harness.task(ann, "ann");
		const evaluation = { kind: "evaluation", loss: 1, numSamples: 1, metrics: {} } as const;
		expect(await ann.push(await ann.reply(task, evaluation), task)).toMatchObject({ code: "bad-file" });
	});

	test("what a node pushed before the server was restarted is not asked for again", async () => {
		await using harness = await start();
		const ann = await harness.join("ann");
		const big = new Map([["w", float32Array([40_000], new Float32Array(40_000).fill(0.5))]]);
		const weights = await harness.store.put([encodeSafetensors(big)]);
		const message = taskOf("big", { weights: weights.sha256 });
		const expects = readTensorSpecs(weights.path);
		const send = (grid: RunGrid): void => grid.send([{ site: "ann", message, expects }]);
		send(harness.grid);
		const task = await ann.pull();
		if (task === undefined) throw new RangeError("no task");
		const reply = await ann.reply(task, update(), big);
		const chunk = [...reply.objects.values()].find(({ type }) => type === "ArrayChunk");
		const request = {
			node: { nodeId: ann.nodeId },
			messagesList: [reply.wire],
			messageObjectTrees: [reply.tree],
		};
		await ann.calls.unary(Fleet.method.pushMessages, request);
		const objectContent = (await chunk?.read()) ?? new Uint8Array(0);
		const push = { node: { nodeId: ann.nodeId }, objectId: chunk?.id ?? "", objectContent };
		expect((await ann.calls.unary(Fleet.method.pushObject, push)).stored).toBe(true);
		await harness.grid[Symbol.asyncDispose]();
		await using grid = harness.server.openGrid(harness.store);
		send(grid);
		expect((await ann.pull())?.instruction.id).toBe(task.instruction.id);
		const again = await ann.calls.unary(Fleet.method.pushMessages, request);
		expect(again.objectsToPush).toHaveLength(reply.objects.size - 1);
		expect(again.objectsToPush).not.toContain(chunk?.id);
	});
});

describe("nodes", () => {
	test("a held pull returns when a task comes, when time is up, and when the server closes", async () => {
		const harness = await start();
		const ann = await harness.join("ann");
		const first = ann.pull({ waitMs: 100 });
		const taskId = harness.send("ann");
		expect((await first)?.task.round).toBe(1);
		harness.grid.withdraw([taskId]);
		const second = ann.pull({ waitMs: 90 });
		// One sleeps for the watch over silent nodes, the other is the held pull.
		while (harness.clock.numSleepers < 2) await new Promise(setImmediate);
		harness.clock.advance(90);
		expect(await second).toBeUndefined();
		const third = ann.pull({ waitMs: 90 }).catch((error: unknown) => error);
		await harness[Symbol.asyncDispose]();
		expect(await third).toMatchObject({ code: "unavailable" });
		await expect(harness.join("bob")).rejects.toMatchObject({ code: "unavailable" });
	});

	test("a task is handed out again until it is answered, also to a later life of the node", async () => {
		await using harness = await start();
		const ann = await harness.join("ann");
		const task = await harness.task(ann, "ann");
		await ann.activate("second life");
		const again = await ann.pull({ session: "second life" });
		expect(again?.instruction.id).toBe(task.instruction.id);
		await expect(ann.pull()).rejects.toMatchObject({ code: "already-exists" });
		await expect(ann.activate()).rejects.toMatchObject({ code: "already-exists" });
	});

	test("silence makes a node offline, a heartbeat keeps it, leaving ends it at once", async () => {
		await using harness = await start();
		const { server, clock, outcomes } = harness;
		const ann = await harness.join("ann");
		const bob = await harness.join("bob");
		await harness.join("cyd");
		for (let tick = 0; tick < 10; tick++) {
			clock.advance(50);
			await ann.beat();
			await new Promise(setImmediate);
		}
		expect(server.sites().map(({ site }) => site)).toEqual(["ann"]);
		expect(outcomes.filter((outcome) => outcome.kind === "left")).toMatchObject([
			{ site: "bob", reason: "offline" },
			{ site: "cyd", reason: "offline" },
		]);
		await expect(bob.beat()).rejects.toMatchObject({ code: "aborted" });
		await ann.calls.unary(Fleet.method.deactivateNode, { nodeId: ann.nodeId });
		await new Promise(setImmediate);
		expect(outcomes.at(-1)).toMatchObject({ kind: "left", site: "ann", reason: "left" });
		expect(server.sites()).toEqual([]);
	});

	test("a server that was suspended itself takes nobody for offline", async () => {
		await using harness = await start();
		await harness.join("ann");
		harness.clock.advance(10_000);
		await new Promise(setImmediate);
		expect(harness.server.sites()).toHaveLength(1);
		for (let tick = 0; tick < 8; tick++) {
			harness.clock.advance(50);
			await new Promise(setImmediate);
		}
		expect(harness.server.sites()).toEqual([]);
	});

	test("heartbeats carry progress and learn what is no longer wanted", async () => {
		await using harness = await start();
		const { grid, outcomes } = harness;
		const ann = await harness.join("ann");
		const taskId = harness.send("ann");
		const task = await ann.pull();
		const messageId = task?.instruction.id ?? "";
		const request = {
			node: { nodeId: ann.nodeId },
			session: "ann",
			running: [messageId],
			progress: { messageId, step: 1, numSteps: 2, samplesPerSecond: 3 },
		};
		expect((await ann.calls.unary(Fleet.method.sendNodeHeartbeat, request)).unwanted).toEqual([]);
		await new Promise(setImmediate);
		expect(outcomes.at(-1)).toMatchObject({ kind: "progress", progress: { step: 1, loss: null } });
		grid.withdraw([taskId]);
		expect(await ann.beat([messageId])).toEqual([messageId]);
	});

	test("objects of its own open tasks only", async () => {
		await using harness = await start();
		const ann = await harness.join("ann");
		const bob = await harness.join("bob");
		const task = await harness.task(ann, "ann");
		const found = async ({ calls, nodeId }: TestNode): Promise<boolean> => {
			const request = { node: { nodeId }, objectId: task.instruction.id };
			return (await calls.unary(Fleet.method.pullObject, request)).objectFound;
		};
		expect([await found(ann), await found(bob)]).toEqual([true, false]);
	});

	test("a name belongs to the key that asked first; bad names and Flower's own nodes are refused", async () => {
		await using harness = await start();
		await harness.join("ann");
		await expect(harness.join("ann")).rejects.toMatchObject({ code: "already-exists" });
		await expect(harness.join("")).rejects.toThrow("zk0 nodes only");
		for (const site of ["../up", "a b", "x".repeat(64)])
			await expect(harness.join(site)).rejects.toMatchObject({ code: "invalid-argument" });
		const flower = await harness.join("flo");
		await expect(flower.activate("")).rejects.toMatchObject({ code: "failed-precondition" });
		const { routes } = harness.server;
		const anonymous = memoryTransport(routes).unary(Fleet.method.sendNodeHeartbeat, {});
		await expect(anonymous).rejects.toMatchObject({ code: "unauthenticated" });
		const unknown = testNode({ routes, site: "x", clock: harness.clock, dir: harness.store.dir });
		await expect(unknown.beat()).rejects.toMatchObject({ code: "unauthenticated" });
		await expect(unknown.activate()).rejects.toMatchObject({ code: "failed-precondition" });
	});

	test("the same key comes back under its name", async () => {
		await using harness = await start();
		const identity = createNodeIdentity("prime256v1");
		const first = await harness.join("ann", identity);
		expect((await harness.join("other", identity)).nodeId).toBe(first.nodeId);
		expect(harness.server.sites().map(({ site }) => site)).toEqual(["ann"]);
	});
});

describe("the server's own trouble", () => {
	test("a full disk stops the round loop with its code; the site may try again", async () => {
		const disk = smallDisk(1e6);
		await using dir = await temporaryDir();
		const store = await openObjectStore(dir.path, disk);
		const clock = manualClock(NOW_MS);
		await using server = createServer({ members: openMembers(), clock, onFault: () => undefined });
		await using grid = server.openGrid(store);
		const ann = await joinAs({ routes: server.routes, site: "ann", clock, dir: dir.path });
		const weights = await store.put([encodeSafetensors(toyWeights())]);
		const message = taskOf("t", { weights: weights.sha256 });
		grid.send([{ site: "ann", message, expects: SPECS }]);
		const task = await ann.pull();
		if (task === undefined) throw new RangeError("no task");
		const reply = await ann.reply(task, update(), GOOD);
		disk.refill(0);
		await expect(ann.push(reply, task)).rejects.toMatchObject({ code: "unavailable" });
		(await grid.next()).settle();
		await expect(grid.next()).rejects.toMatchObject({ code: "disk-full" });
	});
});
