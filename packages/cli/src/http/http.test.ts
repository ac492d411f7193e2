// The gate before every route, on real sockets: who gets in, who may change what, and what an answer tells.
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { request as httpRequest } from "node:http";
import { request as httpsRequest } from "node:https";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { TLSSocket } from "node:tls";
import { manualClock } from "@zk0/federation";
import { createCertificateAuthority, issueServerCertificate } from "@zk0/flower/node";
import { afterAll, beforeAll, expect, test } from "vitest";
import { CliError } from "../cli-error.ts";
import { type Access, openAccess } from "../network/access.ts";
import { accessRoutes } from "../network/access-routes.ts";
import { type HttpListener, type HttpSite, listenHttp } from "./listener.ts";
import { json, type Route, route } from "./route.ts";
import { createSessions } from "./sessions.ts";
import { readStaticFiles } from "./static-files.ts";

const clock = manualClock(Date.UTC(2026, 10, 23));
const faults: unknown[] = [];
let dir: string;
let access: Access;
let site: HttpSite;
let listener: HttpListener;
/** Resolves when the stream's source has stopped. */
let streamEnded: () => void = () => undefined;
const streamEnd = new Promise<void>((resolve) => {
	streamEnded = resolve;
});

const routes: readonly Route[] = [
	route("GET", "/api/secret/:name", "viewer", async ({ params, query }) =>
		json({ secret: params["name"], page: query.get("page") }),
	),
	route("POST", "/api/secret", "operator", async ({ body }) => json({ got: body })),
	route("GET", "/api/large", "viewer", async () => json("x".repeat(100_000))),
	route("GET", "/api/broken", "viewer", async () => {
		throw new Error("a defect"); // what no code is known for
	}),
	route("GET", "/api/cure", "viewer", async () => {
		throw new CliError("bad-config", "wrong", { cure: "do it right" });
	}),
	route("GET", "/api/stream", "viewer", async ({ lastEventId, signal }) => ({
		kind: "stream",
		messages: (async function* () {
			yield { id: "7", event: "first", data: { after: lastEventId, text: "two\nlines" } };
			await new Promise<void>((resolve) => {
				signal.addEventListener("abort", () => resolve(), { once: true });
			});
			streamEnded();
		})(),
	})),
];

beforeAll(async () => {
	dir = await mkdtemp(join(tmpdir(), "zk0-http-"));
	await mkdir(join(dir, "app", "assets"), { recursive: true });
	await writeFile(join(dir, "app", "index.html"), "<!doctype html><title>app</title>");
	await writeFile(join(dir, "app", "assets", "app-1234.js"), "export {};");
	await writeFile(join(dir, "secret.txt"), "outside");
	access = await openAccess(join(dir, "access.jsonl"), clock);
	const sessions = createSessions(() => clock.now());
	site = {
		routes: [...routes, ...accessRoutes(access, sessions)],
		files: await readStaticFiles(join(dir, "app")),
		sessions,
		ofToken: (token) => access.ofToken(token),
		onChange: (principal, change) => access.noteChange(principal, change),
		onFault: (error) => faults.push(error),
	};
	listener = await listenHttp(site, { host: "127.0.0.1", port: 0, names: [], certificate: null });
});
afterAll(async () => {
	await listener[Symbol.asyncDispose]();
	await access[Symbol.asyncDispose]();
	await rm(dir, { recursive: true });
});

interface Asked {
	readonly method?: string;
	readonly headers?: Record<string, string>;
	readonly body?: string;
}

/** One request with exactly these headers. */
function ask(path: string, { method = "GET", headers = {}, body }: Asked = {}) {
	return new Promise<{ status: number; headers: Record<string, unknown>; text: string }>(
		(resolve, reject) => {
			const sent = httpRequest(
				{
					host: "127.0.0.1",
					port: listener.port,
					path,
					method,
					headers,
					setHost: headers["host"] === undefined,
				},
				(response) => {
					let text = "";
					response.setEncoding("utf8").on("data", (part: string) => {
						text += part;
					});
					response.on("end", () =>
						resolve({ status: response.statusCode ?? 0, headers: response.headers, text }),
					);
				},
			);
			sent.on("error", reject);
			sent.end(body);
		},
	);
}

