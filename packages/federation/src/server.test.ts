import { encodeSafetensors, float32Array, type NamedArrays } from "@zk0/arrays";
import { sha256Hex } from "@zk0/arrays/node";
import { describe, expect, test } from "vitest";
import { type ManualClock, manualClock } from "./clock.ts";
import type { Outcome, SiteTask } from "./grid.ts";
import { type ObjectStore, openObjectStore } from "./object-store.ts";
import type { NodeId, ResultStatus, TaskMessage, TaskResult } from "./protocol.ts";
import { createServer, type FederationServer } from "./server.ts";
import { smallDisk } from "./testing/small-disk.ts";
import { temporaryDir, toyWeights } from "./testing/toy-app.ts";

interface Harness extends AsyncDisposable {
	readonly server: FederationServer;
	readonly clock: ManualClock;
	readonly store: ObjectStore;
	/** Every outcome seen, settled at once. */
	readonly outcomes: Outcome[];
	join(site: string): Promise<NodeId>;
	send(site: string, round?: number, phase?: "train" | "evaluate"): Promise<TaskMessage>;
}

const SPECS = new Map([
	["w", [3]],
	["b", [1]],
]);

async function start(): Promise<Harness> {
	const dir = await temporaryDir();
	const store = await openObjectStore(dir.path);
	const clock = manualClock(1000);
	const server = createServer({ store, clock, offlineAfterMs: 300 });
	const weights = await store.put([encodeSafetensors(toyWeights())]);
	const outcomes: Outcome[] = [];
	const reading = (async () => {
		for (;;) {
			const next = await server.grid.next();
			outcomes.push(next.outcome);
			next.settle();
		}
	})().catch((error: unknown) => error);
	return {
		server,
		clock,
		store,
		outcomes,
		async join(site) {
			const info = { numSamples: 1, details: {} };
			return (await server.calls.unary("registerNode", { site, info })).nodeId;
		},
		async send(site, round = 1, phase = "train") {
			const message: TaskMessage = {
				taskId: `${round}/${phase}/${site}`,
				phase,
				runId: "run",
				round,
				seed: 0,
				numLocalSteps: 1,
				globalStep: 0,
				totalSteps: 1,
				proximalMu: 0,
				learning: null,
				weights: weights.sha256,
				weightsSizeBytes: weights.sizeBytes,
			};
			const task: SiteTask = { site, message, expects: phase === "train" ? SPECS : null };
			server.grid.send([task]);
			return message;
		},
		async [Symbol.asyncDispose]() {
			await server[Symbol.asyncDispose]();
			expect(await reading).toMatchObject({ code: "closed" });
			expect(clock.numSleepers).toBe(0);
			await dir[Symbol.asyncDispose]();
		},
	};
}

function updateOf(tensors: NamedArrays, numSamples = 5): { bytes: Uint8Array; result: TaskResult } {
	const bytes = encodeSafetensors(tensors);
	const object = { sha256: sha256Hex(bytes), sizeBytes: bytes.length };
	return { bytes, result: { kind: "update", object, numSamples, metrics: {} } };
}

interface Push {
	readonly nodeId: NodeId;
	readonly task: TaskMessage;
	readonly bytes: Uint8Array;
	readonly result: TaskResult;
}

/** Announces a result and sends its bytes in pieces of `pieceBytes` as long as they are wanted. */
async function push(server: FederationServer, options: Push, pieceBytes = 50): Promise<ResultStatus> {
	const { nodeId, task, bytes, result } = options;
	const { taskId, round } = task;
	let { status } = await server.calls.unary("pushResult", { nodeId, taskId, round, result });
	while (status.kind === "wanted" && result.kind === "update") {
		const { offset } = status;
		const content = bytes.subarray(offset, offset + pieceBytes);
		const { sha256 } = result.object;
		({ status } = await server.calls.unary("pushObject", { nodeId, taskId, sha256, offset, content }));
	}
	return status;
}

function changed(name: string, array: ReturnType<typeof float32Array> | null): NamedArrays {
	const tensors = new Map(toyWeights());
	tensors.delete(name);
	if (array !== null) tensors.set(name, array);
	return tensors;
}

