// Which rounds stay at a site, and that keeping them costs no bytes and trusts no name.
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { keepRound, listKeptRounds } from "./kept-rounds.ts";
import type { RunSetup } from "./run-setup.ts";

const root = mkdtempSync(join(tmpdir(), "zk0-kept-"));
afterAll(() => rmSync(root, { recursive: true }));

const setup: RunSetup = {
	format: "zk0-setup-2",
	start: {
		init: "random",
		preset: "tiny",
		seed: 7,
		loraRank: null,
		loraAlpha: null,
		loraFreezeA: false,
		modelSha256: "aa",
		files: "f1",
	},
	site: { heldOut: 0.2, evalFrames: 4, sampledFrames: 1, evalLocal: false },
	learning: {},
};

async function keep(
	dir: string,
	runId: string,
	round: number,
	minute: number,
	weights = `${runId} ${round}`,
): Promise<void> {
	const weightsPath = join(root, "weights");
	writeFileSync(weightsPath, weights);
	const task = { runId, round, seed: 7, weightsPath, weightsSha256: `sha ${round}` };
	await keepRound(dir, task, { setup, now: Date.UTC(2026, 10, 23, 0, minute) });
	// What the client does when the next round comes.
	rmSync(weightsPath);
}

test("the last three rounds stay with the start of their run; older ones and other runs make room", async () => {
	const dir = join(root, "rounds");
	for (let round = 0; round <= 5; round++) await keep(dir, "first", round, round);
	// A round that is evaluated again after a restart.
	await keep(dir, "first", 5, 6);
	const kept = await listKeptRounds(dir);
	expect(kept.map(({ runId, round }) => [runId, round])).toEqual([
		["first", 0],
		["first", 3],
		["first", 4],
		["first", 5],
	]);
	expect(kept.map(({ weights }) => (weights === null ? null : readFileSync(weights, "utf8")))).toEqual([
		null,
		"first 3",
		"first 4",
		"first 5",
	]);
	expect(readdirSync(dir)).toHaveLength(7);
	for (let round = 0; round <= 2; round++) await keep(dir, "second", round, 10 + round);
	expect((await listKeptRounds(dir)).map(({ runId, round }) => [runId, round])).toEqual([
		["first", 5],
		["second", 0],
		["second", 1],
		["second", 2],
	]);
});

test("keeping is a link, and a run's id is no path", async () => {
	const dir = join(root, "deep", "rounds");
	const weightsPath = join(root, "shared");
	writeFileSync(weightsPath, "weights");
	const task = { runId: "../../outside", round: 1, seed: 7, weightsPath, weightsSha256: "s" };
	await keepRound(dir, task, { setup, now: 0 });
	const [kept] = await listKeptRounds(dir);
	expect(kept?.runId).toBe("../../outside");
	expect(statSync(kept?.weights ?? "").ino).toBe(statSync(weightsPath).ino);
	expect(existsSync(join(root, "outside"))).toBe(false);
});

test("of a round that comes again with other weights the newer ones stay", async () => {
	const dir = join(root, "again");
	await keep(dir, "run", 1, 0);
	await keep(dir, "run", 1, 1, "of a restored server");
	const [kept] = await listKeptRounds(dir);
	expect(readFileSync(kept?.weights ?? "", "utf8")).toBe("of a restored server");
	const task = { runId: "run", round: 1, seed: 7, weightsPath: kept?.weights ?? "", weightsSha256: "s" };
	await keepRound(dir, task, { setup, now: 2 });
	expect(readdirSync(dir)).toHaveLength(2);
});

test("a damaged note is named; no folder is no rounds", async () => {
	expect(await listKeptRounds(join(root, "nothing"))).toEqual([]);
	const dir = join(root, "rounds");
	writeFileSync(join(dir, "x.json"), "{");
	await expect(listKeptRounds(dir)).rejects.toMatchObject({ code: "state-damaged" });
});
