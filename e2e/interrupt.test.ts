// Runs that are stopped and runs that are killed: what is kept, and that they end at the bytes of an undisturbed run.
import { existsSync } from "node:fs";
import { readdir, readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import { EXIT_CODES } from "@zk0/cli";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { jsonOf, startZk0, workplace, zk0 } from "./zk0.ts";

/** On recordings that other end-to-end tests use, too. */
const SEED = ["--seed", "7"];
const TINY = ["--preset", "tiny", "--init", "random"];
const WORDS = ["simulate", ...TINY, ...SEED, "--rounds", "2", "--concurrency", "1"];

let place: Awaited<ReturnType<typeof workplace>>;
let undisturbed: Record<string, unknown>;
beforeAll(async () => {
	place = await workplace();
	undisturbed = jsonOf(await zk0([...WORDS, "--out", "undisturbed", "--json"], place.dir));
});
afterAll(() => place[Symbol.asyncDispose]());

async function resume(out: string): Promise<Record<string, unknown>> {
	return jsonOf(await zk0(["runs", "resume", "latest", "--out", out, "--json"], place.dir));
}

describe("SIGKILL", () => {
	test("after the evaluation of the base model, and after a round: each resume goes on, to the same hash", async () => {
		const kill = async (run: ReturnType<typeof startZk0>, line: string): Promise<string> => {
			await run.printed(line);
			run.child.kill("SIGKILL");
			expect((await run.finished).code).toBe("SIGKILL");
			const [id = ""] = await readdir(join(place.dir, "killed"));
			expect(existsSync(join(place.dir, "killed", id, "run.lock"))).toBe(true);
			const shown = await zk0(["runs", "show", id, "--out", "killed"], place.dir);
			expect(shown.stdout).toContain("is not finished");
			return id;
		};
		const id = await kill(startZk0([...WORDS, "--out", "killed"], { cwd: place.dir }), "round 0/2");
		const going = startZk0(["runs", "resume", "latest", "--out", "killed"], { cwd: place.dir });
		expect(await kill(going, "round 1/2")).toBe(id);
		const resumed = await resume("killed");
		expect(resumed["modelSha256"]).toBe(undisturbed["modelSha256"]);
		expect(resumed).toMatchObject({ runId: id, rounds: 2, finalLoss: undisturbed["finalLoss"] });
	});
});

describe("SIGINT", () => {
	test("stops cleanly, says what is kept and how to go on; resume ends at the same hash", async () => {
		const run = startZk0([...WORDS, "--out", "stopped"], { cwd: place.dir });
		await run.printed("round 1/2");
		run.child.kill("SIGINT");
		const { code, stderr } = await run.finished;
		expect(code).toBe(EXIT_CODES.interrupted.code);
		expect(stderr).toMatch(/error\[interrupted\]: stopped; rounds 1 to \d are kept in /);
		expect(stderr).toContain("continue with: zk0 runs resume ");
		const [id = ""] = await readdir(join(place.dir, "stopped"));
		const log = await readFile(join(place.dir, "stopped", id, "events.jsonl"), "utf8");
		expect(log.trimEnd().split("\n").at(-1)).toContain('"run.stopped"');
		expect((await resume("stopped"))["modelSha256"]).toBe(undisturbed["modelSha256"]);
	});

	test("while recording: nothing is left behind", async () => {
		const words = ["simulate", "--init", "random", "--seed", "99", "--episodes", "200", "--out", "early"];
		const run = startZk0(words, { cwd: place.dir, env: { ZK0_CACHE_DIR: join(place.dir, "cache") } });
		await run.printed("recording 200 episodes");
		run.child.kill("SIGINT");
		expect((await run.finished).code).toBe(EXIT_CODES.interrupted.code);
		expect(await readdir(join(place.dir, "early"))).toEqual([]);
		expect(await readdir(join(place.dir, "cache", "tmp"))).toEqual([]);
	});
});

describe("a completed run", () => {
	test("can be resumed: it says so again", async () => {
		const again = await resume("undisturbed");
		expect(again).toMatchObject({ runId: undisturbed["runId"], modelSha256: undisturbed["modelSha256"] });
	});

	test("is not resumed on other data", async () => {
		await zk0(["data", "synth", "own", "--episodes", "2", "--seed", "1"], place.dir);
		const words = ["simulate", ...TINY, "--data", "lab=own", "--out", "moved"];
		expect((await zk0([...words, "--rounds", "1"], place.dir)).code).toBe(0);
		await rm(join(place.dir, "own"), { recursive: true });
		await zk0(["data", "synth", "own", "--episodes", "2", "--seed", "2"], place.dir);
		const refused = await zk0(["runs", "resume", "latest", "--out", "moved"], place.dir);
		expect(refused.stderr).toContain("error[run-not-resumable]");
		expect(refused.code).toBe(EXIT_CODES.run.code);
	});
});
