// Results that come after the server was restarted: kept and named when their round went on without them, refused for
// good when their run is over, and then kept at the site.
import { mkdir, readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { encodeSafetensors, float32ToBfloat16, type NamedArrays, ndArray, toFloat32 } from "@zk0/arrays";
import { writeSafetensorsFile } from "@zk0/arrays/node";
import { createNodeIdentity, type NodeIdentity } from "@zk0/flower";
import { expect, test, vi } from "vitest";
import { type Clock, systemClock } from "./clock.ts";
import { openEventLog } from "./event-log.ts";
import type { RoundEvent } from "./events.ts";
import { type Members, openMembers } from "./members.ts";
import { runNumber } from "./node-id.ts";
import { openObjectStore } from "./object-store.ts";
import { keepRefused } from "./refused-results.ts";
import { rounds } from "./rounds.ts";
import { createServer, type FederationServer } from "./server.ts";
import { fedAvg } from "./strategies/fedavg.ts";
import type { ReceivedTask } from "./task-runner.ts";
import { taskOf } from "./testing/server-harness.ts";
import { joinAs, type TestNode } from "./testing/test-node.ts";
import { temporaryDir, toyWeights } from "./testing/toy-app.ts";
import { ofKind, theKind } from "./testing/toy-run.ts";
import type { UpdateDtype } from "./update-dtype.ts";

const onFault = (cause: unknown): void => {
	throw cause;
};

/** What a test does in one life of the server. */
interface Hands {
	readonly server: FederationServer;
	readonly joinWith: (site: string, identity: NodeIdentity) => Promise<TestNode>;
	readonly stop: () => void;
}

interface Parts {
	readonly members: Members;
	readonly clock: Clock;
	readonly updateDtype: UpdateDtype;
	readonly minSites: number;
}

/** One life of a server with a run under rules that wait for nobody but a quorum of one. */
async function life(dir: string, parts: Parts, work: (hands: Hands) => Promise<void>): Promise<RoundEvent[]> {
	const { members, clock, updateDtype, minSites } = parts;
	const stopping = new AbortController();
	await using server = createServer({ members, clock, offlineAfterMs: 600_000, onFault });
	const store = await openObjectStore(join(dir, "store"));
	await using log = await openEventLog(join(dir, "events.jsonl"));
	await using grid = server.openGrid(store);
	const events: RoundEvent[] = [];
	const running = (async () => {
		const run = rounds({
			runId: "run",
			seed: 7,
			numRounds: 2,
			numLocalSteps: 1,
			learning: null,
			strategy: fedAvg(),
			initialWeightsPath: join(dir, "initial.safetensors"),
			minSites,
			quorum: 1,
			offlineSites: "wait",
			updateDtype,
			grid,
			log,
			store,
			clock,
			signal: stopping.signal,
		});
		for await (const event of run) events.push(event);
	})();
	await work({
		server,
		joinWith: (site, identity) => joinAs({ routes: server.routes, site, clock, dir, identity }),
		stop: () => stopping.abort(),
	});
	await running;
	return events;
}

async function nextTask(node: TestNode, phase: "train" | "evaluate", round: number): Promise<ReceivedTask> {
	const task = await node.pull({ waitMs: 60_000 });
	expect(task?.task).toMatchObject({ phase, round });
	if (task === undefined) throw new RangeError("no task");
	return task;
}

const update = { kind: "update", numSamples: 5, metrics: {} } as const;
const evaluation = { kind: "evaluation", loss: 1, numSamples: 5, metrics: {} } as const;

/** As the difference that travels in bfloat16. */
function rounded(weights: NamedArrays): NamedArrays {
	return new Map(
		[...weights].map(([name, array]) => {
			const values = toFloat32(array).map((value) => value / 2 + 1);
			return [name, ndArray("bfloat16", array.shape, float32ToBfloat16(values))];
		}),
	);
}

async function evaluate(node: TestNode, round: number): Promise<void> {
	const task = await nextTask(node, "evaluate", round);
	expect(await node.push(await node.reply(task, evaluation), task)).toBeUndefined();
}

const keys = { ann: createNodeIdentity("prime256v1"), bob: createNodeIdentity("prime256v1") };

/** A life in which round 1 goes on without bob, who has its task. @returns bob's task, and what happened */
async function withoutBob(dir: string, parts: Parts, tensors: NamedArrays) {
	await writeSafetensorsFile(join(dir, "initial.safetensors"), toyWeights());
	const late: ReceivedTask[] = [];
	const events = await life(dir, parts, async ({ server, joinWith, stop }) => {
		const ann = await joinWith("ann", keys.ann);
		const bob = await joinWith("bob", keys.bob);
		await evaluate(ann, 0);
		await evaluate(bob, 0);
		late.push(await nextTask(bob, "train", 1));
		const task = await nextTask(ann, "train", 1);
		expect(await ann.push(await ann.reply(task, update, tensors), task)).toBeUndefined();
		server.disconnect("bob", "its network is gone");
		await nextTask(ann, "evaluate", 1);
		stop();
	});
	expect(theKind(events, "round.closed")).toMatchObject({ round: 1, without: ["bob"] });
	const [task] = late;
	if (task === undefined) throw new RangeError("no task");
	return task;
}

test.each(["float32", "bfloat16"] as const)(
	"an update in %s whose round went on without it is kept and named by the next life of the server",
	async (updateDtype) => {
		await using dir = await temporaryDir();
		const parts = { members: openMembers(), clock: systemClock(), updateDtype, minSites: 1 };
		const tensors = updateDtype === "float32" ? toyWeights() : rounded(toyWeights());
		const task = await withoutBob(dir.path, parts, tensors);
		const second = await life(dir.path, parts, async ({ joinWith, stop }) => {
			const bob = await joinWith("bob", keys.bob);
			const reply = await bob.reply(task, update, tensors);
			// Until the run has read its log, the server says that it will come.
			await vi.waitFor(async () => expect(await bob.push(reply, task)).toBeUndefined(), { interval: 5 });
			stop();
		});
		const kept = theKind(second, "update.late");
		expect(kept).toMatchObject({ site: "bob", round: 1, numSamples: 5 });
		const store = await openObjectStore(join(dir.path, "store"));
		expect(await store.verify(kept.sha256)).toBe(true);
		expect(ofKind(second, "update.rejected")).toEqual([]);
	},
);

test("a run with a quorum goes on after a restart, a moment later, although a site is away", async () => {
	await using dir = await temporaryDir();
	const parts = {
		members: openMembers(),
		clock: systemClock(),
		updateDtype: "float32",
		minSites: 2,
	} as const;
	await withoutBob(dir.path, parts, toyWeights());
	const events = await life(dir.path, { ...parts, clock: quickClock() }, async ({ joinWith, stop }) => {
		const ann = await joinWith("ann", keys.ann);
		await nextTask(ann, "evaluate", 1);
		stop();
	});
	expect(theKind(events, "run.waiting")).toMatchObject({ numNeeded: 2 });
});

/** Time that passes twenty times as fast. */
function quickClock(): Clock {
	const clock = systemClock();
	const startMs = clock.now();
	return {
		now: () => startMs + (clock.now() - startMs) * 20,
		sleep: (ms, options) => clock.sleep(ms / 20, options),
	};
}

test("a result of a run that is over is refused for good, of one that may come it is not", async () => {
	await using dir = await temporaryDir();
	const clock = systemClock();
	const members = openMembers();
	const identity = createNodeIdentity("prime256v1");
	const received: ReceivedTask[] = [];
	{
		await using server = createServer({ members, clock, onFault });
		const store = await openObjectStore(join(dir.path, "store"));
		await using grid = server.openGrid(store);
		const ann = await joinAs({ routes: server.routes, site: "ann", clock, dir: dir.path, identity });
		const { sha256 } = await store.put([encodeSafetensors(toyWeights())]);
		const message = taskOf("1/evaluate/ann", {
			phase: "evaluate",
			weights: sha256,
			createdAtMs: clock.now(),
		});
		grid.send([{ site: "ann", message, expects: null }]);
		received.push(await nextTask(ann, "evaluate", 1));
	}
	let isQueued = true;
	const mayBegin = (run: bigint): boolean => isQueued && run === runNumber("run");
	await using server = createServer({ members, clock, mayBegin, onFault });
	const ann = await joinAs({ routes: server.routes, site: "ann", clock, dir: dir.path, identity });
	const [task] = received;
	if (task === undefined) throw new RangeError("no task");
	const reply = await ann.reply(task, evaluation);
	await expect(ann.push(reply, task)).rejects.toMatchObject({ code: "unavailable" });
	isQueued = false;
	expect(await ann.push(reply, task)).toMatchObject({ code: "late", reason: "the run is over" });
});

test("a site keeps the newest results that came too late, and nothing of those that were wrong", async () => {
	await using dir = await temporaryDir();
	const refusedDir = join(dir.path, "refused");
	const { taskId: _id, createdAtMs: _at, ...task } = taskOf("1/train/ann", {});
	const refusal = { code: "late", reason: "the run is over" };
	for (let index = 0; index < 5; index++) {
		const updatePath = join(dir.path, "update.safetensors");
		await writeSafetensorsFile(updatePath, toyWeights());
		const instructionId = `${index}`.repeat(64);
		const about = { instructionId, task, result: update, updatePath, isOwn: index % 2 === 0, nowMs: index };
		const path = join(refusedDir, `${instructionId.slice(0, 16)}.json`);
		expect(await keepRefused(refusedDir, { ...about, refusal })).toEqual({ kind: "kept", path });
		expect(JSON.parse(await readFile(path, "utf8"))).toMatchObject({ runId: "run", round: 1, refusal });
		const wrong = { code: "not-finite", reason: "NaN" };
		expect(await keepRefused(refusedDir, { ...about, refusal: wrong })).toEqual({ kind: "dropped" });
	}
	expect((await readdir(refusedDir)).sort()).toHaveLength(6);
	const unwritable = "b".repeat(64);
	await mkdir(join(refusedDir, `${unwritable.slice(0, 16)}.json`));
	const updatePath = join(dir.path, "update.safetensors");
	await writeSafetensorsFile(updatePath, toyWeights());
	const about = {
		instructionId: unwritable,
		task,
		result: update,
		updatePath,
		isOwn: true,
		nowMs: 9,
		refusal,
	};
	expect(await keepRefused(refusedDir, about)).toMatchObject({ kind: "not-kept" });
	expect(await readdir(refusedDir)).not.toContain(`${unwritable.slice(0, 16)}.safetensors`);
	const nowhere = { instructionId: "a".repeat(64), task, updatePath: null, isOwn: false, nowMs: 0 };
	await writeFile(join(dir.path, "file"), "");
	expect(
		await keepRefused(join(dir.path, "file"), { ...nowhere, result: evaluation, refusal }),
	).toMatchObject({
		kind: "not-kept",
	});
});
