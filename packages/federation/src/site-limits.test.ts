// Limits of a site's own: hours, and which tasks it takes.
import { expect, test } from "vitest";
import { systemClock } from "./clock.ts";
import type { RoundEvent } from "./events.ts";
import { limitedInfo, pauseOf, takesPhase } from "./site-limits.ts";
import { startServer } from "./testing/server-harness.ts";
import { temporaryDir, toyApp } from "./testing/toy-app.ts";
import { ofKind, simulateToy, theKind } from "./testing/toy-run.ts";

const NONE = { accepts: null, hoursAt: null };

test("limits travel in a site's details", () => {
	const info = { numSamples: 3, details: { robot: "toy" } };
	expect(limitedInfo(info, NONE, null)).toEqual(info);
	const limited = limitedInfo(info, { ...NONE, accepts: ["evaluate"] }, "lunch");
	expect([pauseOf(info), pauseOf(limited)]).toEqual([null, "lunch"]);
	expect([takesPhase(info, "train"), takesPhase(limited, "train"), takesPhase(limited, "evaluate")]).toEqual([
		true,
		false,
		true,
	]);
});

test("a site that pauses is not there for runs, keeps its task and comes back", async () => {
	await using harness = await startServer();
	const node = await harness.join("ann");
	const task = await harness.task(node, "ann");
	await node.activate("ann", { paused: "lunch until 13:00" });
	expect(harness.grid.sites()).toEqual([]);
	expect(harness.server.sites().map(({ info }) => pauseOf(info))).toEqual(["lunch until 13:00"]);
	expect(harness.outcomes.at(-1)).toMatchObject({
		kind: "left",
		reason: "paused",
		message: "lunch until 13:00",
	});
	expect(await node.beat([task.instruction.id])).toEqual([]);
	await node.activate("ann");
	expect(harness.outcomes.at(-1)).toMatchObject({ kind: "joined", site: "ann" });
	expect((await node.pull())?.instruction.id).toBe(task.instruction.id);
});

test("who takes no training only measures; a task outside a site's hours waits for them", async () => {
	await using dir = await temporaryDir();
	let isOpen = true;
	const clock = systemClock();
	const sites = ["ann", "bob", "cyd"].map((site) => ({
		site,
		app: toyApp(site),
		...(site === "cyd" ? { limits: { ...NONE, accepts: ["evaluate"] as const } } : {}),
		...(site === "bob"
			? { limits: { ...NONE, hoursAt: () => ({ isOpen, changesAtMs: clock.now() + 20, reason: "lunch" }) } }
			: {}),
	}));
	const events: RoundEvent[] = [];
	for await (const event of simulateToy(dir.path, {
		sites,
		numRounds: 1,
		offlineSites: "wait",
		minSitesToStart: 2,
	})) {
		events.push(event);
		if (event.kind === "round.started") {
			isOpen = false;
			setTimeout(() => {
				isOpen = true;
			}, 100);
		}
	}
	expect(theKind(events, "round.started").sites).toEqual(["ann", "bob"]);
	expect(theKind(events, "round.accepted").updates).toHaveLength(2);
	expect(ofKind(events, "site.evaluated").filter(({ site }) => site === "cyd").length).toBeGreaterThan(0);
});
