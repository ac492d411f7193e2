// Runs that are stopped and runs that are killed: what is kept, and that they end at the bytes of an undisturbed run.
import { existsSync } from "node:fs";
import { readdir, readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import { EXIT_CODES } from "@zk0/cli";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { jsonOf, startZk0, workplace, zk0 } from "./zk0.ts";

const WORDS = ["simulate", "--preset", "tiny", "--init", "random", "--rounds", "2", "--concurrency", "1"];

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
	test.each(["round 0/2", "round 1/2"])("after %s: resume ends at the same hash", async (line) => {
		const out = `killed-${line.charAt(6)}`;
		const run = startZk0([...WORDS, "--out", out], { cwd: place.dir });
		await run.printed(line);
		run.child.kill("SIGKILL");
		expect((await run.finished).code).toBe("SIGKILL");
		const [id = ""] = await readdir(join(place.dir, out));
		expect(existsSync(join(place.dir, out, id, "run.lock"))).toBe(true);
		expect((await zk0(["runs", "show", id, "--out", out], place.dir)).stdout).toContain("is not finished");
		const resumed = await resume(out);
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
		const words = ["simulate", "--preset", "tiny", "--init", "random", "--data", "lab=own", "--out", "moved"];
		expect((await zk0([...words, "--rounds", "1"], place.dir)).code).toBe(0);
		await rm(join(place.dir, "own"), { recursive: true });
		await zk0(["data", "synth", "own", "--episodes", "2", "--seed", "2"], place.dir);
		const refused = await zk0(["runs", "resume", "latest", "--out", "moved"], place.dir);
		expect(refused.stderr).toContain("error[run-not-resumable]");
		expect(refused.code).toBe(EXIT_CODES.run.code);
	});
});
