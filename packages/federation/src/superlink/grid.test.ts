import { encodeSafetensors, float32Array, type NamedArrays } from "@zk0/arrays";
import {
	arrayRecord,
	deflateContent,
	deflateMessage,
	type FlowerRecord,
	flowerArray,
	memoryTransport,
	metricRecord,
	replyMetadata,
} from "@zk0/flower";
import { afterEach, beforeEach, expect, test } from "vitest";
import { systemClock } from "../clock.ts";
import type { Grid, Outcome } from "../grid.ts";
import { type ObjectStore, openObjectStore } from "../object-store.ts";
import { type FakeServerAppIo, fakeServerAppIo } from "../testing/fake-server-app-io.ts";
import { SPECS, taskOf } from "../testing/server-harness.ts";
import { temporaryDir, toyWeights } from "../testing/toy-app.ts";
import { openSuperLinkGrid } from "./grid.ts";
import { type SuperLinkRun, takeSuperLinkRun } from "./server-app.ts";

const clock = systemClock();
const ANN = "node-00000000000000000007";
let dir: Awaited<ReturnType<typeof temporaryDir>>;
let superlink: FakeServerAppIo;
let store: ObjectStore;
let run: SuperLinkRun;
let grid: Grid & AsyncDisposable;
let weights = "";

beforeEach(async () => {
	dir = await temporaryDir();
	superlink = fakeServerAppIo(clock);
	superlink.nodes.add(7n);
	// Run 5 goes to somebody else.
	superlink.waiting.push(5n, 6n);
	store = await openObjectStore(dir.path);
	weights = (await store.put([encodeSafetensors(toyWeights())])).sha256;
	const transport = memoryTransport(superlink.routes);
	const { signal } = new AbortController();
	run = await takeSuperLinkRun({ transport, clock, signal, onWaiting: () => undefined });
	grid = await openSuperLinkGrid({ run, store, clock, pollMs: 2 });
});
afterEach(async () => {
	await grid[Symbol.asyncDispose]();
	await run[Symbol.asyncDispose]();
	await dir[Symbol.asyncDispose]();
});

async function next(): Promise<Outcome> {
	const one = await grid.next();
	one.settle();
	return one.outcome;
}

function send(taskId: string, phase: "train" | "evaluate", site = ANN, clipNorm: number | null = null): void {
	const message = taskOf(taskId, { phase, weights, clipNorm, createdAtMs: clock.now() });
	grid.send([{ site, message, expects: phase === "train" ? SPECS : null }]);
}

/** Lets nodes answer with these tensors and metrics. */
function answerWith(tensors: NamedArrays | null, numExamples: bigint): void {
	superlink.answer = async ({ metadata }, id) => {
		const records = new Map<string, FlowerRecord>();
		const entries = [...(tensors ?? [])].map(([name, array]) => [name, flowerArray(array)] as const);
		if (tensors !== null) records.set("arrays", arrayRecord(entries));
		records.set(
			"metrics",
			metricRecord([
				["loss", 0.25],
				["num-examples", numExamples],
			]),
		);
		return deflateMessage(replyMetadata(metadata, id, clock.now() / 1000), await deflateContent(records));
	};
}

test("nodes train and evaluate; what they send is checked, stored, and not signed", async () => {
	expect([run.runId, run.app]).toEqual([6n, "zk0/toy 1.0.0"]);
	expect(await next()).toMatchObject({ kind: "joined", site: ANN, info: { numSamples: null } });
	expect(grid.sites().map(({ site }) => site)).toEqual([ANN]);
	answerWith(toyWeights(), 4n);
	send("1", "train", ANN, 1);
	const update = await next();
	expect(update).toMatchObject({
		kind: "update",
		numSamples: 4,
		signed: null,
		norm: 0,
		metrics: { loss: 0.25 },
	});
	expect(await store.verify(update.kind === "update" ? update.sha256 : "")).toBe(true);
	answerWith(null, 4n);
	send("2", "evaluate");
	expect(await next()).toMatchObject({ kind: "evaluation", loss: 0.25 });
	while (superlink.confirmed.length < 2) await new Promise(setImmediate);
	expect([grid.traffic(), grid.activeAtMs("2")]).toEqual([null, null]);
	await run.finish("completed", "");
	await run.finish("failed", "only the first counts");
	expect(superlink.endings).toEqual([{ subStatus: "completed", details: "" }]);
});

test("bad updates, failing apps, nodes that went and messages that are not taken end their tasks", async () => {
	await next();
	answerWith(new Map([["w", float32Array([3], [1, 2, 3])]]), 4n);
	send("1", "train");
	expect(await next()).toMatchObject({ kind: "rejected", code: "missing-tensor", endsTask: true });
	answerWith(toyWeights(), 0n);
	send("2", "train");
	expect(await next()).toMatchObject({ kind: "rejected", code: "zero-samples" });
	answerWith(new Map([...toyWeights(), ["b", float32Array([1], [Number.NaN])]]), 4n);
	send("3", "train");
	expect(await next()).toMatchObject({ kind: "rejected", code: "not-finite" });
	answerWith(null, -1n);
	send("4", "evaluate");
	expect(await next()).toMatchObject({ kind: "rejected", code: "bad-file" });
	superlink.answer = async ({ metadata }, id) =>
		deflateMessage(replyMetadata(metadata, id, clock.now() / 1000), { code: 5, reason: "Node Unavailable" });
	send("5", "train");
	expect(await next()).toMatchObject({ kind: "failure", message: "Node Unavailable", task: { taskId: "5" } });
	send("6", "train", "node-nobody");
	expect(await next()).toMatchObject({
		kind: "failure",
		message: expect.stringContaining("not at the SuperLink"),
	});
	// A task that is withdrawn before its answer is nobody's any more.
	superlink.answer = () => Promise.resolve(undefined);
	send("7", "train");
	grid.withdraw(["7", "never sent"]);
	superlink.nodes.clear();
	superlink.nodes.add(9n);
	expect([await next(), await next()]).toMatchObject([
		{ kind: "joined", site: "node-00000000000000000009" },
		{ kind: "left", site: ANN, reason: "offline" },
	]);
});

test("a run that is stopped at the SuperLink ends here", async () => {
	await next();
	superlink.stop();
	await expect(grid.next()).rejects.toMatchObject({
		code: "closed",
		message: expect.stringContaining("Stopped by user"),
	});
	await expect(run.finish("failed", "stopped")).rejects.toMatchObject({ code: "closed" });
});
