// The end of a session that another tab has opened anew.
import { afterEach, expect, test, vi } from "vitest";
import { signOut } from "./session.ts";

afterEach(() => vi.unstubAllGlobals());

test("signing out ends the session that the browser has now, whichever tab has opened it", async () => {
	const asked: unknown[] = [];
	vi.stubGlobal("fetch", (path: string, init: RequestInit = {}) => {
		asked.push([init.method ?? "GET", path, new Headers(init.headers).get("x-csrf-token")]);
		const session = { name: "olga", role: "operator", csrfToken: "newest" };
		return Promise.resolve(new Response(JSON.stringify(init.method === undefined ? session : {})));
	});
	await signOut();
	expect(asked).toEqual([
		["GET", "/api/session", null],
		["DELETE", "/api/session", "newest"],
	]);
});
