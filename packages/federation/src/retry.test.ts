import { FlowerError } from "@zk0/flower";
import { describe, expect, test } from "vitest";
import type { Clock } from "./clock.ts";
import { createBackoff } from "./retry.ts";

const lost = new FlowerError("unavailable", "lost");

/** A clock that does not wait and notes how long it was asked to. */
function notingClock(): Clock & { readonly pausesMs: number[] } {
	const pausesMs: number[] = [];
	return {
		pausesMs,
		now: () => 0,
		sleep: (durationMs) => {
			pausesMs.push(durationMs);
			return Promise.resolve();
		},
	};
}

describe("createBackoff", () => {
	test("doubles its pauses up to the longest, with at most a quarter on top, the same for the same name", async () => {
		const runs = await Promise.all(
			["ann", "ann", "bob"].map(async (name) => {
				const clock = notingClock();
				const backoff = createBackoff(name, clock, { attempts: Number.POSITIVE_INFINITY, maxDelayMs: 1000 });
				for (let failure = 0; failure < 8; failure++) await backoff.pause(lost, undefined);
				return clock.pausesMs;
			}),
		);
		const [ann = [], again, bob] = runs;
		for (const [index, delayMs] of [100, 200, 400, 800, 1000, 1000, 1000, 1000].entries()) {
			expect(ann[index]).toBeGreaterThanOrEqual(delayMs);
			expect(ann[index]).toBeLessThanOrEqual(delayMs * 1.25);
		}
		expect(again).toEqual(ann);
		expect(bob).not.toEqual(ann);
	});

	test("gives up after the attempts allowed; a success in between starts the count again", async () => {
		const backoff = createBackoff("ann", notingClock(), { attempts: 3 });
		await backoff.pause(lost, undefined);
		await backoff.pause(lost, undefined);
		backoff.reset();
		await backoff.pause(lost, undefined);
		await backoff.pause(lost, undefined);
		await expect(backoff.pause(lost, undefined)).rejects.toBe(lost);
	});

	test("does not repeat what cannot succeed", async () => {
		const clock = notingClock();
		const backoff = createBackoff("ann", clock);
		for (const failure of [new FlowerError("invalid-argument", "no"), new TypeError("bug"), "odd"]) {
			await expect(backoff.pause(failure, undefined)).rejects.toBe(failure);
		}
		expect(clock.pausesMs).toEqual([]);
	});
});
