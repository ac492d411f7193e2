// Damaged files never crash, hang or exhaust a reader: a bounded part of tools/fuzz.ts with a fixed seed.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterAll, describe, expect, test } from "vitest";
import { edits, mutate } from "./fuzz/mutate.ts";
import { openTarget, type TargetName } from "./fuzz/targets.ts";

const folder = mkdtempSync(join(tmpdir(), "zk0-fuzz-"));
afterAll(() => rmSync(folder, { recursive: true }));

/** Runs per target: those that start processes cost more. */
const RUNS: readonly (readonly [TargetName, number])[] = [
	["parquet", 80],
	["parquet-footer", 40],
	["pyarrow-v21", 30],
	["pyarrow-v3", 30],
	["av1", 20],
	["h264", 20],
	["hevc", 20],
	["mpeg4", 20],
	["wrist", 20],
	["safetensors", 80],
	["checkpoint", 20],
	["fleet", 150],
	["admin", 60],
];

test.each(RUNS)("%s", async (name, numRuns) => {
	await using target = await openTarget(name, folder);
	const before = process.cpuUsage();
	await fc.assert(
		fc.asyncProperty(edits, (damage) => target.run(damage)),
		{ seed: 1, numRuns, endOnFailure: true },
	);
	const { user, system } = process.cpuUsage(before);
	expect((user + system) / 1000 / numRuns).toBeLessThan(500);
});

describe("found by tools/fuzz.ts", () => {
	test("page headers that are something else made hyparquet loop for ever", async () => {
		await using target = await openTarget("parquet", folder);
		const shifted = target.run([
			{ kind: "number", at: 0, value: 18 },
			{ kind: "copy", at: 0, value: 2_147_483_644 },
		]);
		await expect(shifted).resolves.toBeUndefined();
	});
});

test("damage is the same for the same edits, and is damage", () => {
	const whole = Uint8Array.from({ length: 100 }, (_, index) => index);
	const lists = fc.sample(edits, { seed: 3, numRuns: 50 });
	const twice = lists.map((damage) => [mutate(whole, damage), mutate(whole, damage)] as const);
	expect(twice.every(([a, b]) => Buffer.compare(a, b ?? whole) === 0)).toBe(true);
	expect(twice.filter(([a]) => Buffer.compare(a, whole) !== 0).length).toBeGreaterThan(40);
});
