// A stream through what happens to it: refusals, a server that is away, a session that ends, a tab that nobody looks at.
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { type Following, followStream } from "./stream.ts";

/** The browser's streams, as the tests drive them. */
class FakeSource extends EventTarget {
	static readonly CLOSED = 2;
	static opened: FakeSource[] = [];
	readyState = 0;
	readonly url: string;

	constructor(url: string) {
		super();
		this.url = url;
		FakeSource.opened.push(this);
	}

	close(): void {
		this.readyState = FakeSource.CLOSED;
	}

	refuse(): void {
		this.close();
		this.dispatchEvent(new Event("error"));
	}
}

let page: EventTarget & { hidden: boolean };
let session: () => Promise<Response>;
let told: string[];
let following: Following;
const answer = (body: string, status = 200): Promise<Response> =>
	Promise.resolve(new Response(body, { status }));

function follow(begin: () => Promise<string> = () => Promise.resolve("/api/stream")): void {
	following = followStream({
		begin,
		on: { count: (data, id) => told.push(`count ${JSON.stringify(data)} ${id}`) },
		onLink: (link) => told.push(link),
		onFailure: (error) => told.push(String(error)),
		onSignedOut: () => told.push("signed out"),
	});
}
const settle = (): Promise<unknown> => vi.advanceTimersByTimeAsync(0);
const newest = (): FakeSource => FakeSource.opened.at(-1) ?? expect.fail("no stream was opened");

beforeEach(() => {
	vi.useFakeTimers();
	FakeSource.opened = [];
	told = [];
	page = Object.assign(new EventTarget(), { hidden: false });
	session = () => answer('{"name":"olga","role":"operator","csrfToken":"t"}');
	vi.stubGlobal("EventSource", FakeSource);
	vi.stubGlobal("document", page);
	vi.stubGlobal("fetch", () => session());
});
afterEach(() => {
	following.close();
	vi.unstubAllGlobals();
	vi.useRealTimers();
});

test("messages come with their ids, and what a page does not understand is said", async () => {
	follow();
	await settle();
	newest().dispatchEvent(new Event("open"));
	newest().dispatchEvent(new MessageEvent("count", { data: "7", lastEventId: "3" }));
	newest().dispatchEvent(new MessageEvent("count", { data: "half", lastEventId: "3" }));
	expect(told).toEqual(["live", "count 7 3", expect.stringContaining("SyntaxError")]);
});

test("a refused stream is tried again while there is a session, also when a proxy answers for a dead server", async () => {
	follow();
	await settle();
	session = () => answer("<html>Bad Gateway</html>", 502);
	newest().refuse();
	await vi.advanceTimersByTimeAsync(2000);
	expect(FakeSource.opened).toHaveLength(2);
	session = () => Promise.reject(new TypeError("Failed to fetch"));
	newest().refuse();
	await vi.advanceTimersByTimeAsync(2000);
	expect(FakeSource.opened).toHaveLength(3);
	session = () => answer("null");
	newest().refuse();
	await vi.advanceTimersByTimeAsync(10_000);
	expect(FakeSource.opened).toHaveLength(3);
	expect(told.filter((word) => word !== "lost")).toEqual(["signed out"]);
});

test("what has to be read before is waited for, and a run that is not there is not asked for again", async () => {
	let tries = 0;
	follow(() => {
		tries++;
		return tries < 3
			? Promise.reject(new TypeError("Failed to fetch"))
			: Promise.resolve("/api/stream?seen=5");
	});
	await vi.advanceTimersByTimeAsync(4000);
	expect(newest().url).toBe("/api/stream?seen=5");
	following.close();
	tries = 0;
	follow(() => {
		tries++;
		return Promise.reject(new RangeError("there is no such run"));
	});
	await vi.advanceTimersByTimeAsync(10_000);
	expect([tries, told.at(-1)]).toEqual([1, "RangeError: there is no such run"]);
});

test("a hidden tab holds no connection, and goes on when it is looked at", async () => {
	page.hidden = true;
	follow();
	await settle();
	expect(FakeSource.opened).toEqual([]);
	const show = async (hidden: boolean): Promise<void> => {
		page.hidden = hidden;
		page.dispatchEvent(new Event("visibilitychange"));
		await settle();
	};
	await show(false);
	const first = newest();
	await show(true);
	expect(first.readyState).toBe(FakeSource.CLOSED);
	await show(false);
	expect(FakeSource.opened).toHaveLength(2);
	following.close();
	expect(newest().readyState).toBe(FakeSource.CLOSED);
	await show(true);
	await show(false);
	expect(FakeSource.opened).toHaveLength(2);
});
