// The site's page on a real socket: who gets in, what it tells of a client's files, and what it does not do.
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { hostname, tmpdir } from "node:os";
import { join } from "node:path";
import { processStart } from "@zk0/arrays/node";
import { sitePageViewSchema } from "@zk0/dashboard/views";
import { afterAll, beforeAll, expect, test } from "vitest";
import { createSiteViewer } from "../episode-viewer/site-viewer.ts";
import { clientHome, makePrivateFolder } from "../network/home.ts";
import { writePrivateJson } from "../network/private-file.ts";
import { createOutput } from "../output.ts";
import { captureHost } from "../testing/capture-host.ts";
import { viewClient } from "./client-view.ts";
import { JoinDraft } from "./join-draft.ts";
import { openSitePage, type SitePage } from "./page-process.ts";
import { streamPage } from "./page-stream.ts";
import { sitePageRoutes } from "./routes.ts";

let dir: string;
let page: SitePage;
let headers: Record<string, string>;
const output = createOutput(captureHost(), { json: false, quiet: true });

beforeAll(async () => {
	dir = await mkdtemp(join(tmpdir(), "zk0-site-page-"));
	const host = { ...captureHost({ cwd: dir }), now: () => Date.now() };
	page = await openSitePage({
		home: clientHome(host, "client"),
		port: 0,
		host,
		output,
		folder: "recordings",
	});
	headers = await signIn();
});
afterAll(async () => {
	await page[Symbol.asyncDispose]();
	await rm(dir, { recursive: true });
});

const origin = (): string => `http://127.0.0.1:${page.port}`;
const ask = (path: string, init: RequestInit = {}): Promise<Response> => fetch(origin() + path, init);
const enter = (secret: string): Promise<Response> =>
	ask("/api/session", {
		method: "POST",
		headers: { "content-type": "application/json" },
		body: JSON.stringify({ secret }),
	});

async function signIn(): Promise<Record<string, string>> {
	const response = await enter(new URL(page.link).hash.slice("#code=".length));
	expect(response.status).toBe(200);
	// The answer is this listener's own.
	const { csrfToken } = (await response.json()) as { csrfToken: string };
	return {
		cookie: (response.headers.get("set-cookie") ?? "").split(";")[0] ?? "",
		"x-csrf-token": csrfToken,
		"content-type": "application/json",
	};
}

