import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { createSemaphore, limitWork } from "./semaphore.ts";
import { toyApp } from "./testing/toy-app.ts";

describe("createSemaphore", () => {
	test("never runs more than it has room for, in order of asking, and loses nothing to failures", async () => {
		await fc.assert(
			fc.asyncProperty(
				fc.integer({ min: 1, max: 4 }),
				fc.array(fc.boolean(), { maxLength: 12 }),
				fc.scheduler(),
				async (numPermits, failures, scheduler) => {
					const semaphore = createSemaphore(numPermits);
					const started: number[] = [];
					let numRunning = 0;
					let mostRunning = 0;
					const runs = failures.map((fails, index) =>
						semaphore.run(async () => {
							started.push(index);
							mostRunning = Math.max(mostRunning, ++numRunning);
							await scheduler.schedule(Promise.resolve());
							numRunning--;
							if (fails) throw new RangeError("failed");
						}),
					);
					const ending = Promise.allSettled(runs);
					await scheduler.waitFor(ending);
					const outcomes = (await ending).map(({ status }) => status);
					expect(outcomes).toEqual(failures.map((fails) => (fails ? "rejected" : "fulfilled")));
					expect(started).toEqual(failures.map((_, index) => index));
					expect(mostRunning).toBeLessThanOrEqual(numPermits);
				},
			),
			{ numRuns: 50 },
		);
	});

	test("a wait that is cancelled leaves the queue; the next one gets its turn", async () => {
		const semaphore = createSemaphore(1);
		let finish = (): void => undefined;
		const first = semaphore.run(() => new Promise<void>((resolve) => (finish = resolve)));
		const cancel = new AbortController();
		const second = semaphore
			.run(() => Promise.resolve("second"), cancel.signal)
			.catch((error: unknown) => error);
		const third = semaphore.run(() => Promise.resolve("third"));
		cancel.abort();
		expect(await second).toMatchObject({ code: "cancelled" });
		finish();
		await first;
		expect(await third).toBe("third");
		const late = semaphore.run(() => Promise.resolve(1), cancel.signal);
		await expect(late).rejects.toMatchObject({ code: "cancelled" });
	});

	test.each([0, -1, 1.5, Number.NaN])("refuses %d permits", (numPermits) => {
		expect(() => createSemaphore(numPermits)).toThrow(RangeError);
	});

	test("limits an app without changing it", () => {
		const app = toyApp("ann");
		expect(limitWork(app, createSemaphore(1)).describe()).toEqual(app.describe());
	});
});
