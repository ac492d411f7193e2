// A federation of processes over TLS on loopback: what an operator and three sites do, and what goes wrong.
import { existsSync, readFileSync } from "node:fs";
import { cp, mkdir, readdir, readFile, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import {
	certificateFingerprint,
	createCertificateAuthority,
	issueServerCertificate,
	serveGrpc,
} from "@zk0/flower/node";
import { afterAll, beforeAll, expect, test } from "vitest";
import { z } from "zod";
import { type Collector, startCollector } from "../packages/monitor/src/testing/collector.ts";
import { type Finished, jsonOf, type Running, startZk0, workplace, zk0, zk0Here } from "./zk0.ts";

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
let collector: Collector;
/** What the first run ended with. */
let model: string | null = null;
const clients = new Map<string, Running>();
/** Everything that processes printed, for the search for secrets. */
const printed: Promise<Finished>[] = [];
/** Secrets that were seen where they belong. */
const secrets = new Set<string>();

beforeAll(async () => {
	place = await workplace();
	collector = await startCollector();
	server = await startServer();
});
afterAll(async () => {
	await stopAll();
	await collector[Symbol.asyncDispose]();
	await place[Symbol.asyncDispose]();
});

async function stopAll(): Promise<void> {
	for (const { child, finished } of [...clients.values(), server]) {
		child.kill("SIGTERM");
		await finished;
	}
	clients.clear();
}

async function startServer(): Promise<Running> {
	const words = ["server", "start", "--foreground", "--state", "server"];
	const first = existsSync(join(place.dir, "server"))
		? []
		: ["--listen", "127.0.0.1", "--address", "127.0.0.1"];
	const started = startZk0([...words, ...first, ...(first.length > 0 ? ["--port", "0"] : [])], {
		cwd: place.dir,
		env: { OTEL_EXPORTER_OTLP_ENDPOINT: collector.endpoint },
	});
	printed.push(started.finished);
	await started.printed("serving at");
	return started;
}

async function startClient(site: string): Promise<void> {
	const started = startZk0(["client", "start", "--foreground", "--state", site], {
		cwd: place.dir,
		env: { OTEL_EXPORTER_OTLP_ENDPOINT: collector.endpoint },
	});
	clients.set(site, started);
	printed.push(started.finished);
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
	secrets.add(token);
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
	const { invitation } = z.object({ invitation: z.string() }).parse(answer);
	secrets.add(invitation.split("/").at(-2) ?? invitation);
	return invitation;
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
	const words = [
		"run",
		...RUN,
		"--eval-local",
		"--min-sites",
		"3",
		"--state",
		"server",
		"--detach",
		"--json",
	];
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
	await using simulationTraces = await startCollector();
	const simulated = zk0(["simulate", ...RUN, ...data, "--json"], place.dir, {
		OTEL_EXPORTER_OTLP_ENDPOINT: simulationTraces.endpoint,
	});
	for (const site of SITES) {
		const joined = await zk0(
			["client", "join", await invitationFor(site), recordings(site), "--state", site, "--json"],
			place.dir,
		);
		printed.push(Promise.resolve(joined));
		expect(jsonOf(joined)).toMatchObject({ site, state: "approved", doctor: { errors: 0 } });
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
	const saved = await zk0Here(["server", "backup", "backup.tar", "--state", "server"], place.dir);
	expect([saved.code, saved.stderr]).toEqual([0, ""]);
	await waitFor("the second round", () => has('"round":2,"attempt":1'));
	await kill(clients.get("site-b"));
	await startClient("site-b");
	model = await resultOf(runId);
	expect(model).toBe(jsonOf(await simulated)["modelSha256"]);
	expect(has("run.resumed")).toBe(true);
	const { spans } = simulationTraces;
	const numOf = (wanted: string): number => spans.filter(({ name }) => name === wanted).length;
	const [numSites, numRounds] = [SITES.length, 2];
	expect(["run", "round", "aggregate", "task train", "train", "evaluate"].map(numOf)).toEqual([
		1,
		numRounds + 1,
		numRounds,
		numRounds * numSites,
		numRounds * numSites,
		(numRounds + 1) * numSites,
	]);
	const taskIds = new Set(spans.filter(({ name }) => name === "task train").map(({ spanId }) => spanId));
	const parents = spans.filter(({ name }) => name === "train").map(({ parentSpanId }) => parentSpanId);
	expect(new Set(parents)).toEqual(taskIds);
	// The simulation did not measure the sites' own weights, and ended at the same.
	const updates = readFileSync(events, "utf8")
		.split("\n")
		.filter((line) => line.includes("update.received"));
	expect(updates.map((line) => /"heldOutLoss":\d/.test(line))).toEqual(updates.map(() => true));
	for (const site of SITES) {
		const [model = "", ...others] = await readdir(join(place.dir, site, "models"));
		expect(others).toEqual([]);
		expect(existsSync(join(place.dir, site, "models", model, "start", "model.safetensors"))).toBe(true);
	}
	const check = await zk0(["server", "check", "--state", "server", "--json"], place.dir);
	expect([check.code, check.stderr]).toEqual([0, ""]);
});

test("every round is one trace of the server and its sites, through kills and restarts", async () => {
	const [run] = (await status()).runs;
	const ofRound = (round: number) =>
		collector.spans.filter(({ attributes }) => attributes["zk0.round"] === round);
	// Server and clients send what they have every two seconds, each for itself and in order.
	const isThere = (wanted: string, site?: string): boolean =>
		ofRound(2).some(
			({ name, attributes: about }) =>
				name === wanted &&
				(site === undefined || (about["zk0.site"] === site && about["zk0.phase"] === "evaluate")),
		);
	const lastSent = () => isThere("round") && isThere("upload", "site-a") && isThere("upload", "site-c");
	await waitFor("the spans", lastSent);
	for (const round of [0, 1, 2]) {
		const spans = ofRound(round);
		const roots = spans.filter(({ name }) => name === "round");
		expect(new Set(roots.map(({ spanId }) => spanId)).size).toBe(1);
		expect(new Set(spans.map(({ traceId }) => traceId))).toEqual(new Set([roots[0]?.traceId]));
		for (const phase of round === 0 ? ["evaluate"] : ["train", "evaluate"])
			for (const site of SITES) {
				const named = (name: string) =>
					spans.filter(
						({ name: own, attributes: about }) =>
							own === name && about["zk0.site"] === site && about["zk0.phase"] === phase,
					);
				const [task] = named(`task ${phase}`);
				expect(task?.parentSpanId).toBe(roots[0]?.spanId);
				expect(task?.resource["service.name"]).toBe("zk0-server");
				for (const name of ["pull", phase, "upload"]) {
					const parts = named(name);
					// The client of site-b was killed, with what it had in hand.
					expect([round, site, name, parts.length > 0 || site === "site-b"]).toEqual([
						round,
						site,
						name,
						true,
					]);
					for (const { parentSpanId, resource, attributes: about } of parts) {
						expect([parentSpanId, about["zk0.run"]]).toEqual([task?.spanId, run?.runId]);
						expect(resource["service.name"]).toBe("zk0-client");
					}
				}
			}
		expect(spans.some(({ name }) => name === "aggregate")).toBe(round > 0);
	}
	expect(collector.spans.filter(({ name }) => name === "run")).toHaveLength(1);
});

async function kill(running: Running | undefined): Promise<void> {
	running?.child.kill("SIGKILL");
	await running?.finished;
}

test("a server restored from what was saved while it ran goes on to the same model", {
	timeout: PATIENCE_MS,
}, async () => {
	server.child.kill("SIGTERM");
	await server.finished;
	await rename(join(place.dir, "server"), join(place.dir, "lost"));
	const restored = await zk0Here(["server", "restore", "backup.tar", "--state", "server"], place.dir);
	expect([restored.code, restored.stderr]).toEqual([0, ""]);
	server = await startServer();
	const [run] = (await status()).runs;
	expect([run?.state === "completed", run?.modelSha256]).toEqual([false, null]);
	expect(await resultOf(run?.runId ?? "")).toBe(model);
	await rm(join(place.dir, "lost"), { recursive: true });
	await rm(join(place.dir, "backup.tar"));
});

test("a revoked site is out at once", async () => {
	await admin("POST", "/members/revoke", { site: "site-c" });
	const revoked = await clients.get("site-c")?.finished;
	clients.delete("site-c");
	expect([revoked?.code, revoked?.stderr]).toEqual([12, expect.stringContaining("revoked")]);
	const { sites } = await status();
	expect(sites.find(({ site }) => site === "site-c")).toMatchObject({ state: "revoked", isOnline: false });
});

const days = (count: number): Date => new Date(Date.now() + count * 86_400_000);

test("who does not belong is turned away, with the cure: another key, an expired certificate, plaintext", {
	timeout: PATIENCE_MS,
}, async () => {
	// The settings of a member, and a key of one's own.
	await mkdir(join(place.dir, "thief"));
	await cp(join(place.dir, "site-b", "client.json"), join(place.dir, "thief", "client.json"));
	const authority = await createCertificateAuthority({
		commonName: "late",
		notBefore: days(-9),
		notAfter: days(9),
	});
	const expired = await issueServerCertificate(authority, {
		hosts: ["127.0.0.1"],
		notBefore: days(-9),
		notAfter: days(-8),
	});
	const chain = `${expired.certificateChain.trim()}\n${authority.certificate.trim()}\n`;
	await using late = await serveGrpc(new Map(), {
		host: "127.0.0.1",
		port: 0,
		security: { ...expired, certificateChain: chain },
	});
	const invitation = (port: number | string, trust: string): string =>
		`zk0://127.0.0.1:${port}/late/s/${trust}`;
	const port = (await invitationFor("nobody")).split(/[:/]/)[4] ?? "";
	const join1 = (line: string): string[] => ["client", "join", line, recordings("site-a"), "--state", "late"];
	const [thief, atExpired, withoutTls, openly] = await Promise.all([
		zk0(["client", "start", "--foreground", "--state", "thief"], place.dir),
		zk0(join1(invitation(late.port, certificateFingerprint(authority.certificate))), place.dir),
		zk0Here(join1(invitation(port, "plaintext")), place.dir),
		zk0Here(["server", "start", "--plaintext", "--listen", "0.0.0.0", "--state", "open"], place.dir),
	]);
	expect([thief.code, thief.stderr]).toEqual([12, expect.stringContaining("bound to another key")]);
	expect([atExpired.code, atExpired.stderr]).toEqual([12, expect.stringMatching(/has expired.*restarts/s)]);
	expect([withoutTls.code, withoutTls.stderr]).toEqual([12, expect.stringMatching(/wants TLS.*invitation/s)]);
	expect([openly.code, openly.stderr]).toEqual([3, expect.stringContaining("could be read by others")]);
	const audit = jsonOf(
		await zk0Here(["server", "logs", "--audit", "--state", "server", "--json"], place.dir),
	);
	expect(JSON.stringify(audit)).toContain('"why":"name-taken","site":null');
});

test("secrets are in their own files and nowhere else", async () => {
	await stopAll();
	const own = new Set([
		"server/authority.key",
		"server/server.key",
		...["site-a", "site-b", "site-c", "thief"].map((site) => `${site}/node.key`),
	]);
	for (const file of own) {
		const lines = (await readFile(join(place.dir, file), "utf8")).split("\n");
		secrets.add(lines[2] ?? "");
	}
	expect(secrets.size).toBeGreaterThanOrEqual(3 + 1 + own.size);
	const found: string[] = [];
	const search = (where: string, text: string): void => {
		for (const secret of secrets) if (text.includes(secret)) found.push(where);
	};
	for (const entry of await readdir(place.dir, { recursive: true, withFileTypes: true })) {
		const path = join(entry.parentPath, entry.name);
		const name = path.slice(place.dir.length + 1);
		if (entry.isFile() && !own.has(name)) search(name, await readFile(path, "latin1"));
	}
	for (const { stdout, stderr } of await Promise.all(printed)) search("output", stdout + stderr);
	for (const body of collector.bodies)
		search("traces", body + Buffer.from(body, "base64").toString("latin1"));
	expect(found).toEqual([]);
});
