import { describe, expect, test } from "vitest";
import { manualClock, systemClock } from "./clock.ts";

describe("manualClock", () => {
	test("wakes sleeps whose time has come, in order, and no others", async () => {
		const clock = manualClock(100);
		const woken: string[] = [];
		const late = clock.sleep(50).then(() => woken.push("late"));
		const early = clock.sleep(10).then(() => woken.push("early"));
		void clock.sleep(1000);
		clock.advance(9);
		await Promise.resolve();
		expect(woken).toEqual([]);
		clock.advance(60);
		await Promise.all([late, early]);
		expect(woken).toEqual(["early", "late"]);
		expect(clock.now()).toBe(169);
		expect(clock.numSleepers).toBe(1);
	});

	test("a cancelled sleep rejects at once and leaves nothing behind", async () => {
		const clock = manualClock();
		const cancel = new AbortController();
		const sleep = clock.sleep(10, { signal: cancel.signal });
		cancel.abort(new RangeError("enough"));
		await expect(sleep).rejects.toMatchObject({ code: "cancelled" });
		await expect(clock.sleep(10, { signal: cancel.signal })).rejects.toMatchObject({ code: "cancelled" });
		expect(clock.numSleepers).toBe(0);
	});
});

describe("systemClock", () => {
	test("tells the time and sleeps until done or cancelled", async () => {
		const clock = systemClock();
		expect(Math.abs(clock.now() - Date.now())).toBeLessThan(1000);
		await expect(clock.sleep(0)).resolves.toBeUndefined();
		await expect(clock.sleep(60_000, { signal: AbortSignal.timeout(1) })).rejects.toMatchObject({
			code: "cancelled",
		});
	});
});
