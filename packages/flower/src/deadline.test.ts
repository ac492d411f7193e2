import { describe, expect, test } from "vitest";
import { startDeadline } from "./deadline.ts";
import { FlowerError } from "./errors.ts";

const numTimers = (): number => process.getActiveResourcesInfo().filter((kind) => kind === "Timeout").length;

describe("deadline", () => {
	test("leaves no timer and no listener behind", async () => {
		const { signal } = new AbortController();
		const before = numTimers();
		{
			using deadline = startDeadline({ signal, timeoutMs: 60_000 }, "/a/B");
			expect(numTimers()).toBe(before + 1);
			expect(await deadline.race(Promise.resolve(7))).toBe(7);
		}
		expect(numTimers()).toBe(before);
	});

	test("names what ended the work first", async () => {
		const never = new Promise<never>(() => undefined);
		using late = startDeadline({ timeoutMs: 1 }, "/a/B");
		await expect(late.race(never)).rejects.toMatchObject({ code: "deadline-exceeded", method: "/a/B" });
		using stopped = startDeadline({ signal: AbortSignal.abort("why") }, "/a/B");
		await expect(stopped.race(never)).rejects.toMatchObject({ code: "cancelled", cause: "why" });
		using closed = startDeadline({}, "/a/B");
		closed.abort(new FlowerError("unavailable", "closed"));
		await expect(closed.race(never)).rejects.toMatchObject({ code: "unavailable" });
		using failed = startDeadline({}, "/a/B");
		await expect(failed.race(Promise.reject(new RangeError("work")))).rejects.toThrow("work");
	});

	test.each([0, -1, Number.NaN])("%d ms is no time limit", (timeoutMs) => {
		expect(() => startDeadline({ timeoutMs }, "/a/B")).toThrow(RangeError);
	});
});
