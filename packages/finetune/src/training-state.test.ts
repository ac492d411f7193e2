import { mkdtemp, readdir, readFile, rm, truncate, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { float32Array } from "@zk0/arrays";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { openTrainingStateSpool, type TrainingState } from "./training-state.ts";

let dir = "";
beforeEach(async () => {
	dir = await mkdtemp(join(tmpdir(), "zk0-state-"));
});
afterEach(async () => {
	await rm(dir, { recursive: true });
});

function state(round: number): TrainingState {
	const moments = new Map([
		["exp_avg:w", float32Array([2], [round, 0.1])],
		["exp_avg_sq:w", float32Array([2], [1e-30, round])],
	]);
	return { round, samplesConsumed: round * 40, optimizer: { step: round * 5, moments } };
}

async function files(): Promise<string[]> {
	return (await readdir(dir, { recursive: true })).filter((name) => name.endsWith(".safetensors")).sort();
}

describe("training state spool", () => {
	test("gives back the exact state of the latest earlier round", async () => {
		const spool = openTrainingStateSpool(dir, { runId: "run", site: "lab" });
		expect(await spool.readBefore(1)).toBeNull();
		await spool.write(state(1));
		await spool.write(state(3));
		expect(await spool.readBefore(1)).toBeNull();
		expect(await spool.readBefore(3)).toEqual(state(1));
		expect(await spool.readBefore(4)).toEqual(state(3));
		expect(await spool.readBefore(9)).toEqual(state(3));
	});

	test("a restarted round ignores and replaces its own file of the interrupted try", async () => {
		const spool = openTrainingStateSpool(dir, { runId: "run", site: "lab" });
		await spool.write(state(1));
		await spool.write({ ...state(2), samplesConsumed: 999 });
		expect(await spool.readBefore(2)).toEqual(state(1));
		await spool.write(state(2));
		expect(await spool.readBefore(3)).toEqual(state(2));
	});

	test("keeps the last two rounds only", async () => {
		const spool = openTrainingStateSpool(dir, { runId: "run", site: "lab" });
		for (const round of [1, 2, 3, 4]) await spool.write(state(round));
		expect((await files()).map((name) => name.slice(-18))).toEqual([
			"000003.safetensors",
			"000004.safetensors",
		]);
	});

	test("a run set back to an earlier round forgets the later ones", async () => {
		const spool = openTrainingStateSpool(dir, { runId: "run", site: "lab" });
		for (const round of [1, 2, 3]) await spool.write(state(round));
		await spool.write(state(2));
		expect(await spool.readBefore(9)).toEqual(state(2));
	});

	test("sites and runs do not meet, whatever their names", async () => {
		const names = ["lab", "a/b", "..", "ä site"];
		for (const [index, site] of names.entries()) {
			await openTrainingStateSpool(dir, { runId: "run", site }).write(state(index + 1));
		}
		for (const [index, site] of names.entries()) {
			const spool = openTrainingStateSpool(dir, { runId: "run", site });
			expect(await spool.readBefore(9)).toEqual(state(index + 1));
			expect(await openTrainingStateSpool(dir, { runId: "other", site }).readBefore(9)).toBeNull();
		}
		expect((await readdir(dir)).sort()).toEqual(["run"]);
	});

	test("without moments only the position is kept", async () => {
		const spool = openTrainingStateSpool(dir, { runId: "run", site: "lab" });
		await spool.write({ round: 1, samplesConsumed: 8, optimizer: null });
		expect(await spool.readBefore(2)).toEqual({ round: 1, samplesConsumed: 8, optimizer: null });
	});

	test("a truncated file and a file of another site are errors", async () => {
		const spool = openTrainingStateSpool(dir, { runId: "run", site: "lab" });
		await spool.write(state(1));
		const path = join(dir, "run", "lab", "round_000001.safetensors");
		const bytes = await readFile(path);
		await truncate(path, bytes.length - 4);
		await expect(spool.readBefore(2)).rejects.toMatchObject({ code: "bad-training-state", site: "lab" });
		await openTrainingStateSpool(dir, { runId: "run", site: "shop" }).write(state(1));
		await writeFile(path, await readFile(join(dir, "run", "shop", "round_000001.safetensors")));
		await expect(spool.readBefore(2)).rejects.toThrow(/site shop/);
	});
});