test("the link works once, on this machine, and its cookie is neither the dashboard's nor another site's", async () => {
	expect(page.link).toMatch(/^http:\/\/127\.0\.0\.1:\d+\/#code=/);
	expect((await enter(new URL(page.link).hash.slice("#code=".length))).status).toBe(401);
	expect(headers["cookie"]).toMatch(/^zk0_site_[0-9a-f]{8}=/);
	const host = { ...captureHost({ cwd: dir }), now: () => Date.now() };
	await using other = await openSitePage({ home: clientHome(host, "other"), port: 0, host, output });
	const session = await fetch(`http://127.0.0.1:${other.port}/api/session`, {
		method: "POST",
		headers: { "content-type": "application/json" },
		body: JSON.stringify({ secret: new URL(other.link).hash.slice("#code=".length) }),
	});
	// A browser sends the cookies of one host to all its ports: a name of its own keeps a page's session.
	expect(session.headers.get("set-cookie")).toMatch(/^zk0_site_[0-9a-f]{8}=/);
	expect(session.headers.get("set-cookie")?.split("=")[0]).not.toBe(headers["cookie"]?.split("=")[0]);
	for (let tries = 0; tries < 4; tries++) await enter("guess");
	expect((await enter("guess")).status).toBe(429);
});

test("without a session nothing is read and nothing is done; another name or another page is turned away", async () => {
	const host = captureHost({ cwd: dir });
	const home = clientHome(host, "client");
	const draft = new JoinDraft({ home, host, onFault: () => undefined });
	await using viewer = createSiteViewer({ home, host, output });
	const routes = sitePageRoutes({ home, host, output, viewer, draft, folder: undefined });
	for (const { method, path } of routes) {
		const response = await ask(path.replaceAll(/:\w+/g, "x"), { method });
		expect([path, response.status]).toEqual([path, 401]);
	}
	const post = (changed: Record<string, string>): Promise<number> =>
		ask("/api/client/leave", { method: "POST", headers: { ...headers, ...changed }, body: "{}" }).then(
			({ status }) => status,
		);
	expect(await post({ "x-csrf-token": "guess" })).toBe(403);
	expect(await post({ origin: "http://evil.example" })).toBe(403);
	expect(await post({ "sec-fetch-site": "cross-site" })).toBe(403);
	expect(await post({})).toBe(200);
	const { status, headers: sent } = await ask("/");
	expect([status, sent.get("content-security-policy")]).toEqual([
		200,
		expect.stringContaining("default-src 'none'"),
	]);
});

test("what a client wrote down is shown, and forgotten when the site leaves", async () => {
	const home = clientHome(captureHost({ cwd: dir }), "client");
	const view = async () => sitePageViewSchema.parse(await (await ask("/api/site", { headers })).json());
	expect((await view()).client).toEqual({
		joined: null,
		pid: null,
		state: null,
		since: null,
		activity: null,
	});
	await makePrivateFolder(home.dir);
	const at = "2026-11-23T12:00:00.000Z";
	await writePrivateJson(home.settings, {
		host: "fl.example",
		port: 9092,
		authority: "pem",
		site: "kitchen",
		data: "/data",
		camera: null,
		threads: 1,
		device: "cpu",
	});
	await writePrivateJson(home.status, {
		pid: process.pid,
		site: "kitchen",
		server: "fl.example:9092",
		at,
		state: "online, waiting for a task",
	});
	const task = { runId: "r1", round: 1, phase: "train", startedAt: at, step: 1, numSteps: 2, loss: 1 };
	const activity = {
		server: "fl.example:9092",
		task: { ...task, samplesPerSecond: null, globalStep: 0, totalSteps: 4 },
		rounds: [],
		bytesUp: 10,
		bytesDown: 20,
		incidents: [],
	};
	await writePrivateJson(home.activity, activity);
	// Nobody runs: the task that a killed client left is not under way.
	expect((await view()).client).toMatchObject({ pid: null, activity: { bytesUp: 10, task: null } });
	const holder = { pid: process.pid, host: hostname(), start: processStart(process.pid) };
	await writePrivateJson(home.lock, holder);
	expect((await view()).client).toMatchObject({
		pid: process.pid,
		state: "online, waiting for a task",
		joined: { site: "kitchen", isEncrypted: true },
		activity: { task: { round: 1 } },
	});
	// One that starts has said nothing yet: "stopped", or "online", are the words of the one before.
	await writePrivateJson(home.lock, { ...holder, pid: process.ppid, start: processStart(process.ppid) });
	expect((await view()).client).toMatchObject({ pid: process.ppid, state: null, since: null });
	await rm(home.lock);
	expect((await ask("/api/client/stop", { method: "POST", headers, body: "{}" })).status).toBe(400);
	expect((await ask("/api/client/leave", { method: "POST", headers, body: "{}" })).status).toBe(200);
	expect((await view()).client.joined).toBeNull();
	await expect(readFile(home.settings)).rejects.toMatchObject({ code: "ENOENT" });
});

test("an open page tells why there is nothing to see, and goes on when there is", async () => {
	const host = captureHost({ cwd: dir });
	const home = clientHome(host, "damaged");
	const stop = new AbortController();
	const draft = new JoinDraft({ home, host, onFault: () => undefined });
	const view = async () => ({ home: home.dir, client: await viewClient(home), join: draft.view() });
	const messages = streamPage(view, stop.signal);
	const next = async (): Promise<unknown> => (await messages.next()).value;
	expect(await next()).toMatchObject({ event: "site" });
	await makePrivateFolder(home.dir);
	await writeFile(home.settings, "{");
	const cure = expect.stringContaining("--state");
	expect(await next()).toEqual({
		event: "problem",
		data: { message: expect.stringContaining(home.settings), cure },
	});
	await rm(home.settings);
	expect(await next()).toMatchObject({ event: "site", data: { client: { joined: null } } });
	stop.abort();
	expect((await messages.next()).done).toBe(true);
});

test("steps are taken in order, and what is wrong with one is said in its place", async () => {
	const view = async () => sitePageViewSchema.parse(await (await ask("/api/site", { headers })).json()).join;
	const post = async (step: string, body: unknown): Promise<{ status: number; text: string }> => {
		const sent = { method: "POST", headers, body: JSON.stringify(body) };
		const response = await ask(`/api/join/${step}`, sent);
		return { status: response.status, text: await response.text() };
	};
	for (const [step, body, words] of [
		["invitation", { line: "zk0://half" }, "not a whole invitation"],
		["name", { name: "kitchen" }, "paste the invitation first"],
		["cameras", { model: "small", cameras: {} }, "choose recordings first"],
		["doctor", {}, "choose recordings first"],
		["accept", { accepts: true }, "let the doctor look first"],
		["trial", { threads: 1 }, "choose recordings first"],
		["trial", { threads: 0 }, "expected number to be >=1"],
		["enter", {}, "paste the invitation first"],
	] as const) {
		const { status, text } = await post(step, body);
		expect([step, status, text]).toEqual([step, 400, expect.stringContaining(words)]);
	}
	// Nobody listens there: the look at the server fails, and the step says so.
	const secret = "a".repeat(32);
	expect((await post("invitation", { line: `zk0://127.0.0.1:1/_/${secret}/plaintext` })).status).toBe(200);
	expect((await post("name", { name: "no name" })).status).toBe(400);
	expect((await post("name", { name: "kitchen" })).status).toBe(200);
	expect((await post("data", { uri: "not-there" })).status).toBe(200);
	await expect
		.poll(async () => {
			const { invitation, data } = await view();
			return [invitation?.job.state, invitation?.site, data?.job.state];
		})
		.toEqual(["failed", "kitchen", "failed"]);
	const after = await view();
	expect(after.data?.job.failure?.message).toContain("not-there");
	expect(JSON.stringify(after)).not.toContain(secret);
	expect((await post("enter", {})).text).toContain("find the server first");
	for (const folder of ["..", "/etc"])
		expect((await ask(`/api/datasets?in=${encodeURIComponent(folder)}`, { headers })).status).toBe(400);
	expect(await (await ask("/api/datasets", { headers })).json()).toMatchObject({ datasets: [] });
});