describe("updates", () => {
	test("are taken in pieces, spooled, recorded, and then acknowledged", async () => {
		await using harness = await start();
		const { server, store, outcomes } = harness;
		const nodeId = await harness.join("ann");
		const task = await harness.send("ann");
		expect((await server.calls.unary("pullTask", { nodeId, waitMs: 0 })).task).toEqual(task);
		const update = updateOf(changed("b", float32Array([1], [9])));
		expect(await push(server, { nodeId, task, ...update })).toEqual({ kind: "accepted" });
		expect(outcomes.map(({ kind }) => kind)).toEqual(["joined", "update"]);
		expect(outcomes[1]).toMatchObject({ numSamples: 5, sizeBytes: update.bytes.length });
		expect(await store.verify(sha256Hex(update.bytes))).toBe(true);
		expect((await server.calls.unary("pullTask", { nodeId, waitMs: 0 })).task).toBeNull();
	});

	test("an update the store already has needs no bytes, but is checked all the same", async () => {
		await using harness = await start();
		const nodeId = await harness.join("ann");
		const same = updateOf(toyWeights());
		const task = await harness.send("ann");
		expect(
			await push(harness.server, { nodeId, task, bytes: new Uint8Array(0), result: same.result }),
		).toEqual({
			kind: "accepted",
		});
		const other = encodeSafetensors(changed("b", null));
		await harness.store.put([other]);
		const second = await harness.send("ann", 2);
		const status = await push(harness.server, { nodeId, task: second, ...updateOf(changed("b", null)) });
		expect(status).toMatchObject({ kind: "rejected", code: "missing-tensor" });
	});

	test.each([
		["not-finite", updateOf(changed("w", float32Array([3], [1, Number.NaN, 2])))],
		["not-finite", updateOf(changed("b", float32Array([1], [Number.POSITIVE_INFINITY])))],
		["missing-tensor", updateOf(changed("b", null))],
		["extra-tensor", updateOf(changed("extra", float32Array([1], [1])))],
		["wrong-shape", updateOf(changed("w", float32Array([2], [1, 2])))],
		["wrong-shape", updateOf(changed("w", float32Array([3, 1], [1, 2, 3])))],
		["zero-samples", updateOf(toyWeights(), 0)],
		["zero-samples", updateOf(changed("b", float32Array([1], [3])), -4)],
	])("are refused when they are %s", async (code, update) => {
		await using harness = await start();
		const nodeId = await harness.join("ann");
		const task = await harness.send("ann");
		const status = await push(harness.server, { nodeId, task, ...update });
		expect(status).toMatchObject({ kind: "rejected", code });
		expect(harness.outcomes.at(-1)).toMatchObject({ kind: "rejected", site: "ann", code, endsTask: true });
		expect(harness.store.list()).toHaveLength(1);
	});

	test("are refused when the bytes are not the announced ones, too many, or of no fitting size", async () => {
		await using harness = await start();
		const nodeId = await harness.join("ann");
		const { bytes } = updateOf(changed("b", float32Array([1], [4])));
		const announce = (sha256: string, sizeBytes: number): TaskResult => ({
			kind: "update",
			object: { sha256, sizeBytes },
			numSamples: 1,
			metrics: {},
		});
		const cases: [TaskResult, string][] = [
			[announce("0".repeat(64), bytes.length), "hash-mismatch"],
			[announce(sha256Hex(bytes), bytes.length - 4), "bad-file"],
			[announce(sha256Hex(bytes), 0), "bad-file"],
			[announce(sha256Hex(bytes), 1e12), "bad-file"],
		];
		for (const [round, [result, code]] of cases.entries()) {
			const task = await harness.send("ann", round + 1);
			const status = await push(harness.server, { nodeId, task, bytes, result }, 1000);
			expect(status).toMatchObject({ kind: "rejected", code });
		}
	});

	test("repeated and misplaced pieces are answered with the offset that is wanted", async () => {
		await using harness = await start();
		const { calls } = harness.server;
		const nodeId = await harness.join("ann");
		const { taskId, round } = await harness.send("ann");
		const { bytes, result } = updateOf(changed("b", float32Array([1], [4])));
		const sha256 = sha256Hex(bytes);
		const piece = (offset: number, count: number) =>
			calls.unary("pushObject", {
				nodeId,
				taskId,
				sha256,
				offset,
				content: bytes.subarray(offset, offset + count),
			});
		expect((await piece(0, 10)).status).toEqual({ kind: "unannounced" });
		await calls.unary("pushResult", { nodeId, taskId, round, result });
		expect((await piece(0, 10)).status).toEqual({ kind: "wanted", offset: 10 });
		expect((await piece(0, 10)).status).toEqual({ kind: "wanted", offset: 10 });
		expect((await piece(30, 10)).status).toEqual({ kind: "wanted", offset: 10 });
		const again = await calls.unary("pushResult", { nodeId, taskId, round, result });
		expect(again.status).toEqual({ kind: "wanted", offset: 10 });
		const both = await Promise.all([piece(10, 20), piece(10, 20)]);
		expect(both.map(({ status }) => status)).toEqual([
			{ kind: "wanted", offset: 30 },
			{ kind: "wanted", offset: 30 },
		]);
		expect((await piece(30, 1000)).status).toEqual({ kind: "accepted" });
		expect((await piece(30, 1000)).status).toMatchObject({ code: "duplicate" });
	});

	test("duplicate, late, unknown, of another site, of another round: refused without touching what is open", async () => {
		await using harness = await start();
		const { server, outcomes } = harness;
		const [ann, bob] = [await harness.join("ann"), await harness.join("bob")];
		const update = updateOf(changed("b", float32Array([1], [4])));
		const task = await harness.send("ann", 2);
		const withdrawn = await harness.send("bob", 2);
		server.grid.withdraw([withdrawn.taskId]);
		const refused: [Push, string][] = [
			[{ nodeId: bob, task, ...update }, "wrong-site"],
			[{ nodeId: ann, task: { ...task, round: 1 }, ...update }, "wrong-round"],
			[{ nodeId: ann, task: { ...task, taskId: "1/train/ann", round: 1 }, ...update }, "late"],
			[{ nodeId: ann, task: { ...task, taskId: "guess" }, ...update }, "unknown-task"],
			[{ nodeId: bob, task: withdrawn, ...update }, "late"],
		];
		for (const [options, code] of refused) {
			expect(await push(server, options)).toMatchObject({ kind: "rejected", code });
			expect(outcomes.at(-1)).toMatchObject({ kind: "rejected", code, endsTask: false });
		}
		expect(await push(server, { nodeId: ann, task, ...update })).toEqual({ kind: "accepted" });
		expect(await push(server, { nodeId: ann, task, ...update })).toMatchObject({ code: "duplicate" });
		expect(outcomes.filter(({ kind }) => kind === "update")).toHaveLength(1);
	});

	test("a result of the wrong kind is an error of the caller", async () => {
		await using harness = await start();
		const nodeId = await harness.join("ann");
		const train = await harness.send("ann", 1, "train");
		const evaluate = await harness.send("ann", 1, "evaluate");
		const { result } = updateOf(toyWeights());
		const evaluation: TaskResult = { kind: "evaluation", loss: 1, numSamples: 1, metrics: {} };
		for (const [{ taskId }, wrong] of [[train, evaluation] as const, [evaluate, result] as const]) {
			const call = harness.server.calls.unary("pushResult", { nodeId, taskId, round: 1, result: wrong });
			await expect(call).rejects.toMatchObject({ code: "bad-message" });
		}
	});
});

