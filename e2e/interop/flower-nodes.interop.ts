// Flower's own SuperNodes at a zk0 server: real processes over TLS on loopback.
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { openSafetensors } from "@zk0/arrays/node";
import { afterAll, beforeAll, expect, test } from "vitest";
import { z } from "zod";
import { type Finished, jsonOf, type Running, startZk0, workplace, zk0 } from "../zk0.ts";
import { end, eventsOf, makeKey, startSuperNode, TOY_APP, untilEvent } from "./flower.ts";

const PATIENCE_MS = 240_000;
const ROUNDS = 2;
const LOCAL_STEPS = 2;

const settingsSchema = z.object({ port: z.int() });

let place: Awaited<ReturnType<typeof workplace>>;
let server: Running;
let address = "";
const nodes = new Map<string, Running>();

beforeAll(async () => {
	place = await workplace();
	server = await startServer("--listen", "127.0.0.1", "--address", "127.0.0.1", "--port", "0");
});
afterAll(async () => {
	await end([...nodes.values(), server]);
	await place[Symbol.asyncDispose]();
});

async function startServer(...words: string[]): Promise<Running> {
	const started = startZk0(["server", "start", "--foreground", "--state", "server", ...words], {
		cwd: place.dir,
	});
	await started.printed("serving at");
	const { port } = settingsSchema.parse(JSON.parse(await readFile(at("server", "server.json"), "utf8")));
	address = `127.0.0.1:${port}`;
	return started;
}

const at = (...names: string[]): string => join(place.dir, ...names);
const operator = (...words: string[]): Promise<Finished> =>
	zk0([...words, "--state", "server", "--json"], place.dir);

async function startNode(name: string, key: string | null = at(`${name}.key`)): Promise<Running> {
	const authority = at("server", "authority.pem");
	const started = await startSuperNode(name, { cwd: place.dir, superlink: address, authority, key });
	nodes.set(name, started);
	return started;
}

test("they are refused, with what to do, until the operator allows them and adds their key", {
	timeout: PATIENCE_MS,
}, async () => {
	for (const name of ["hall", "barn"]) makeKey(at(`${name}.key`));
	const early = await operator("server", "add", "hall", "hall.key.pub");
	expect([early.code, early.stderr]).toEqual([12, expect.stringContaining("--allow-flower-nodes")]);
	const refused = await (await startNode("hall")).finished;
	expect(refused.stdout + refused.stderr).toContain("--allow-flower-nodes");
	await end([server]);
	server = await startServer("--allow-flower-nodes");
	for (const key of [at("hall.key"), null]) {
		const unknown = await (await startNode("hall", key)).finished;
		expect(unknown.stdout + unknown.stderr).toContain("zk0 server add <site>");
	}
	for (const name of ["hall", "barn"])
		expect(jsonOf(await operator("server", "add", name, `${name}.key.pub`))).toEqual({
			site: name,
			signs: false,
		});
});

test("two of them train; one is killed and started again, and so is the server; the result is exact and not signed", {
	timeout: PATIENCE_MS,
}, async () => {
	for (const name of ["hall", "barn"]) await startNode(name);
	const settings = ["--preset", "tiny", "--init", "random", "--seed", "7", "--min-sites", "2"];
	const length = ["--rounds", String(ROUNDS), "--local-steps", String(LOCAL_STEPS)];
	const { runId } = jsonOf(await operator("run", ...settings, ...length, "--fab", TOY_APP, "--detach"));
	const log = at("server", "runs", String(runId), "events.jsonl");
	await untilEvent(log, "round.started");
	nodes.get("barn")?.child.kill("SIGKILL");
	await nodes.get("barn")?.finished;
	server.child.kill("SIGKILL");
	await server.finished;
	server = await startServer();
	await startNode("barn");
	await untilEvent(log, "run.completed");
	const events = eventsOf(log);
	const updates = events.filter(({ kind }) => kind === "update.received");
	expect(updates).toHaveLength(2 * ROUNDS);
	for (const update of updates) expect(update).toMatchObject({ signed: null, numSamples: 8 });
	expect(await largestDifference(String(runId))).toBe(0);
	const { sites } = jsonOf(await operator("status"));
	expect(sites).toMatchObject([
		{ site: "barn", signs: false, isOnline: true },
		{ site: "hall", signs: false, isOnline: true },
	]);
	expect(nodes.get("hall")?.child.exitCode).toBeNull();
});

/** Between the run's weights and what the toy app makes of the first ones, in float32 as NumPy computes. */
async function largestDifference(runId: string): Promise<number> {
	using first = openSafetensors(at("server", "runs", runId, "federation", "initial.safetensors"));
	const name = "model.safetensors";
	using last = openSafetensors(at("server", "runs", runId, "checkpoints", `round_${ROUNDS}`, "global", name));
	let largest = 0;
	for (const tensor of first.entries.keys()) {
		const found = last.readFloat32(tensor).data;
		for (const [index, start] of first.readFloat32(tensor).data.entries()) {
			let value = start;
			for (let step = 0; step < ROUNDS * LOCAL_STEPS; step++)
				value = Math.fround(value + Math.fround(0.125 * Math.fround(0.5 - value)));
			largest = Math.max(largest, Math.abs(value - (found[index] ?? Number.NaN)));
		}
	}
	return largest;
}
