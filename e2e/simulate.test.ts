// A whole federation through the command line: its result, its files, and that nothing but its settings decides them.
import { createHash } from "node:crypto";
import { cp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { openSafetensors } from "@zk0/arrays/node";
import { openCheckpoint } from "@zk0/policy";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { z } from "zod";
import { jsonOf, workplace, zk0 } from "./zk0.ts";

const TINY = ["simulate", "--preset", "tiny", "--init", "random", "--seed", "7", "--json"];

let place: Awaited<ReturnType<typeof workplace>>;
let first: Record<string, unknown>;
beforeAll(async () => {
	place = await workplace();
	first = jsonOf(await zk0([...TINY, "--concurrency", "1"], place.dir));
});
afterAll(() => place[Symbol.asyncDispose]());

function runDir(): string {
	return String(first["runDir"]);
}

describe("zk0 simulate --json", () => {
	test("ends with exactly the promised document", () => {
		expect(Object.keys(first)).toEqual([
			"runId",
			"runDir",
			"rounds",
			"strategy",
			"sites",
			"initialLoss",
			"finalLoss",
			"perSite",
			"bytesUp",
			"bytesDown",
			"checkpoint",
			"modelSha256",
			"seconds",
		]);
		expect(first).toMatchObject({ rounds: 2, strategy: "fedprox", sites: 2 });
		const site = { initialLoss: expect.any(Number), finalLoss: expect.any(Number), samples: 16 };
		expect(first["perSite"]).toEqual([
			{ site: "site-a", ...site },
			{ site: "site-b", ...site },
		]);
		for (const key of ["initialLoss", "finalLoss", "bytesUp", "bytesDown", "seconds"]) {
			expect(first[key]).toBeGreaterThan(0);
		}
	});

	test("modelSha256 is the hash of the global model, whose tensors are sorted by name", async () => {
		const path = join(String(first["checkpoint"]), "model.safetensors");
		expect(
			createHash("sha256")
				.update(await readFile(path))
				.digest("hex"),
		).toBe(first["modelSha256"]);
		using file = openSafetensors(path);
		const names = [...file.entries.keys()];
		expect(names).toEqual([...names].sort());
	});

	test("sites that work at the same time, and end in another order, give the same bytes", async () => {
		const second = jsonOf(await zk0([...TINY, "--concurrency", "2"], place.dir));
		expect(second["modelSha256"]).toBe(first["modelSha256"]);
		expect(second["runId"]).not.toBe(first["runId"]);
	});

	test("another seed gives other bytes from the same recordings", async () => {
		const record = JSON.parse(await readFile(join(runDir(), "config.json"), "utf8"));
		const data = record.sites.flatMap(({ name, uri }: { name: string; uri: string }) => [
			"--data",
			`${name}=${uri}`,
		]);
		const other = jsonOf(await zk0([...TINY.slice(0, -2), "8", "--json", ...data], place.dir));
		expect(other["modelSha256"]).not.toBe(first["modelSha256"]);
	});
});

describe("a run's directory", () => {
	test("has the record, the log, the numbers, the report and the chart", async () => {
		const names = await readdir(runDir());
		for (const name of [
			"config.json",
			"events.jsonl",
			"metrics.json",
			"report.html",
			"loss.svg",
			"checkpoints",
		]) {
			expect(names).toContain(name);
		}
		expect(names).not.toContain("run.lock");
		const metrics = JSON.parse(await readFile(join(runDir(), "metrics.json"), "utf8"));
		expect(metrics).toMatchObject({ status: "completed", modelSha256: first["modelSha256"] });
		expect(metrics.rounds).toHaveLength(3);
		const report = await readFile(join(runDir(), "report.html"), "utf8");
		expect(report).toContain("Held-out frames");
		expect(report).toContain("data:image/png;base64,");
	});

	test("has a global checkpoint without statistics and one per site with them, for every round", async () => {
		for (const round of [0, 1, 2]) {
			const folder = join(runDir(), "checkpoints", `round_${round}`);
			using shared = await openCheckpoint(join(folder, "global"));
			expect(shared).toMatchObject({ isBound: false, kind: "global", stats: {} });
			for (const site of ["site-a", "site-b"]) {
				using bound = await openCheckpoint(join(folder, "sites", site, "pretrained_model"));
				expect(bound).toMatchObject({ isBound: true, kind: "bound" });
			}
		}
	});

	test("zk0 runs list and show read it from there", async () => {
		const { runs } = jsonOf(await zk0(["runs", "list", "--json"], place.dir));
		expect(runs).toContainEqual(expect.objectContaining({ runId: first["runId"], status: "completed" }));
		const shown = await zk0(["runs", "show", String(first["runId"]).slice(-4)], place.dir);
		expect(shown.stdout).toContain("completed");
		expect(shown.code).toBe(0);
	});
});

describe("zk0 verify", () => {
	const states = (found: Record<string, unknown>): string[] =>
		z
			.array(z.object({ subject: z.string(), state: z.string() }))
			.parse(found["checks"])
			.filter(({ state }) => state === "fails")
			.map(({ subject }) => subject);

	test("finds everything in order, signatures of every update too", async () => {
		const found = jsonOf(await zk0(["verify", runDir(), "--json"], place.dir));
		expect(found).toMatchObject({ holds: true, logHead: expect.stringMatching(/^[0-9a-f]{64}$/) });
		expect(JSON.stringify(found["checks"])).toContain("2 updates signed by its key");
	});

	test("its result is part of the validation report", async () => {
		const path = join(place.dir, "validation.html");
		const done = await zk0(["report", runDir(), "--to", path, "--json"], place.dir);
		expect(jsonOf(done)).toEqual({ report: path, verified: true });
		const page = await readFile(path, "utf8");
		expect(page).toContain("Everything that is there is what the log says.");
		expect(page).toContain("95 % interval");
	});

	test("names a checkpoint whose tensors were changed, a copy of one, and a log that was edited", async () => {
		const copy = join(place.dir, "verify");
		await cp(runDir(), copy, { recursive: true });
		const round2 = join(copy, "checkpoints", "round_2", "global");
		await cp(join(copy, "checkpoints", "round_1", "global"), join(place.dir, "elsewhere"), {
			recursive: true,
		});
		const known = await zk0(["verify", join(place.dir, "elsewhere"), "--run", copy, "--json"], place.dir);
		expect(JSON.stringify(jsonOf(known)["checks"])).toContain("it holds the weights of round 1");
		// The last bytes are the last tensor's.
		const file = join(round2, "model.safetensors");
		const bytes = await readFile(file);
		bytes[bytes.length - 2] = (bytes[bytes.length - 2] ?? 0) ^ 1;
		await rm(file);
		await writeFile(file, bytes);
		const changed = await zk0(["verify", copy, "--json"], place.dir);
		expect(changed.code).toBe(16);
		expect(states(jsonOf(changed))).toContain("checkpoint of round 2");
		const log = join(copy, "events.jsonl");
		await writeFile(log, (await readFile(log, "utf8")).replace('"numSamples":16', '"numSamples":17'));
		const edited = await zk0(["verify", copy, "--json"], place.dir);
		expect(edited.code).toBe(16);
		expect(states(jsonOf(edited))).toEqual(["log"]);
		// A whole beginning, and none at all: what was made later is still there.
		const lines = (await readFile(join(runDir(), "events.jsonl"), "utf8")).trimEnd().split("\n");
		const cut = lines
			.slice(
				0,
				lines.findIndex((line) => line.includes('"round.aggregated"')),
			)
			.join("\n");
		await writeFile(log, `${cut}\n`);
		const begun = await zk0(["verify", copy, "--json"], place.dir);
		expect([begun.code, states(jsonOf(begun))]).toEqual([16, ["log's end"]]);
		await rm(log);
		const none = await zk0(["verify", copy, "--json"], place.dir);
		expect([none.code, states(jsonOf(none))]).toEqual([16, ["log's end"]]);
	});
});

describe("other commands on its result", () => {
	test("zk0 eval refuses the global model and measures the bound one", async () => {
		const global = String(first["checkpoint"]);
		const refused = await zk0(["eval", global, "sim:reach-red"], place.dir);
		expect(refused.stderr).toContain("error[not-bound]");
		const bound = join(global, "..", "sites", "site-a", "pretrained_model");
		const acted = jsonOf(await zk0(["eval", bound, "sim:reach-red", "--episodes", "2", "--json"], place.dir));
		expect(acted["scripted"]).toMatchObject({ successes: 2, episodes: 2, rate: 1, high: 1 });
		expect(acted["policy"]).toMatchObject({ episodes: 2, low: expect.any(Number), high: expect.any(Number) });
	});

	test("zk0 model bind makes a checkpoint that runs on another site's data", async () => {
		await zk0(["data", "synth", "data", "--task", "lift-red", "--episodes", "2"], place.dir);
		const words = ["model", "bind", String(first["checkpoint"]), "data", "--out", "bound"];
		expect((await zk0(words, place.dir)).code).toBe(0);
		const found = jsonOf(await zk0(["eval", "bound", "data", "--frames", "8", "--json"], place.dir));
		expect(found).toMatchObject({ episodes: 1, frames: 8, jointErrorDeg: expect.any(Number) });
		expect((await zk0(words, place.dir)).stderr).toContain("exists");
	});

	test("zk0 train ends at the bytes of a federation of one site", async () => {
		const same = ["--preset", "tiny", "--init", "random", "--json"];
		const data = "sim:site-a?episodes=5&seed=7&size=96x96";
		const alone = jsonOf(await zk0(["train", data, "--steps", "3", "--name", "lab", ...same], place.dir));
		const words = [
			"simulate",
			"--data",
			`lab=${data}`,
			"--rounds",
			"1",
			"--local-steps",
			"3",
			"--strategy",
			"fedavg",
		];
		const federated = jsonOf(await zk0([...words, ...same], place.dir));
		expect(alone["modelSha256"]).toBe(federated["modelSha256"]);
		const kept = [...words, "--rounds", "3", "--local-steps", "1", "--keep-optimizer-state", ...same];
		expect(jsonOf(await zk0(kept, place.dir))["modelSha256"]).toBe(alone["modelSha256"]);
	});
});
