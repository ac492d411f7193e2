// Calls of a server that is away.
import { afterEach, expect, test, vi } from "vitest";
import { z } from "zod";
import { change, read, wordsOf } from "./api.ts";
import { isPassing } from "./stream.ts";

afterEach(() => vi.unstubAllGlobals());

const failure = (call: Promise<unknown>): Promise<unknown> => call.catch((error: unknown) => error);

test("a server that is away is said to be so in our words, and trying again may help", async () => {
	const body = new ReadableStream({
		start: (controller) => controller.error(new TypeError("network error")),
	});
	for (const answer of [
		Promise.reject(new TypeError("Failed to fetch")),
		Promise.resolve(new Response(body)),
	]) {
		vi.stubGlobal("fetch", () => answer);
		const error = await failure(read("/members", z.unknown()));
		expect([wordsOf(error), isPassing(error)]).toEqual(["zk0 cannot be reached now", true]);
	}
	vi.stubGlobal("fetch", () => Promise.reject(new TypeError("Failed to fetch")));
	const refused = await failure(change("POST", "/invitations", { csrfToken: "t", schema: z.unknown() }));
	expect(wordsOf(refused)).toBe("zk0 cannot be reached now");
});
