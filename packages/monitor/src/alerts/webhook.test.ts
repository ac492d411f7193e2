// Alerts arrive once and in order, survive a receiver that fails for a while, and tell nobody the webhook's secret.
import { createServer, type IncomingMessage } from "node:http";
import { type Clock, systemClock } from "@zk0/federation";
import { afterEach, beforeEach, expect, test } from "vitest";
import { z } from "zod";
import type { MonitorError } from "../errors.ts";
import type { AlertChange } from "./alert.ts";
import { createWebhook, deliver, parseWebhook, testMessage } from "./webhook.ts";

const SECRET = "T0PS3CRET";
const received: { text: string; status: string }[] = [];
/** Statuses to answer with; 200 when there are no more. */
let answers: number[] = [];
let url = "";
const server = createServer((request, response) => {
	body(request)
		.then((text) => {
			const status = answers.shift() ?? 200;
			if (status === 200)
				received.push(z.object({ text: z.string(), status: z.string() }).parse(JSON.parse(text)));
			response.writeHead(status, status === 302 ? { location: "http://127.0.0.1:1/" } : {}).end("ignored");
		})
		.catch(() => response.destroy());
});

beforeEach(async () => {
	received.length = 0;
	answers = [];
	await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
	const address = server.address();
	url = `http://127.0.0.1:${typeof address === "object" ? address?.port : 0}/hooks/${SECRET}`;
});
afterEach(async () => {
	server.closeAllConnections();
	await new Promise((resolve) => server.close(resolve));
});

async function body(request: IncomingMessage): Promise<string> {
	let text = "";
	for await (const chunk of request) text += String(chunk);
	return text;
}

const change = (subject: string, status: AlertChange["status"] = "firing"): AlertChange => ({
	status,
	alert: {
		rule: "site-lost",
		subject,
		severity: "critical",
		message: `${subject} is offline`,
		cure: "start it",
		sinceMs: 0,
	},
	atMs: 1000,
});
/** Pauses pass at once and are counted. */
function countedClock(): Clock & { readonly pauses: number[] } {
	const pauses: number[] = [];
	return {
		pauses,
		now: () => 0,
		sleep: async (ms, { signal } = {}) => {
			signal?.throwIfAborted();
			pauses.push(ms);
		},
	};
}
const signal = new AbortController().signal;

test("alerts and their ends arrive in order, also when the receiver fails at first", async () => {
	answers = [503, 429];
	const ends: (MonitorError | null)[] = [];
	const clock = countedClock();
	const finished = new Promise<void>((resolve) => {
		const webhook = createWebhook({
			urlOf: async () => url,
			server: "fl.example.org",
			clock,
			onEnd: (_, error) => {
				ends.push(error);
				if (ends.length === 2) webhook[Symbol.asyncDispose]().then(resolve, resolve);
			},
		});
		webhook.send(change("barn"));
		webhook.send(change("barn", "resolved"));
	});
	await finished;
	expect(ends).toEqual([null, null]);
	expect(clock.pauses).toEqual([1000, 4000]);
	expect(received).toMatchObject([
		{ status: "firing", text: "[zk0 critical] barn is offline. What to do: start it" },
		{ status: "resolved", text: "[zk0 resolved] site-lost: barn" },
	]);
});

test.each([
	["refuses for good", [404], /answered 404$/, 0],
	["redirects", [302, 302], /cannot be reached after 2 tries$/, 1],
	["fails for good", [500, 500, 500], /answered 500 after 2 tries$/, 1],
])("a receiver that %s: the error names the host only", async (_, statuses, message, numPauses) => {
	answers = [...statuses];
	const clock = countedClock();
	const sent = deliver(url, testMessage("fl", 0), { clock, signal, retryMs: [1] });
	const said = await sent.then(String, String);
	expect(said).toMatch(message);
	expect(said).not.toContain(SECRET);
	expect(clock.pauses).toHaveLength(numPauses);
	expect(received).toEqual([]);
});

test("nobody at the other side, and what is no address at all", async () => {
	const gone = deliver(`http://127.0.0.1:1/${SECRET}`, testMessage("fl", 0), {
		clock: countedClock(),
		signal,
		retryMs: [],
	});
	await expect(gone).rejects.toMatchObject({ code: "webhook-failed" });
	expect(() => parseWebhook(`ftp://x/${SECRET}`)).toThrow(/not an http or https address$/);
});

test("disposal ends a message that waits for its next try; without an address nothing is sent", async () => {
	answers = [500];
	const ends: (MonitorError | null)[] = [];
	const webhook = createWebhook({
		urlOf: async () => url,
		server: "fl",
		clock: systemClock(),
		onEnd: (_, error) => ends.push(error),
	});
	webhook.send(change("barn"));
	await expect.poll(() => answers).toEqual([]);
	await webhook[Symbol.asyncDispose]();
	webhook.send(change("attic"));
	expect(ends).toEqual([]);
	const off = createWebhook({
		urlOf: async () => null,
		server: "fl",
		clock: systemClock(),
		onEnd: (_, error) => ends.push(error),
	});
	off.send(change("barn"));
	await off[Symbol.asyncDispose]();
	expect(received).toEqual([]);
});
