// A repaired copy opens strictly and is examined clean, whatever of the curable was wrong; the original stays as it was.
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { openDataset } from "@zk0/dataset";
import { rewriteTable, type TableRow } from "@zk0/dataset/testing";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { DoctorError } from "./errors.ts";
import { examineDataset } from "./examine.ts";
import { checkOutside, writeRepairedCopy } from "./repair.ts";
import { LENGTHS, record } from "./testing/recording.ts";

const DATA = "data/chunk-000/file-000.parquet";
let folder: string;

beforeAll(async () => {
	folder = mkdtempSync(join(tmpdir(), "zk0-repair-"));
	await record(join(folder, "base"), { options: { cameras: [] } });
});
afterAll(() => rmSync(folder, { recursive: true }));

describe("writeRepairedCopy", () => {
	test("doubled and shuffled rows, wrong times, counts, tasks and statistics, one bad episode", async () => {
		const bad = join(folder, "bad");
		cpSync(join(folder, "base"), bad, { recursive: true });
		await rewriteTable(join(bad, DATA), (rows) => {
			const spoiled = rows.map((row): TableRow => ({ ...row, timestamp: Number(row["timestamp"]) + 0.02 }));
			const doubled = spoiled.flatMap((row) => (row["episode_index"] === 1n ? [row, row] : [row]));
			// Episode 2 loses a frame in its middle.
			return doubled.filter((row) => !(row["episode_index"] === 2n && row["frame_index"] === 12n));
		});
		await rewriteTable(join(bad, "meta/tasks.parquet"), (rows) =>
			rows.map((row) =>
				row["task_index"] === 1n ? { ...row, task: "Put the red cube on the plate." } : row,
			),
		);
		const info = join(bad, "meta/info.json");
		writeFileSync(info, readFileSync(info, "utf8").replace('"total_episodes": 4', '"total_episodes": 9'));
		rmSync(join(bad, "meta/stats.json"));

		const examination = await examineDataset(bad);
		expect(new Set(examination.findings.map(({ code }) => code))).toEqual(
			new Set([
				"count-mismatch",
				"index-doubled",
				"index-gap",
				"timestamp-mismatch",
				"task-duplicate",
				"statistics-missing",
				"state-only",
			]),
		);
		const before = readFileSync(join(bad, DATA));
		const copy = await writeRepairedCopy(examination, join(folder, "copy"));
		expect(readFileSync(join(bad, DATA)).equals(before)).toBe(true);
		expect(copy.originalEpisodes).toEqual([0, 1, 3]);

		const [original, repaired] = [await openDataset(join(folder, "base")), await openDataset(copy.root)];
		const [rows, mended] = [await original.readRows(), await repaired.readRows()];
		expect(repaired.tasks).toEqual(["Put the red cube on the plate"]);
		const [first, second, third] = LENGTHS;
		const kept = [
			rows.action.subarray(0, (first + second) * 6),
			rows.action.subarray((first + second + third) * 6),
		];
		expect(
			Buffer.concat(kept.map((part) => Buffer.from(part.buffer, part.byteOffset, part.byteLength))),
		).toEqual(Buffer.from(mended.action.buffer, mended.action.byteOffset, mended.action.byteLength));
		const again = await examineDataset(copy.root);
		expect(again.findings.map(({ code }) => code)).toEqual(["state-only"]);
	});

	test("refuses when nothing is left, and places inside the original", async () => {
		const dir = join(folder, "hopeless");
		cpSync(join(folder, "base"), dir, { recursive: true });
		writeFileSync(join(dir, DATA), "");
		const examination = await examineDataset(dir);
		await expect(writeRepairedCopy(examination, join(folder, "none"))).rejects.toThrow(/nothing-left/);
		for (const place of ["", "copy", "data/../copy"]) {
			expect(() => checkOutside(dir, join(dir, place))).toThrow(DoctorError);
		}
		expect(() => checkOutside(dir, `${dir}-copy`)).not.toThrow();
	});
});
