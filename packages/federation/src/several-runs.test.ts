// Two runs on one server: calls of a node reach the run that they are about.
import { join } from "node:path";
import { encodeSafetensors } from "@zk0/arrays";
import { expect, test } from "vitest";
import type { Outcome } from "./grid.ts";
import { openObjectStore } from "./object-store.ts";
import { SPECS, startServer, taskOf } from "./testing/server-harness.ts";
import { temporaryDir, toyWeights } from "./testing/toy-app.ts";

test("tasks, replies and withdrawals of two runs do not mix", async () => {
	await using dir = await temporaryDir();
	await using harness = await startServer();
	const node = await harness.join("ann");
	const store = await openObjectStore(join(dir.path, "other"));
	const weights = await store.put([encodeSafetensors(toyWeights())]);
	const other = harness.server.openGrid(store);
	const seen: Outcome[] = [];
	const reading = (async () => {
		for (;;) {
			const next = await other.next();
			seen.push(next.outcome);
			next.settle();
		}
	})().catch((error: unknown) => error);
	const mine = await harness.task(node, "ann");
	// The other run has not begun: what it may be about is not unwanted.
	expect(await node.beat(["f".repeat(64)])).toEqual([]);
	const message = taskOf("1", { runId: "other", weights: weights.sha256 });
	const before = harness.clock.now();
	other.send([{ site: "ann", message, expects: SPECS }]);
	expect((await node.pull())?.instruction.id).toBe(mine.instruction.id);
	// Whoever works for one run does not hang for the other.
	harness.clock.advance(250);
	await node.beat([mine.instruction.id]);
	await node.pull();
	expect(other.activeAtMs("1")).toBe(before + 250);
	const reply = await node.reply(mine, { kind: "update", numSamples: 2, metrics: {} }, toyWeights());
	expect(await node.push(reply, mine)).toBeUndefined();
	const theirs = await node.pull();
	if (theirs === undefined) throw new RangeError("no task of the other run");
	expect(theirs.task.runId).toBe("other");
	const answer = await node.reply(theirs, { kind: "update", numSamples: 3, metrics: {} }, toyWeights());
	expect(await node.push(answer, theirs)).toBeUndefined();
	expect(harness.outcomes.at(-1)).toMatchObject({ kind: "update", numSamples: 2 });
	expect(seen.at(-1)).toMatchObject({ kind: "update", numSamples: 3 });
	other.send([
		{
			site: "ann",
			message: taskOf("2", { runId: "other", round: 2, weights: weights.sha256 }),
			expects: SPECS,
		},
	]);
	const last = await node.pull();
	if (last === undefined) throw new RangeError("no task");
	await other[Symbol.asyncDispose]();
	expect(await reading).toMatchObject({ code: "closed" });
	// The run is over: its task is unwanted, and a result of it is refused instead of tried for ever.
	expect(await node.beat([last.instruction.id])).toEqual([last.instruction.id]);
	const late = await node.reply(last, { kind: "update", numSamples: 3, metrics: {} }, toyWeights());
	expect(await node.push(late, last)).toMatchObject({ code: "late" });
});
