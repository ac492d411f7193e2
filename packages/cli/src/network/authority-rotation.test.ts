// A server that changes its authority: sites that are there follow by themselves, over TLS, in this process; a site that was
// away is told what it needs.
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { serverStatusSchema } from "@zk0/dashboard/status";
import { authoritiesIn, certificateFingerprint } from "@zk0/flower/node";
import { expect, test, vi } from "vitest";
import { z } from "zod";
import { createOutput } from "../output.ts";
import { captureHost } from "../testing/capture-host.ts";
import { CACHE_ENV, joinSite } from "../testing/join-site.ts";
import { callAdmin } from "./admin-client.ts";
import { serverTrust } from "./authority.ts";
import { changeWhenDue, readRotation, rotationStatus, writeRotation } from "./authority-rotation.ts";
import { serveTasks } from "./client-process.ts";
import { clientHome, makePrivateFolder, serverHome } from "./home.ts";
import { parseInvitation } from "./invitation.ts";
import { writePrivateFile, writePrivateJson } from "./private-file.ts";
import { checkServer } from "./server-check.ts";
import { serveFederation } from "./server-process.ts";
import { resolveSettings } from "./server-settings.ts";
import { openTrustKeeper } from "./trust-keeper.ts";

const env = CACHE_ENV;
const PATIENCE = { timeout: 30_000, interval: 100 };
const statusSchema = z.object({
	known: z.array(z.string()),
	missing: z.array(z.string()),
	authority: z.string(),
});

test("sites that are there follow a new authority by themselves; one that was away needs an invitation", async () => {
	const dir = await mkdtemp(join(tmpdir(), "zk0-rotation-"));
	const hostNow = () => ({ ...captureHost({ cwd: dir, env }), now: () => Date.now() });
	const contextOf = (host: ReturnType<typeof hostNow>) => ({
		host,
		output: createOutput(host, { json: false, quiet: false }),
	});
	const serving = contextOf(hostNow());
	const home = serverHome(serving.host, "server");
	const settings = { listen: "127.0.0.1", port: 0, address: "127.0.0.1" };
	const served = serveFederation(home, settings, serving);
	await vi.waitFor(() => expect(serving.host.out()).toContain("serving at"), PATIENCE);
	const call = <T>(method: "GET" | "POST", path: string, schema: z.ZodType<T>, body?: unknown): Promise<T> =>
		callAdmin(home, { method, path, body }, schema, new AbortController().signal);
	const rotate = (overlapMs: number | null) => call("POST", "/authority/rotate", statusSchema, { overlapMs });
	const invite = async (site: string) => {
		const { invitation } = await call("POST", "/invitations", z.object({ invitation: z.string() }), { site });
		return parseInvitation(invitation);
	};
	const joinAs = async (site: string) => {
		const context = contextOf(hostNow());
		return await joinSite(clientHome(context.host, site), await invite(site), context, { site });
	};
	const pinsOf = async (site: string): Promise<string[]> => {
		const text = await readFile(clientHome(serving.host, site).settings, "utf8");
		const { authority } = z.object({ authority: z.string() }).parse(JSON.parse(text));
		return authoritiesIn(authority).map(certificateFingerprint);
	};
	const isOnline = async (site: string): Promise<boolean | undefined> => {
		const { sites } = await call("GET", "/status", serverStatusSchema);
		return sites.find((one) => one.site === site)?.isOnline;
	};
	const startClient = (site: string) => {
		const context = { ...contextOf(hostNow()), heartbeatMs: 100 };
		return { context, ended: serveTasks(clientHome(context.host, site), undefined, context) };
	};
	await joinAs("here");
	await joinAs("away");
	await joinAs("moved");
	const [before] = await pinsOf("here");
	const here = startClient("here");
	const moved = startClient("moved");
	await vi.waitFor(async () => expect(await isOnline("moved")).toBe(true), PATIENCE);
	// It joined another server while its client still runs for this one.
	const { settings: movedTo } = clientHome(serving.host, "moved");
	const text = await readFile(movedTo, "utf8");
	await writePrivateJson(movedTo, { ...z.looseObject({}).parse(JSON.parse(text)), port: 1 });
	const { authority } = await rotate(3_600_000);
	const unused = await invite("unused");
	await vi.waitFor(async () => expect((await rotate(null)).known).toEqual(["here", "moved"]), PATIENCE);
	expect(await rotate(null)).toEqual({ known: ["here", "moved"], missing: ["away"], authority });
	expect(await pinsOf("here")).toEqual([before, authority]);
	expect(await pinsOf("moved")).toEqual([before]);
	const checks = await checkServer(home, serving.host);
	expect(checks.find(({ name }) => name === "authority")).toMatchObject({
		isGood: false,
		found: expect.stringContaining("not yet by away"),
		cure: expect.stringContaining("rotate-ca --overlap"),
	});
	await rotate(0);
	await vi.waitFor(async () => expect(await pinsOf("here")).toEqual([authority]), PATIENCE);
	await vi.waitFor(async () => expect(await isOnline("here")).toBe(true), PATIENCE);
	expect(here.context.host.out()).toContain("announced another authority");
	for (const { context, ended } of [here, moved]) {
		context.host.interrupt("done");
		await ended;
	}
	const away = startClient("away");
	await expect(away.ended).rejects.toMatchObject({
		problem: "wrong-authority",
		message: expect.stringContaining("new invitation"),
	});
	expect(unused.trust).toBe(before);
	expect((await invite("away")).trust).toBe(authority);
	expect(await joinAs("away")).toMatchObject({ state: "approved" });
	expect((await checkServer(home, serving.host)).find(({ name }) => name === "authority")?.isGood).toBe(true);
	serving.host.interrupt("done");
	await served;
	await rm(dir, { recursive: true });
}, 60_000);