const JSON_TYPE = { "content-type": "application/json" };
const signIn = (secret: string, headers: Record<string, string> = {}) =>
	ask("/api/session", {
		method: "POST",
		headers: { ...JSON_TYPE, ...headers },
		body: JSON.stringify({ secret }),
	});

/** A browser that has signed in. */
async function browser(secret: string): Promise<Record<string, string>> {
	const { status, headers, text } = await signIn(secret);
	expect(status).toBe(200);
	const { csrfToken } = JSON.parse(text);
	return {
		cookie: String(headers["set-cookie"]).split(";")[0] ?? "",
		"x-csrf-token": csrfToken,
		origin: `http://127.0.0.1:${listener.port}`,
		"sec-fetch-site": "same-origin",
		...JSON_TYPE,
	};
}

test("nobody reads anything without signing in but the empty app", async () => {
	for (const row of site.routes) {
		if (row.access === "public") continue;
		const { status, text } = await ask(row.path.replace(":name", "x"), { method: row.method });
		expect([row.path, status, JSON.parse(text).code]).toEqual([row.path, 401, "unauthorised"]);
	}
	for (const headers of [{ authorization: "Bearer guess" }, { cookie: "zk0_session=guess" }])
		expect((await ask("/api/secret/a", { headers })).status).toBe(401);
	expect(site.routes.filter((row) => row.access === "public").map(({ path }) => path)).toEqual([
		"/api/session",
		"/api/session",
	]);
	expect((await ask("/api/session")).text).toBe("null\n");
	expect((await ask("/api/nothing")).status).toBe(404);
});

test("a code opens one session; its cookie is out of reach of scripts and other sites", async () => {
	const { code } = access.makeCode();
	const { headers, text } = await signIn(code);
	expect(String(headers["set-cookie"])).toMatch(
		/^zk0_session=[\w-]{43}; Path=\/; HttpOnly; SameSite=Strict; Max-Age=43200$/,
	);
	expect(JSON.parse(text)).toMatchObject({ name: "operator", role: "operator" });
	expect((await signIn(code)).status).toBe(401);
	const late = access.makeCode();
	clock.advance(11 * 60_000);
	expect((await signIn(late.code)).status).toBe(401);
});

test("a session ends after twelve hours, at sign-out and when the person is removed", async () => {
	const token = await access.addUser("vera", "viewer");
	const first = await browser(token);
	expect((await ask("/api/session", { headers: first })).text).toContain('"name":"vera"');
	const out = await ask("/api/session", { method: "DELETE", headers: first });
	expect(String(out.headers["set-cookie"])).toContain("Max-Age=0");
	const second = await browser(token);
	const operator = await browser(access.makeCode().code);
	for (const headers of [first, second])
		expect((await ask("/api/secret/a", { headers })).status).toBe(headers === first ? 401 : 200);
	expect((await ask("/api/users/vera", { method: "DELETE", headers: operator })).status).toBe(200);
	expect((await ask("/api/secret/a", { headers: second })).status).toBe(401);
	expect((await signIn(token)).status).toBe(401);
	clock.advance(12 * 3_600_000);
	expect((await ask("/api/secret/a", { headers: operator })).status).toBe(401);
});

