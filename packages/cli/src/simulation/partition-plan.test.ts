// One dataset divided among sites: the command's table and the plans of a simulation agree, and name what they take.
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createDatasetWriter, openDataset } from "@zk0/dataset";
import { afterAll, beforeAll, expect, test } from "vitest";
import { z } from "zod";
import { COMMANDS } from "../commands/index.ts";
import { resolveConfig } from "../config/resolve.ts";
import { EXIT_CODES } from "../exit-codes.ts";
import { runCli } from "../run-cli.ts";
import { captureHost } from "../testing/capture-host.ts";
import { dividePlans } from "./partition-plan.ts";
import { partitionText } from "./partition-scheme.ts";
import { locatePlans, planSites } from "./site-plans.ts";

let folder: string;
const signal = new AbortController().signal;

beforeAll(async () => {
	folder = mkdtempSync(join(tmpdir(), "zk0-partition-"));
	const options = { fps: 10, robotType: null, stateNames: ["a"], actionNames: ["a"], cameras: [] };
	await using writer = await createDatasetWriter(join(folder, "all"), options);
	for (let episode = 0; episode < 12; episode++) {
		const values = new Float32Array(episode + 2).fill(episode);
		const task = episode < 8 ? "Push" : "Pull";
		await writer.addEpisode({ task, states: values, actions: values, images: new Map() });
	}
	await writer.finish();
});
afterAll(() => rmSync(folder, { recursive: true }));

const documentSchema = z.object({
	partition: z.string(),
	clients: z.array(
		z.object({ name: z.string(), uri: z.string(), episodes: z.array(z.number()), numFrames: z.number() }),
	),
});

async function run(line: string) {
	const host = captureHost({ cwd: folder });
	const code = await runCli(line.split(" "), host, { commands: COMMANDS, version: "0" });
	return { code, out: host.out(), err: host.err(), host };
}

test("zk0 data partition prints and writes who gets what; simulate divides alike", async () => {
	const { code, out, host } = await run(
		"data partition all --clients 3 --by dirichlet --alpha 0.3 --seed 5 --out who.json",
	);
	expect(code).toBe(EXIT_CODES.ok.code);
	expect(out).toMatch(/^client +episodes +frames +task 1 +task 2$/m);
	expect(out).toMatch(/^all-1 +4 /m);
	expect(out).toContain("task 2: Pull");
	const { partition, clients } = documentSchema.parse(
		JSON.parse(readFileSync(join(folder, "who.json"), "utf8")),
	);
	expect(partition).toBe("dirichlet:3:0.3");
	expect(clients.flatMap(({ episodes }) => episodes).sort((a, b) => a - b)).toEqual([
		0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11,
	]);

	const { config } = resolveConfig({ data: { all: "all" }, partition, seed: 5, preset: "tiny" }, {});
	expect(config.sites).toBe(3);
	const output = {
		json: false,
		quiet: true,
		people: undefined,
		line: () => undefined,
		result: () => undefined,
	};
	const located = await locatePlans(planSites(config), { host, output });
	const plans = await dividePlans(located, config.partition, { seed: config.seed, signal });
	expect(plans.map(({ name, uri }) => ({ name, uri }))).toEqual(
		clients.map(({ name, uri }) => ({ name, uri })),
	);
	// The URI alone names the part, as a resumed run needs it.
	for (const [index, { uri }] of plans.entries()) {
		const [again] = await locatePlans([{ name: "x", uri, source: null }], { host, output });
		const { dir = "", selection } = again?.located ?? {};
		expect((await openDataset(dir, { selection })).numFrames).toBe(clients[index]?.numFrames);
	}
	// Nothing to divide: the same plans.
	expect(await dividePlans(located, null, { seed: 0, signal })).toEqual(located);
});

test("what cannot be divided is refused", async () => {
	expect((await run("data partition all --clients 13")).err).toContain(
		"12 episodes cannot be divided among 13",
	);
	expect((await run("data partition all --alpha 1")).err).toContain("no meaning with --by iid");
	for (const text of ["iid", "iid:1", "iid:4:1", "dirichlet:4", "dirichlet:4:0", "halves:2"])
		expect(partitionText.safeParse(text).success).toBe(false);
	expect(() => resolveConfig({ partition: "iid:2" }, {})).toThrow("none are given");
	const simulated = planSites({
		...resolveConfig({ preset: "tiny" }, {}).config,
		data: { arm: "sim:reach-red" },
	});
	const plans = simulated.map((plan) => ({ ...plan, located: null }));
	await expect(dividePlans(plans, "iid:2", { seed: 0, signal })).rejects.toMatchObject({
		code: "bad-config",
	});
});
