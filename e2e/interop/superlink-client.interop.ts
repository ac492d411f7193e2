// zk0 clients at a real Flower SuperLink: ServerApps in Python train with them, over TLS with node authentication.
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { z } from "zod";
import { jsonOf, type Running, startZk0, workplace, zk0 } from "../zk0.ts";
import { end, type SuperLink, startSuperLink, TOY_APP } from "./flower.ts";

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

let place: Awaited<ReturnType<typeof workplace>>;
let superlink: SuperLink;
const clients: Running[] = [];

beforeAll(async () => {
	place = await workplace();
	superlink = await startSuperLink(place.dir, { isolation: "subprocess" });
}, PATIENCE_MS);
afterAll(async () => {
	await end([...clients, superlink.process]);
	await place[Symbol.asyncDispose]();
});

const metrics = z.record(z.string(), z.looseObject({ loss: z.number() }));
const outcome = z.object({ sum: z.number(), train: metrics, evaluate: metrics });
const messageApi = z.object({
	properties: z.looseObject({ software: z.literal("zk0"), "num-samples": z.int() }),
	initial: z.object({ tensors: z.int(), sum: z.number() }),
	fedavg: outcome,
	fedprox: outcome,
	refused: z.record(z.string(), z.string()),
});
const numpyClient = z.object({ tensors: z.int(), sum: z.number(), losses: z.array(z.number()) });

async function run<T>(api: "message" | "numpy-client", schema: z.ZodType<T>): Promise<T> {
	const out = join(place.dir, `${api}.json`);
	await superlink.flwr("run", TOY_APP, "--stream", "--run-config", `api="${api}" out="${out}"`);
	return schema.parse(JSON.parse(await readFile(out, "utf8")));
}

test("FedAvg, FedProx and NumPyClient's FedAvg in Python train two zk0 sites, and hear what these do not do", {
	timeout: PATIENCE_MS,
}, async () => {
	for (const site of ["kitchen", "office"]) {
		const data = `sim:${site === "kitchen" ? "site-a" : "site-b"}?episodes=5&seed=7&size=96x96`;
		const trust = ["--root-certificates", superlink.authority];
		const words = ["client", "join-superlink", superlink.fleet, data, "--state", site, "--name", site];
		const joined = jsonOf(await zk0([...words, ...trust, ...SETTINGS, "--json"], place.dir));
		expect(joined["refusal"]).toContain("must be registered via the CLI");
		const started = startZk0(["client", "start", "--foreground", "--state", site], { cwd: place.dir });
		clients.push(started);
		await started.printed("waiting for approval");
		await superlink.flwr("supernode", "register", String(joined["publicKeyFile"]));
		await started.printed("online");
	}
	const found = await run("message", messageApi);
	expect(found.initial.tensors).toBe(47);
	for (const { train, evaluate, sum } of [found.fedavg, found.fedprox]) {
		expect([Object.keys(train), Object.keys(evaluate)]).toEqual([
			["1", "2"],
			["1", "2"],
		]);
		expect(sum).not.toBe(found.initial.sum);
	}
	expect(found.fedprox.sum).not.toBe(found.fedavg.sum);
	expect(found.refused).toEqual({
		action: expect.stringContaining('"train.special" are not served'),
		model: expect.stringContaining("not those of this site's model"),
		privacy: expect.stringContaining("differential privacy"),
		secagg: expect.stringContaining("SecAgg+"),
		double: expect.stringContaining("float64"),
	});
	// The older API moves the same numbers in another form, weighted by examples in another order of rounding.
	const older = await run("numpy-client", numpyClient);
	expect(older.tensors).toBe(47);
	expect(older.sum).toBeCloseTo(found.fedavg.sum, 2);
	expect(older.losses[1]).toBeCloseTo(found.fedavg.evaluate["2"]?.loss ?? Number.NaN, 3);
});