test("a crash in the middle of the change leaves an announced authority, which is put in place at the next look", async () => {
	const dir = await mkdtemp(join(tmpdir(), "zk0-rotation-"));
	const home = serverHome(captureHost({ cwd: dir, env }), "server");
	await makePrivateFolder(home.dir);
	const atMs = Date.UTC(2026, 10, 23);
	const place = { listen: "127.0.0.1", address: "a.example" };
	const keeperOf = async (security: "tls" | "plaintext") => {
		const settings = await resolveSettings(home, { ...place, security });
		return await openTrustKeeper({ home, settings, now: () => atMs, onFault: () => undefined });
	};
	using none = await keeperOf("plaintext");
	await expect(none.rotate(1000)).rejects.toMatchObject({ code: "server-refused" });
	expect(none.announce("ann", "a".repeat(64))).toEqual([]);
	using keeper = await keeperOf("tls");
	const old = keeper.trust;
	const announced = await keeper.rotate(1000);
	expect(keeper.trust).toMatchObject({ pin: old?.pin, certificate: old?.certificate });
	expect(keeper.announce("ann", "a".repeat(64))).toEqual(keeper.trust?.authorities);
	expect(keeper.trust?.authorities).toHaveLength(2);
	await writeRotation(home, { ...announced, known: ["ann"] });
	expect(rotationStatus(announced, ["bob", "ann"])).toMatchObject({ known: [], missing: ["ann", "bob"] });
	await changeWhenDue(home, atMs + 999);
	expect(await readRotation(home)).toMatchObject({ known: ["ann"] });
	// Killed between the key and the certificate.
	await writePrivateFile(home.authorityKey, announced.privateKey);
	const changed = await serverTrust(home, ["a.example", "localhost", "127.0.0.1"], atMs + 1000);
	expect(changed).toMatchObject({ pin: certificateFingerprint(announced.certificate), rotation: null });
	expect(await serverTrust(home, ["a.example", "localhost", "127.0.0.1"], atMs + 2000)).toEqual(changed);
	await rm(dir, { recursive: true });
});
