// zk0's rounds as the ServerApp of a real Flower SuperLink: a zk0 site and one of Flower's own nodes train together.
import path from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { z } from "zod";
import { jsonOf, type Running, startZk0, workplace, zk0 } from "../zk0.ts";
import { end, eventsOf, makeKey, type SuperLink, startSuperLink, startSuperNode, TOY_APP } from "./flower.ts";

const PATIENCE_MS = 400_000;
const SETTINGS = [
	"--preset",
	"tiny",
	"--init",
	"random",
	"--seed",
	"7",
	"--eval-frames",
	"4",
	"--sampled-frames",
	"1",
];
const ROUNDS = ["--rounds", "2", "--local-steps", "2"];
const DATA = {
	kitchen: "sim:site-a?episodes=5&seed=7&size=96x96",
	office: "sim:site-b?episodes=5&seed=7&size=96x96",
};
const runsSchema = z.object({ runs: z.array(z.object({ "run-id": z.string(), status: z.string() })) });

let place: Awaited<ReturnType<typeof workplace>>;
let superlink: SuperLink;
const nodes: Running[] = [];

beforeAll(async () => {
	place = await workplace();
	superlink = await startSuperLink(place.dir, { isolation: "process" });
}, PATIENCE_MS);
afterAll(async () => {
	await end([...nodes, superlink.process]);
	await place[Symbol.asyncDispose]();
});

async function join(site: string, data: string): Promise<void> {
	const trust = ["--root-certificates", superlink.authority];
	const words = ["client", "join-superlink", superlink.fleet, data, "--state", site, "--name", site];
	const joined = jsonOf(await zk0([...words, ...trust, ...SETTINGS, "--json"], place.dir));
	await superlink.flwr("supernode", "register", String(joined["publicKeyFile"]));
	const client = startZk0(["client", "start", "--foreground", "--state", site], { cwd: place.dir });
	nodes.push(client);
	await client.printed("online");
}

test("two zk0 sites behind a SuperLink train the model of a simulation", {
	timeout: PATIENCE_MS,
}, async () => {
	await Promise.all(Object.entries(DATA).map(([site, data]) => join(site, data)));
	await superlink.flwr("run", TOY_APP);
	const run = [
		"run",
		"--superlink",
		superlink.serverAppIo,
		...SETTINGS,
		...ROUNDS,
		"--min-sites",
		"2",
		"--json",
	];
	const done = jsonOf(await zk0(run, place.dir));
	expect(done["state"]).toBe("completed");
	const events = eventsOf(path.join(place.dir, "runs", String(done["runId"]), "events.jsonl"));
	const updates = events.filter(({ kind }) => kind === "update.received");
	expect(updates).toHaveLength(4);
	for (const update of updates)
		expect(update).toMatchObject({ signed: null, site: expect.stringMatching(/^node-\d{20}$/) });
	expect(events.filter(({ kind }) => kind === "site.failed")).toEqual([]);
	expect((await runsThere()).map(({ status }) => status)).toEqual(["finished:completed"]);
	const data = Object.entries(DATA).flatMap(([site, uri]) => ["--data", `${site}=${uri}`]);
	const simulated = jsonOf(await zk0(["simulate", ...SETTINGS, ...ROUNDS, ...data, "--json"], place.dir));
	expect(done["modelSha256"]).toBe(simulated["modelSha256"]);
});

test("one of Flower's own nodes takes part; Flower's stop ends the run here, too, and it goes on in another", {
	timeout: PATIENCE_MS,
}, async () => {
	const { fleet, authority, serverAppIo } = superlink;
	const key = path.join(place.dir, "hall.key");
	makeKey(key);
	await superlink.flwr("supernode", "register", `${key}.pub`);
	nodes.push(await startSuperNode("hall", { cwd: place.dir, superlink: fleet, authority, key }));
	const run = ["run", "--superlink", serverAppIo, ...SETTINGS, ...ROUNDS, "--min-sites", "3"];
	const first = startZk0(run, { cwd: place.dir });
	await first.printed("waiting for a run");
	await superlink.flwr("run", TOY_APP);
	await first.printed("round 1/2");
	const running = (await runsThere()).find(({ status }) => status === "running");
	await superlink.flwr("stop", running?.["run-id"] ?? "");
	const { code, stdout, stderr } = await first.finished;
	expect([code, stderr]).toEqual([7, expect.stringContaining("the SuperLink ended the run")]);
	const runId = /(\S+) is run \d+/.exec(stdout + stderr)?.[1] ?? "";
	await superlink.flwr("run", TOY_APP);
	const resumed = await zk0(["run", "--superlink", serverAppIo, "--resume", runId, "--json"], place.dir);
	expect([resumed.code, resumed.stderr]).toEqual([0, expect.anything()]);
	expect(jsonOf(resumed)).toMatchObject({ runId, state: "completed" });
	const events = eventsOf(path.join(place.dir, "runs", runId, "events.jsonl"));
	const kinds = events.map(({ kind }) => kind);
	expect(kinds).toContain("run.resumed");
	expect(kinds.filter((kind) => kind === "round.aggregated")).toHaveLength(2);
});

async function runsThere() {
	const { runs } = runsSchema.parse(JSON.parse(await superlink.flwr("list", "--format", "json")));
	return runs;
}