test("a viewer reads, an operator changes, and changes are in the log", async () => {
	const viewer = await browser(await access.addUser("vic", "viewer"));
	const operator = await browser(await access.addUser("olga", "operator"));
	expect(await ask("/api/secret/a%2Fb?page=2", { headers: viewer })).toMatchObject({
		status: 200,
		text: '{"secret":"a/b","page":"2"}\n',
	});
	const change = { method: "POST", body: '{"site":"kitchen"}' };
	expect((await ask("/api/secret", { ...change, headers: viewer })).status).toBe(403);
	expect((await ask("/api/secret", { ...change, headers: operator })).status).toBe(200);
	expect(access.events.at(-1)).toMatchObject({
		kind: "change.asked",
		name: "olga",
		action: "POST /api/secret",
		subject: "kitchen",
	});
	await using again = await openAccess(join(dir, "access.jsonl"), clock);
	expect(again.users()).toEqual(access.users());
	await expect(access.addUser("olga", "viewer")).rejects.toMatchObject({ code: "bad-config" });
	await expect(access.addUser("operator", "viewer")).rejects.toMatchObject({ code: "bad-config" });
	await expect(access.removeUser("nobody")).rejects.toMatchObject({ code: "bad-config" });
});

test("a change needs the session's token and must come from the server's own page", async () => {
	const good = await browser(access.makeCode().code);
	const post = (headers: Record<string, string>) =>
		ask("/api/secret", { method: "POST", headers, body: "{}" }).then(({ status }) => status);
	const { "x-csrf-token": _, ...noToken } = good;
	expect(await post(good)).toBe(200);
	expect(await post(noToken)).toBe(403);
	expect(await post({ ...good, "x-csrf-token": "guess" })).toBe(403);
	expect(await post({ ...good, origin: "http://evil.example" })).toBe(403);
	expect(await post({ ...good, "sec-fetch-site": "cross-site" })).toBe(403);
	expect(await post({ ...good, "content-type": "text/plain" })).toBe(400);
	expect((await signIn(access.makeCode().code, { origin: "http://evil.example" })).status).toBe(403);
});

test("a bearer token needs neither cookie nor token, and has its role", async () => {
	const token = await access.addUser("script", "viewer");
	const headers = { authorization: `Bearer ${token}`, ...JSON_TYPE };
	expect((await ask("/api/secret/a", { headers })).status).toBe(200);
	expect((await ask("/api/secret", { method: "POST", headers, body: "{}" })).status).toBe(403);
});

test("wrong codes are counted: after five a minute nobody at that address may try", async () => {
	clock.advance(60_000);
	for (let tries = 0; tries < 5; tries++) expect((await signIn("guess")).status).toBe(401);
	const blocked = await signIn(access.makeCode().code);
	expect([blocked.status, Number(blocked.headers["retry-after"]) > 0]).toEqual([429, true]);
	clock.advance(61_000);
	expect((await signIn(access.makeCode().code)).status).toBe(200);
});

test("a name that somebody points here is turned away", async () => {
	for (const host of ["evil.example", `evil.example:${listener.port}`, ""])
		expect((await ask("/", { headers: { host } })).status).toBe(421);
	for (const host of ["localhost", `LOCALHOST:${listener.port}`, `[::1]:${listener.port}`])
		expect((await ask("/", { headers: { host } })).status).toBe(200);
});

test("every answer has the headers that keep a browser from harm", async () => {
	for (const path of ["/", "/api/nothing", "/api/secret/a"]) {
		const { headers } = await ask(path);
		expect(headers["content-security-policy"]).toContain("frame-ancestors 'none'");
		expect(headers["content-security-policy"]).not.toContain("unsafe");
		expect(headers).toMatchObject({
			"x-content-type-options": "nosniff",
			"referrer-policy": "no-referrer",
			"x-frame-options": "DENY",
		});
	}
});

test("the app's files: hashed ones for ever, pages anew, nothing else", async () => {
	expect((await ask("/assets/app-1234.js")).headers["cache-control"]).toContain("immutable");
	for (const path of ["/runs/some-run?view=loss", "/runs/some-run/sites/lab.berlin"]) {
		const page = await ask(path);
		expect([page.status, page.headers["cache-control"], page.text]).toEqual([
			200,
			"no-cache",
			"<!doctype html><title>app</title>",
		]);
	}
	for (const path of ["/../secret.txt", "/%2e%2e/secret.txt", "/assets/../../secret.txt", "/assets/none.js"])
		expect((await ask(path)).status).toBe(404);
	expect((await ask("/", { method: "POST" })).status).toBe(404);
	expect(
		(await ask("/assets/app-1234.js", { headers: { "accept-encoding": "gzip" } })).headers,
	).toMatchObject({
		"content-encoding": "gzip",
	});
});

