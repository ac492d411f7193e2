// `zk0 train` killed and stopped again and again: it goes on from its checkpoints and ends at the bytes of an
// undisturbed training.
import { watch } from "node:fs";
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { EXIT_CODES } from "@zk0/cli";
import { afterAll, beforeAll, expect, test } from "vitest";
import { jsonOf, type Running, startZk0, workplace, zk0 } from "./zk0.ts";

const STEPS = 40;
const SAVE_FREQ = 4;
// Steps long enough that a kill lands between them.
const SLOW = ["--preset", "tiny", "--init", "random", "--batch-size", "24"];
const WORDS = ["train", "sim:site-a?episodes=5&seed=7&size=96x96", ...SLOW, "--steps", String(STEPS)];
const SAVING = ["--save-freq", String(SAVE_FREQ), "--keep-checkpoints", "1"];

let place: Awaited<ReturnType<typeof workplace>>;
beforeAll(async () => {
	place = await workplace();
});
afterAll(() => place[Symbol.asyncDispose]());

/** Ends the process at once and waits until it is gone. */
async function kill({ child, finished }: Running): Promise<void> {
	child.kill("SIGKILL");
	expect((await finished).code).toBe("SIGKILL");
}

/** Resolves when a checkpoint begins to be written. */
function checkpointBegins(dir: string): Promise<void> {
	return new Promise((resolve) => {
		const watcher = watch(dir, (_, name) => {
			if (name?.includes(".safetensors.tmp-") !== true) return;
			watcher.close();
			resolve();
		});
	});
}

async function eventsOf(dir: string): Promise<{ kind: string; step: number }[]> {
	const text = await readFile(join(dir, "training.jsonl"), "utf8");
	return text
		.trim()
		.split("\n")
		.map((line) => JSON.parse(line).event);
}

test("SIGKILL between and within checkpoints, then SIGINT: the same bytes, one interval repeated at most", async () => {
	const undisturbed = jsonOf(await zk0([...WORDS, "--json"], place.dir));

	const first = startZk0([...WORDS, ...SAVING, "--out", "killed"], { cwd: place.dir });
	await first.printed(`step ${2 * SAVE_FREQ}/${STEPS}`);
	await kill(first);
	const [id = ""] = await readdir(join(place.dir, "killed"));
	const dir = join(place.dir, "killed", id);
	const state = join(dir, "training-state");
	const resume = ["runs", "resume", "latest", "--out", "killed"];
	const listed = jsonOf(await zk0(["runs", "list", "--out", "killed", "--json"], place.dir));
	expect(listed["runs"]).toMatchObject([{ runId: id, status: "running", numSteps: STEPS }]);

	const begun = checkpointBegins(state);
	const second = startZk0(resume, { cwd: place.dir });
	await Promise.race([begun, second.finished]);
	await kill(second);

	const third = startZk0(resume, { cwd: place.dir });
	await third.printed("samples/s");
	third.child.kill("SIGINT");
	const stopped = await third.finished;
	expect(stopped.code).toBe(EXIT_CODES.interrupted.code);
	expect(stopped.stderr).toContain(`continue with: zk0 runs resume ${id}`);
	expect((await zk0(["runs", "show", id, "--out", "killed"], place.dir)).stdout).toContain(
		"stopped after step",
	);

	const last = jsonOf(await zk0([...resume, "--json"], place.dir));
	const { modelSha256, trainLoss, initialLoss, finalLoss, heldOut, samples } = undisturbed;
	expect(last).toMatchObject({ modelSha256, trainLoss, initialLoss, finalLoss, heldOut, samples });
	expect(await readdir(state)).toEqual([`step_${String(STEPS).padStart(6, "0")}.safetensors`]);
	await expectNoStepLost(dir);
}, 120_000);

/** Every resumption begins at the last checkpoint that was logged, or at one whose log line the kill took. */
async function expectNoStepLost(dir: string): Promise<void> {
	let saved = 0;
	const lost: number[] = [];
	const events = await eventsOf(dir);
	for (const { kind, step } of events) {
		if (kind === "resumed" && step !== saved && step !== saved + SAVE_FREQ) lost.push(step);
		if (kind === "saved" || kind === "resumed") saved = step;
	}
	expect(lost).toEqual([]);
	expect(events.filter(({ kind }) => kind === "resumed").length).toBeGreaterThanOrEqual(2);
}