describe("nodes", () => {
	test("a held pull returns when a task comes, when time is up, and when the server closes", async () => {
		const harness = await start();
		const { calls } = harness.server;
		const nodeId = await harness.join("ann");
		const first = calls.unary("pullTask", { nodeId, waitMs: 100 });
		const task = await harness.send("ann");
		expect((await first).task).toEqual(task);
		harness.server.grid.withdraw([task.taskId]);
		const second = calls.unary("pullTask", { nodeId, waitMs: 90 });
		harness.clock.advance(90);
		expect((await second).task).toBeNull();
		const third = calls.unary("pullTask", { nodeId, waitMs: 90 });
		const failure = third.catch((error: unknown) => error);
		await harness[Symbol.asyncDispose]();
		expect(await failure).toMatchObject({ code: "unavailable" });
		await expect(harness.join("bob")).rejects.toMatchObject({ code: "unavailable" });
	});

	test("a task is handed out again until it is answered, also to a node that registers anew", async () => {
		await using harness = await start();
		const { calls } = harness.server;
		const before = await harness.join("ann");
		const task = await harness.send("ann");
		await calls.unary("pullTask", { nodeId: before, waitMs: 0 });
		const after = await harness.join("ann");
		expect((await calls.unary("pullTask", { nodeId: after, waitMs: 0 })).task).toEqual(task);
		const old = calls.unary("pullTask", { nodeId: before, waitMs: 0 });
		await expect(old).rejects.toMatchObject({ code: "site-name-taken" });
	});

	test("silence makes a node offline, a heartbeat keeps it, leaving ends it at once", async () => {
		await using harness = await start();
		const { server, clock, outcomes } = harness;
		const ann = await harness.join("ann");
		const bob = await harness.join("bob");
		await harness.join("cyd");
		for (let tick = 0; tick < 5; tick++) {
			clock.advance(100);
			await server.calls.unary("heartbeat", { nodeId: ann, running: [], progress: null });
			await new Promise(setImmediate);
		}
		expect(server.grid.sites().map(({ site }) => site)).toEqual(["ann"]);
		expect(outcomes.filter((outcome) => outcome.kind === "left")).toMatchObject([
			{ site: "bob", reason: "offline" },
			{ site: "cyd", reason: "offline" },
		]);
		const gone = server.calls.unary("heartbeat", { nodeId: bob, running: [], progress: null });
		await expect(gone).rejects.toMatchObject({ code: "unknown-node" });
		await server.calls.unary("unregisterNode", { nodeId: ann });
		await new Promise(setImmediate);
		expect(outcomes.at(-1)).toMatchObject({ kind: "left", site: "ann", reason: "left" });
		expect(server.grid.sites()).toEqual([]);
	});

	test("a server that was suspended itself takes nobody for offline", async () => {
		await using harness = await start();
		await harness.join("ann");
		harness.clock.advance(10_000);
		await new Promise(setImmediate);
		expect(harness.server.grid.sites()).toHaveLength(1);
		for (let tick = 0; tick < 4; tick++) {
			harness.clock.advance(100);
			await new Promise(setImmediate);
		}
		expect(harness.server.grid.sites()).toEqual([]);
	});

	test("heartbeats carry progress and learn what is no longer wanted", async () => {
		await using harness = await start();
		const { server, outcomes } = harness;
		const nodeId = await harness.join("ann");
		const { taskId } = await harness.send("ann");
		const progress = { taskId, step: 1, numSteps: 2, loss: null, samplesPerSecond: 3 };
		const beat = () => server.calls.unary("heartbeat", { nodeId, running: [taskId], progress });
		expect((await beat()).cancelled).toEqual([]);
		await new Promise(setImmediate);
		expect(outcomes.at(-1)).toMatchObject({ kind: "progress", progress: { step: 1, loss: null } });
		server.grid.withdraw([taskId]);
		expect((await beat()).cancelled).toEqual([taskId]);
	});

	test("reads objects of its own open tasks only", async () => {
		await using harness = await start();
		const nodeId = await harness.join("ann");
		const { sha256 } = await harness.store.put([new Uint8Array(5)]);
		const read = async (object: string, offset: number): Promise<number> => {
			let total = 0;
			const request = { nodeId, sha256: object, offset };
			for await (const chunk of harness.server.calls.stream("pullObject", request)) total += chunk.length;
			return total;
		};
		await expect(read(sha256, 0)).rejects.toMatchObject({ code: "unknown-object" });
		const { weights, weightsSizeBytes } = await harness.send("ann");
		expect(await read(weights, 3)).toBe(weightsSizeBytes - 3);
	});

	test("malformed requests are refused at the door", async () => {
		await using harness = await start();
		const { calls } = harness.server;
		const info = { numSamples: 1, details: {} };
		for (const site of ["", "../up", "a b", "x".repeat(64)]) {
			await expect(calls.unary("registerNode", { site, info })).rejects.toMatchObject({
				code: "bad-message",
			});
		}
		const nodeId = await harness.join("ann");
		const bad = calls.unary("pullTask", { nodeId, waitMs: -1 });
		await expect(bad).rejects.toMatchObject({ code: "bad-message" });
	});
});

describe("the server's own trouble", () => {
	test("a full disk stops the round loop with its code; the site may try again", async () => {
		const disk = smallDisk(1e6);
		await using dir = await temporaryDir();
		const store = await openObjectStore(dir.path, disk);
		await using server = createServer({ store, clock: manualClock() });
		const info = { numSamples: 1, details: {} };
		const { nodeId } = await server.calls.unary("registerNode", { site: "ann", info });
		const weights = await store.put([encodeSafetensors(toyWeights())]);
		const message: TaskMessage = {
			taskId: "t",
			phase: "train",
			runId: "run",
			round: 1,
			seed: 0,
			numLocalSteps: 1,
			globalStep: 0,
			totalSteps: 1,
			proximalMu: 0,
			learning: null,
			weights: weights.sha256,
			weightsSizeBytes: weights.sizeBytes,
		};
		server.grid.send([{ site: "ann", message, expects: SPECS }]);
		disk.refill(0);
		const update = updateOf(changed("b", float32Array([1], [4])));
		await expect(push(server, { nodeId, task: message, ...update })).rejects.toMatchObject({
			code: "unavailable",
		});
		(await server.grid.next()).settle();
		await expect(server.grid.next()).rejects.toMatchObject({ code: "disk-full" });
	});
});
