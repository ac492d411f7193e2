// A federation of processes over TLS on loopback: what an operator and three sites do, and what goes wrong.
import { existsSync, readFileSync } from "node:fs";
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, expect, test } from "vitest";
import { z } from "zod";
import { jsonOf, type Running, startZk0, workplace, zk0 } from "./zk0.ts";

const SITES = ["site-a", "site-b", "site-c"] as const;
const RUN = [
	"--preset",
	"tiny",
	"--init",
	// A folder that only the server knows as such: the sites get the model from it.
	fileURLToPath(new URL("../packages/policy/assets/small-base", import.meta.url)),
	"--seed",
	"7",
	"--eval-frames",
	"4",
	"--sampled-frames",
	"1",
];
/** Several processes compile their graphs on two cores. */
const PATIENCE_MS = 240_000;

let place: Awaited<ReturnType<typeof workplace>>;
let server: Running;
const clients = new Map<string, Running>();

beforeAll(async () => {
	place = await workplace();
	server = await startServer();
});
afterAll(async () => {
	for (const { child, finished } of [...clients.values(), server]) {
		child.kill("SIGTERM");
		await finished;
	}
	await place[Symbol.asyncDispose]();
});

async function startServer(): Promise<Running> {
	const words = ["server", "start", "--foreground", "--state", "server"];
	const first = existsSync(join(place.dir, "server"))
		? []
		: ["--listen", "127.0.0.1", "--address", "127.0.0.1"];
	const started = startZk0([...words, ...first, ...(first.length > 0 ? ["--port", "0"] : [])], {
		cwd: place.dir,
	});
	await started.printed("serving at");
	return started;
}

async function startClient(site: string): Promise<void> {
	const started = startZk0(["client", "start", "--foreground", "--state", site], { cwd: place.dir });
	clients.set(site, started);
	await started.printed("online");
}

const adminSchema = z.object({ port: z.int(), token: z.string() });
const statusSchema = z.object({
	waitingFor: z.string().nullable(),
	sites: z.array(z.object({ site: z.string(), state: z.string(), isOnline: z.boolean() })),
	runs: z.array(z.object({ runId: z.string(), state: z.string(), modelSha256: z.string().nullable() })),
});

/** The admin API, as the command line calls it. */
async function admin(method: "GET" | "POST", path: string, body?: unknown): Promise<unknown> {
	const text = await readFile(join(place.dir, "server", "admin.json"), "utf8");
	const { port, token } = adminSchema.parse(JSON.parse(text));
	const response = await fetch(`http://127.0.0.1:${port}/api${path}`, {
		method,
		headers: { authorization: `Bearer ${token}`, "content-type": "application/json" },
		...(body === undefined ? {} : { body: JSON.stringify(body) }),
	});
	if (!response.ok) throw new RangeError(`${response.status}: ${await response.text()}`);
	return await response.json();
}

const status = async () => statusSchema.parse(await admin("GET", "/status"));

async function invitationFor(site: string | null): Promise<string> {
	const answer = await admin("POST", "/invitations", { site });
	return z.object({ invitation: z.string() }).parse(answer).invitation;
}

async function waitFor(what: string, isThere: () => Promise<boolean> | boolean): Promise<void> {
	for (let tries = 0; tries < 2000; tries++) {
		if (await isThere()) return;
		await new Promise((resolve) => {
			setTimeout(resolve, 100);
		});
	}
	throw new RangeError(`waited too long for ${what}`);
}

function recordings(site: string): string {
	return `sim:${site}?episodes=5&seed=7&size=96x96`;
}

async function submit(): Promise<string> {
	const words = ["run", ...RUN, "--min-sites", "3", "--state", "server", "--detach", "--json"];
	return String(jsonOf(await zk0(words, place.dir))["runId"]);
}

async function resultOf(runId: string): Promise<string | null> {
	let found: string | null = null;
	await waitFor(`run ${runId}`, async () => {
		const run = (await status()).runs.find((one) => one.runId === runId);
		if (run?.state === "failed") throw new RangeError("the run failed");
		found = run?.modelSha256 ?? null;
		return run?.state === "completed";
	});
	return found;
}

test("three sites join by invitation and train over TLS; server and a client are killed; the model is that of a simulation", {
	timeout: PATIENCE_MS,
}, async () => {
	const data = SITES.flatMap((site) => ["--data", `${site}=${recordings(site)}`]);
	const simulated = zk0(["simulate", ...RUN, ...data, "--json"], place.dir);
	for (const site of SITES) {
		const joined = await zk0(
			["client", "join", await invitationFor(site), recordings(site), "--state", site, "--json"],
			place.dir,
		);
		expect(jsonOf(joined)).toMatchObject({ site, state: "approved" });
	}
	expect((await status()).waitingFor).toContain("zk0 run");
	const runId = await submit();
	await waitFor(
		"clients to be waited for",
		async () => (await status()).waitingFor?.includes("0 of 3") === true,
	);
	await Promise.all(SITES.map(startClient));
	const events = join(place.dir, "server", "runs", runId, "events.jsonl");
	const has = (text: string): boolean => existsSync(events) && readFileSync(events, "utf8").includes(text);
	await waitFor("the first update", () => has("update.received"));
	await kill(server);
	server = await startServer();
	await waitFor("the second round", () => has('"round":2,"attempt":1'));
	await kill(clients.get("site-b"));
	await startClient("site-b");
	expect(await resultOf(runId)).toBe(jsonOf(await simulated)["modelSha256"]);
	expect(has("run.resumed")).toBe(true);
	for (const site of SITES) {
		const [model = "", ...others] = await readdir(join(place.dir, site, "models"));
		expect(others).toEqual([]);
		expect(existsSync(join(place.dir, site, "models", model, "start", "model.safetensors"))).toBe(true);
	}
	const check = await zk0(["server", "check", "--state", "server", "--json"], place.dir);
	expect([check.code, check.stderr]).toEqual([0, ""]);
});

async function kill(running: Running | undefined): Promise<void> {
	running?.child.kill("SIGKILL");
	await running?.finished;
}

test("a revoked site is out at once", async () => {
	await admin("POST", "/members/revoke", { site: "site-c" });
	const revoked = await clients.get("site-c")?.finished;
	clients.delete("site-c");
	expect([revoked?.code, revoked?.stderr]).toEqual([12, expect.stringContaining("revoked")]);
	const { sites } = await status();
	expect(sites.find(({ site }) => site === "site-c")).toMatchObject({ state: "revoked", isOnline: false });
});
