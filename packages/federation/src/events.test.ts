import { describe, expect, test } from "vitest";
import { roundEventSchema } from "./event-schema.ts";
import type { RoundEvent } from "./events.ts";
import { replayRun } from "./run-state.ts";
import { temporaryDir, toyApp } from "./testing/toy-app.ts";
import { simulateToy } from "./testing/toy-run.ts";

describe("roundEventSchema", () => {
	test("accepts every event of a run as it is, after JSON, and nothing with a field changed", async () => {
		await using dir = await temporaryDir();
		const sites = ["ann", "bob"].map((site) => ({ site, app: toyApp(site) }));
		const events: RoundEvent[] = [];
		for await (const event of simulateToy(dir.path, { sites, numRounds: 1 })) events.push(event);
		expect(new Set(events.map(({ kind }) => kind)).size).toBeGreaterThan(9);
		for (const event of events) {
			const json: Record<string, unknown> = JSON.parse(JSON.stringify(event));
			expect(roundEventSchema.parse(json)).toEqual(event);
			for (const name of Object.keys(json)) {
				// Free-form fields take any JSON.
				if (name === "learning" || name === "strategyState") continue;
				expect(roundEventSchema.safeParse({ ...json, [name]: () => undefined }).success).toBe(false);
				expect(roundEventSchema.safeParse({ ...json, [name]: undefined }).success).toBe(false);
			}
		}
	});

	test("missing values are null, never 0 and never NaN", () => {
		const at = "2026-01-01T00:00:00.000Z";
		const event = {
			kind: "site.evaluated",
			at,
			round: 1,
			site: "a",
			loss: null,
			numSamples: 0,
			metrics: { x: null },
		};
		expect(roundEventSchema.parse(event)).toEqual(event);
		expect(roundEventSchema.safeParse({ ...event, loss: Number.NaN }).success).toBe(false);
	});
});

describe("replayRun", () => {
	test("events that only tell leave the state as it is, and an event of another round changes nothing", () => {
		const at = "2026-01-01T00:00:00.000Z";
		const start: RoundEvent = {
			kind: "round.started",
			at,
			round: 3,
			attempt: 1,
			sites: ["a"],
			proximalMu: 0,
		};
		const base = replayRun([start]);
		const others: RoundEvent[] = [
			{ kind: "run.waiting", at, numOnline: 0, numNeeded: 1 },
			{ kind: "site.left", at, site: "a", reason: "left" },
			{ kind: "task.sent", at, round: 3, phase: "train", site: "a" },
			{ kind: "run.stopped", at, round: 3 },
			{ kind: "run.failed", at, code: "too-few-sites", message: "" },
			{ kind: "round.failed", at, round: 2, attempt: 1, numReceived: 0, numNeeded: 1 },
		];
		for (const event of others) expect(replayRun([start, event])).toEqual(base);
	});
});