test("failures say what to do, and defects are told to the server's log", async () => {
	const headers = await browser(access.makeCode().code);
	const cure = await ask("/api/cure", { headers });
	expect([cure.status, JSON.parse(cure.text)]).toEqual([
		400,
		{ code: "bad-config", message: "wrong", cure: "do it right" },
	]);
	expect((await ask("/api/broken", { headers })).status).toBe(500);
	expect(faults.splice(0)).toEqual([expect.objectContaining({ message: "a defect" })]);
	const post = (body: string) => ask("/api/secret", { method: "POST", headers, body });
	expect((await post("{")).status).toBe(400);
	expect((await post(`"${"x".repeat(300_000)}"`)).status).toBe(413);
	expect((await ask("/api/secret/%E0%A4", { headers })).status).toBe(404);
	const large = await ask("/api/large", { headers: { ...headers, "accept-encoding": "gzip" } });
	expect([large.headers["content-encoding"], Number(large.headers["content-length"]) < 1000]).toEqual([
		"gzip",
		true,
	]);
});

test("a stream goes on where its reader left, and ends with its reader", async () => {
	const { cookie = "" } = await browser(access.makeCode().code);
	const stop = new AbortController();
	const response = await fetch(`http://127.0.0.1:${listener.port}/api/stream`, {
		headers: { cookie, "last-event-id": "6" },
		signal: stop.signal,
	});
	expect(response.headers.get("content-type")).toBe("text/event-stream");
	let text = "";
	const reader = response.body?.pipeThrough(new TextDecoderStream()).getReader();
	while (!text.includes("event:")) text += (await reader?.read())?.value ?? "";
	expect(text).toContain('id: 7\nevent: first\ndata: {"after":"6","text":"two\\nlines"}\n\n');
	stop.abort();
	await streamEnd;
});

test("beyond this machine only TLS 1.3 is spoken, under the server's names", async () => {
	const names = { host: "0.0.0.0", port: 0, names: ["fl.example"], certificate: null };
	await expect(listenHttp(site, names)).rejects.toMatchObject({ code: "bad-config" });
	await expect(
		listenHttp(site, { host: "127.0.0.1", port: listener.port, names: [], certificate: null }),
	).rejects.toMatchObject({ code: "bad-config" });
	const valid = { notBefore: new Date(Date.now() - 1000), notAfter: new Date(Date.now() + 100_000) };
	const authority = await createCertificateAuthority({ commonName: "test", ...valid });
	const certificate = await issueServerCertificate(authority, { hosts: ["fl.example"], ...valid });
	await using secure = await listenHttp(site, { ...names, host: "127.0.0.1", certificate });
	const answer = await new Promise<{
		status: number;
		protocol: string | null;
		headers: Record<string, unknown>;
	}>((resolve, reject) => {
		const sent = httpsRequest(
			{
				host: "127.0.0.1",
				port: secure.port,
				servername: "fl.example",
				headers: { host: "fl.example" },
				ca: authority.certificate,
			},
			(response) => {
				response.resume();
				const { socket } = response;
				const protocol = socket instanceof TLSSocket ? socket.getProtocol() : null;
				resolve({ status: response.statusCode ?? 0, protocol, headers: response.headers });
			},
		);
		sent.on("error", reject);
		sent.end();
	});
	expect([answer.status, answer.protocol]).toEqual([200, "TLSv1.3"]);
	expect(answer.headers["strict-transport-security"]).toBe("max-age=31536000");
	secure.replaceCertificate(certificate);
});
