// Who gets into a federation and who does not, over TLS, in this process.

import { chmod, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { serverStatusSchema } from "@zk0/dashboard/status";
import { createNodeIdentity } from "@zk0/flower";
import { afterAll, beforeAll, expect, test } from "vitest";
import { z } from "zod";
import { COMMANDS } from "../commands/index.ts";
import { checkNetwork } from "../machine/network-checks.ts";
import { createOutput } from "../output.ts";
import { runCli } from "../run-cli.ts";
import { captureHost } from "../testing/capture-host.ts";
import { CACHE_ENV, DATA, GOOD, joinSite } from "../testing/join-site.ts";
import { VERSION } from "../version.ts";
import { callAdmin } from "./admin-client.ts";
import { readAudit } from "./audit-text.ts";
import { serverTrust } from "./authority.ts";
import { serveTasks } from "./client-process.ts";
import { clientStatusSchema } from "./client-status.ts";
import { clientHome, makePrivateFolder, serverHome } from "./home.ts";
import { formatInvitation, type Invitation, PLAINTEXT, parseInvitation } from "./invitation.ts";
import { joinFederation } from "./join.ts";
import { readJsonFile } from "./private-file.ts";
import { checkServer, renderChecks } from "./server-check.ts";
import { serveFederation } from "./server-process.ts";
import { parseDashboard, resolveSettings } from "./server-settings.ts";
import { renderStatus } from "./server-status.ts";

const env = CACHE_ENV;

let dir: string;
let stop: () => Promise<void>;
beforeAll(async () => {
	dir = await mkdtemp(join(tmpdir(), "zk0-join-"));
	const host = captureHost({ cwd: dir, env });
	const output = createOutput(host, { json: false, quiet: false });
	const settings = { listen: "127.0.0.1", port: 0, address: "127.0.0.1" };
	const serving = serveFederation(serverHome(host, "server"), settings, { host, output });
	stop = async () => {
		host.interrupt("done");
		await serving;
	};
	while (!host.out().includes("serving at"))
		await Promise.race([serving, new Promise((resolve) => setTimeout(resolve, 20))]);
});
afterAll(async () => {
	await stop();
	await rm(dir, { recursive: true });
});

const server = () => serverHome(captureHost({ cwd: dir, env }), "server");
const call = <T>(method: "GET" | "POST", path: string, schema: z.ZodType<T>, body?: unknown): Promise<T> =>
	callAdmin(server(), { method, path, body }, schema, new AbortController().signal);

async function invite(site: string | null): Promise<Invitation> {
	const { invitation } = await call("POST", "/invitations", z.object({ invitation: z.string() }), { site });
	return parseInvitation(invitation);
}

function joinAs(state: string, invitation: Invitation, site?: string, badge = GOOD) {
	const host = captureHost({ cwd: dir, env });
	const output = createOutput(host, { json: false, quiet: true });
	return joinSite(clientHome(host, state), invitation, { host, output }, { site, badge });
}

test("an invitation works once, for its name, at its server", async () => {
	const invitation = await invite("ann");
	await expect(joinAs("a1", { ...invitation, trust: "0".repeat(64) })).rejects.toThrow("is not the one");
	await expect(joinAs("a2", { ...invitation, trust: PLAINTEXT })).rejects.toMatchObject({
		problem: "tls-port",
	});
	await expect(joinAs("a3", { ...invitation, site: "bob" })).rejects.toThrow("is for ann, not for bob");
	await expect(joinAs("a4", { ...invitation, secret: "guess" })).rejects.toThrow("is not known");
	expect(await joinAs("a5", invitation)).toMatchObject({ site: "ann", state: "approved" });
	await expect(joinAs("a6", invitation)).rejects.toThrow("was used before");
	expect(await joinAs("a5", invitation)).toMatchObject({ state: "approved" });
	await expect(joinAs("a7", await invite(null))).rejects.toThrow("leaves the name to you");
	await expect(joinAs("a7", await invite(null), "ann")).rejects.toThrow("is bound to another key");
});

test("a folder belongs to one site: joining again keeps its owner's limits, and another name needs another key", async () => {
	const { settings } = clientHome(captureHost({ cwd: dir, env }), "lea");
	await joinAs("lea", await invite("lea"));
	const kept: object = JSON.parse(await readFile(settings, "utf8"));
	const limits = { hours: "22:00-06:00", accepts: ["train"], clipNorm: 1, maxMemory: 6e9 };
	await writeFile(settings, JSON.stringify({ ...kept, ...limits }));
	await joinAs("lea", await invite("lea"));
	expect(JSON.parse(await readFile(settings, "utf8"))).toEqual({ ...kept, ...limits });
	await expect(joinAs("lea", await invite("mia"))).rejects.toThrow("holds the key of lea");
	expect(JSON.parse(await readFile(settings, "utf8"))).toMatchObject({ site: "lea" });
	await writeFile(settings, "{");
	expect(await joinAs("lea", await invite("lea"))).toMatchObject({ site: "lea" });
	expect(JSON.parse(await readFile(settings, "utf8"))).toEqual(kept);
});

test("the doctor of a site looks at the server that it joined, and measures the way to it", async () => {
	await joinAs("max", await invite("max"));
	const host = { ...captureHost({ cwd: dir, env: { ...env, HF_HUB_OFFLINE: "1" } }), now: () => Date.now() };
	const findings = new Map((await checkNetwork(host, "max", true)).map((finding) => [finding.name, finding]));
	expect(findings.get("joined server")?.found).toMatch(/answers max in [\d.]+ ms, TLS 1\.3/);
	expect(findings.get("clock")?.level).toBe("good");
	expect(findings.get("upload")?.found).toMatch(/^\d+ Mbit\/s to the server/);
});

test("a client with another key than the one it joined with is turned away", async () => {
	await joinAs("k", await invite("kim"));
	const host = captureHost({ cwd: dir, env });
	const output = createOutput(host, { json: false, quiet: false });
	const home = clientHome(host, "k");
	expect(await readFile(home.key, "utf8")).toContain("PRIVATE KEY");
	await writeFile(home.key, createNodeIdentity().privateKeyPem);
	await expect(serveTasks(home, undefined, { host, output })).rejects.toMatchObject({
		code: "site-name-taken",
	});
	expect((await readJsonFile(home.status, clientStatusSchema))?.state).toMatch(/^ended: .*another key/);
	const fresh = clientHome(host, "never-joined");
	await expect(serveTasks(fresh, undefined, { host, output })).rejects.toMatchObject({ code: "not-joined" });
});

test("without an invitation a site waits, and status says for what; approval lets it in, revocation out", async () => {
	const invitation = await invite("dan");
	const pending = { ...invitation, site: "eve", secret: "" };
	expect(await joinAs("e", pending)).toMatchObject({ state: "pending" });
	const before = await call("GET", "/status", serverStatusSchema);
	expect(before.waitingFor).toContain("your approval of eve");
	expect(renderStatus(before)).toContain("eve                  pending");
	await call("POST", "/members/approve", z.object({}), { site: "eve" });
	expect(await joinAs("e", pending)).toMatchObject({ state: "approved" });
	await call("POST", "/members/revoke", z.object({}), { site: "eve" });
	await expect(joinAs("e", pending)).rejects.toMatchObject({ code: "unauthenticated" });
	await expect(call("POST", "/members/approve", z.object({}), { site: "nobody" })).rejects.toThrow(
		"there is no site nobody",
	);
	await expect(invite("eve")).rejects.toThrow("invite under another name");
});

test("who was turned away is in the audit, in plain words", async () => {
	const { lines } = await readAudit(server().members);
	const text = lines.join("\n");
	expect(text).toMatch(/invited    ann, until \d{4}-/);
	expect(text).toContain("joined     eve without an invitation");
	expect(text).toContain("tried to join with an invitation that is not good");
	expect(text).toContain("tried to join under a name that has another key");
	expect(text).toContain("called with a key that was revoked");
	expect(text).toMatch(/unchanged since they were written; head [0-9a-f]{64}$/);
});

test("recordings in which the doctor finds errors stay out unless told otherwise; its verdict is kept", async () => {
	const bad = { ...GOOD, errors: 2, warnings: 1 };
	const invitation = await invite("doc");
	await expect(joinAs("doc", invitation, undefined, bad)).rejects.toMatchObject({
		code: "data-errors",
		message: expect.stringContaining("2 errors, 1 warning"),
		cure: expect.stringContaining("--accept-data-errors"),
	});
	const host = captureHost({ cwd: dir, env });
	const output = createOutput(host, { json: false, quiet: false });
	const choices = { data: DATA, camera: null, threads: 1, device: "cpu", site: undefined } as const;
	const joined = await joinFederation(
		clientHome(host, "doc"),
		invitation,
		{ ...choices, acceptsDataErrors: true },
		{ host, output },
	);
	expect(joined).toMatchObject({ state: "approved", doctor: { errors: 0 } });
	expect(joined.doctor.fingerprint).toMatch(/^[0-9a-f]{64}$/);
	expect(host.out()).toContain("LeRobot");
	const kept = await readFile(clientHome(host, "doc").settings, "utf8");
	expect(JSON.parse(kept)).toMatchObject({ doctor: joined.doctor });
});

test("the security check finds what is open, expired or pending, and says what to do", async () => {
	const host = captureHost({ cwd: dir, env });
	const good = await checkServer(server(), host);
	expect(good.filter(({ isGood }) => !isGood)).toEqual([]);
	await chmod(server().members, 0o644);
	const later = { ...host, now: () => Date.now() + 400 * 24 * 3600 * 1000 };
	const found = (await checkServer(server(), later)).filter(({ isGood }) => !isGood);
	await chmod(server().members, 0o600);
	expect(found.map(({ name }) => name)).toEqual(["files", "certificate"]);
	expect(renderChecks(found)).toMatch(/FAIL files: open to others: .*members.jsonl \(chmod -R go= /);
});

test("the admin API answers nobody without the token, and no bad request", async () => {
	const { port } = z.object({ port: z.int() }).parse(JSON.parse(await readFile(server().admin, "utf8")));
	for (const headers of [{}, { authorization: "Bearer guess" }])
		expect((await fetch(`http://127.0.0.1:${port}/api/status`, { headers })).status).toBe(401);
	await expect(call("GET", "/nothing", z.object({}))).rejects.toThrow("not-found");
	await expect(call("POST", "/runs", z.object({}), { roundz: 3 })).rejects.toThrow("unknown key");
	await expect(call("POST", "/invitations", z.object({}), { site: "../up" })).rejects.toThrow("no site name");
});

test("the dashboard's link and tokens come from the command line", async () => {
	const zk0 = async (words: readonly string[]) => {
		const host = captureHost({ cwd: dir, env });
		const all = [...words, "--state", "server", "--json"];
		expect(await runCli(all, host, { commands: COMMANDS, version: VERSION })).toBe(0);
		return JSON.parse(host.out());
	};
	const signIn = async (link: string): Promise<unknown> => {
		const [origin, secret] = link.split("/#code=");
		const body = JSON.stringify({ secret });
		const headers = { "content-type": "application/json" };
		return await (await fetch(`${origin}/api/session`, { method: "POST", headers, body })).json();
	};
	const { links } = await zk0(["server", "dashboard"]);
	expect(await signIn(links[0])).toMatchObject({ role: "operator" });
	const added = await zk0(["server", "user", "add", "anna", "--role", "viewer"]);
	expect(await signIn(added.links[0])).toMatchObject({ name: "anna", role: "viewer" });
	expect((await zk0(["server", "user", "list"])).users).toMatchObject([{ name: "anna", role: "viewer" }]);
	await zk0(["server", "user", "remove", "anna"]);
	expect(await signIn(added.links[0])).toMatchObject({ code: "unauthorised" });
});

test("plaintext is for this machine only, and only when asked for", async () => {
	const home = serverHome(captureHost({ cwd: dir, env }), "other");
	expect((await resolveSettings(home, {})).security).toBe("tls");
	await expect(resolveSettings(home, { security: "plaintext" })).rejects.toMatchObject({
		code: "bad-config",
	});
	const local = { security: "plaintext", listen: "127.0.0.1" } as const;
	expect((await resolveSettings(home, local)).security).toBe("plaintext");
	const beyond = parseDashboard("[::]:9093");
	expect(beyond).toEqual({ host: "::", port: 9093 });
	expect(parseDashboard("off")).toBeNull();
	await expect(resolveSettings(home, { ...local, dashboard: beyond })).rejects.toMatchObject({
		code: "bad-config",
	});
	for (const bad of ["9093", "a:b", "a:99999"]) expect(() => parseDashboard(bad)).toThrow("is not <address>");
});

test("a certificate is kept while it is good, and replaced before it expires and for other names", async () => {
	const home = serverHome(captureHost({ cwd: dir, env }), "trust");
	await makePrivateFolder(home.dir);
	const dayMs = 24 * 3600 * 1000;
	const now = Date.UTC(2026, 10, 23);
	const first = await serverTrust(home, ["a.example"], now);
	expect((await serverTrust(home, ["a.example"], now + 300 * dayMs)).certificate).toEqual(first.certificate);
	const renewed = await serverTrust(home, ["a.example"], now + 340 * dayMs);
	expect(renewed.expiresAtMs).toBeGreaterThan(first.expiresAtMs);
	const renamed = await serverTrust(home, ["b.example"], now + 341 * dayMs);
	expect(renamed.certificate).not.toEqual(renewed.certificate);
	expect(renamed.pin).toBe(first.pin);
});

test("an invitation is one line that a shell leaves alone, and anything else is refused", () => {
	const invitation = { host: "::1", port: 9092, site: null, secret: "a-b_c", trust: "0".repeat(64) };
	const line = formatInvitation(invitation);
	expect(line).toMatch(/^[A-Za-z0-9:/._[\]-]+$/);
	expect(parseInvitation(` ${line}\n`)).toEqual(invitation);
	for (const bad of [
		"",
		"zk0://",
		line.slice(0, -1),
		line.replace("9092", "99999"),
		line.replace("/_/", "/../"),
	])
		expect(() => parseInvitation(bad)).toThrow("not a whole invitation");
});
