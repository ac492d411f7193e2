// What a client's owner is told of it.
import type { ClientView } from "@zk0/dashboard/views";
import { expect, test } from "vitest";
import { clientState } from "./client-state.ts";

const of = (pid: number | null, state: string | null): string => {
	const client: ClientView = { joined: null, pid, state, since: null, activity: null };
	const { word, text } = clientState(client);
	return `${word}: ${text}`;
};

test("a client that does not run says why where it knows", () => {
	expect(of(null, "ended: the key of ann was revoked; ask the operator")).toBe(
		"ended: The client ended by itself: the key of ann was revoked; ask the operator",
	);
	expect(of(null, "online, waiting for a task")).toMatch(/^not running: /);
	expect(of(null, "stopped")).toMatch(/^not running: /);
});

test("a client that runs has said something, or starts", () => {
	expect(of(7, null)).toMatch(/^starting: /);
	expect(of(7, "online, waiting for a task")).toMatch(/^connected: /);
	expect(of(7, "trying to reach the server: connect ECONNREFUSED")).toMatch(/^reconnecting: .*ECONNREFUSED$/);
});
