// What other programs read of a run: CSV and Parquet read back, TensorBoard's records checked against RFC 3720's vectors
// and decoded field by field, MLflow's files against the layout of its file store.
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { BinaryReader } from "@bufbuild/protobuf/wire";
import { parquetReadObjects } from "hyparquet";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { runPaths } from "../run-directory/paths.ts";
import { summarizeRun } from "../run-directory/run-summary.ts";
import { sampleEvents } from "../testing/sample-events.ts";
import { sampleRecord } from "../testing/sample-record.ts";
import { toCsv } from "./csv.ts";
import { type ExportFormat, exportRun } from "./export-run.ts";
import { runScalars } from "./run-tables.ts";
import { crc32c, toTensorboard } from "./tensorboard.ts";

const summary = summarizeRun(sampleEvents({ sites: ["kitchen", "workshop"], numRounds: 3 }));
const run = { paths: runPaths("runs", "r"), record: sampleRecord("r"), summary, head: "" };
let directory = "";
beforeEach(async () => {
	directory = await mkdtemp(join(tmpdir(), "zk0-export-"));
});
afterEach(() => rm(directory, { recursive: true }));

const write = (format: ExportFormat, only: readonly string[] = []) =>
	exportRun(run, { format, directory, only });

describe("tables", () => {
	test("CSV quotes what needs it, and leaves empty what is not known", () => {
		const columns = [
			{ name: "a", type: "text" },
			{ name: "b", type: "number" },
		] as const;
		const rows = [
			['say "hi", twice', null],
			["line\nbreak", 0],
		];
		expect(toCsv({ name: "t", columns, rows })).toBe('a,b\r\n"say ""hi"", twice",\r\n"line\nbreak",0\r\n');
	});

	test("pairs of sites have a row each with their cosine", async () => {
		const [path = ""] = await write("csv", ["similarity"]);
		const [head, ...rows] = (await readFile(path, "utf8")).trimEnd().split("\r\n");
		expect(head).toBe("round,site,other_site,cosine");
		expect(rows).toEqual([1, 2, 3].map((round) => `${round},workshop,kitchen,0.25`));
	});

	test("losses of the sites' own weights have a column, empty where they were not measured", async () => {
		const events = sampleEvents({ sites: ["kitchen"], numRounds: 1, evalLocal: true });
		const measured = { ...run, summary: summarizeRun(events) };
		const [path = ""] = await exportRun(measured, { format: "csv", directory, only: ["sites"] });
		const [head = "", ...rows] = (await readFile(path, "utf8")).trimEnd().split("\r\n");
		const at = head.split(",").indexOf("local_held_out_loss");
		const local = measured.summary.rounds[1]?.sites["kitchen"]?.training?.["heldOutLoss"];
		expect(rows.map((row) => row.split(",")[at])).toEqual(["", String(local)]);
		expect(runScalars(measured.summary)).toContainEqual({
			tag: "kitchen/train/heldOutLoss",
			round: 1,
			value: local,
		});
	});

	test("Parquet reads back with its nulls", async () => {
		const [path = ""] = await write("parquet", ["sites"]);
		const bytes = await readFile(path);
		const rows = await parquetReadObjects({ file: new Uint8Array(bytes).buffer });
		expect(rows).toHaveLength(8);
		expect(rows[0]).toMatchObject({ round: 0, site: "kitchen", num_samples: null, failure: null });
		expect(rows[0]?.["held_out_loss"]).toBe(summary.rounds[0]?.sites["kitchen"]?.heldOutLoss);
		expect(rows.at(-1)).toMatchObject({
			round: 3,
			site: "workshop",
			num_samples: 320,
			weight: 0.5,
			update_norm: 2,
			update_alignment: 0.25,
		});
	});
});

describe("TensorBoard", () => {
	test("the checksum is RFC 3720's", () => {
		expect(crc32c(new Uint8Array(32))).toBe(0x8a9136aa);
		expect(crc32c(new Uint8Array(32).fill(0xff))).toBe(0x62a8ab43);
		expect(crc32c(Uint8Array.from({ length: 32 }, (_, index) => index))).toBe(0x46dd794e);
	});

	test("every scalar is a record with tag, step, value and time", () => {
		const scalars = runScalars(summary);
		const records = readRecords(toTensorboard(scalars, (round) => 1000 * (10 + round)));
		expect(records[0]).toMatchObject({ version: "brain.Event:2" });
		expect(records.slice(1)).toEqual(
			scalars.map(({ tag, round, value }) => ({
				seconds: 10 + round,
				step: round,
				tag,
				value: Math.fround(value),
			})),
		);
	});
});

describe("MLflow", () => {
	test("has an experiment, a run that is finished, parameters, and metrics by round", async () => {
		const files = (await write("mlflow")).map((path) => path.slice(directory.length + 1));
		const runId = files.find((path) => path.endsWith("tags/strategy"))?.split("/")[1] ?? "";
		expect(runId).toMatch(/^[0-9a-f]{32}$/);
		const read = (path: string): Promise<string> => readFile(join(directory, "205", path), "utf8");
		expect(await read("meta.yaml")).toContain('name: "zk0"');
		expect(await read(`${runId}/meta.yaml`)).toMatch(/run_name: "r"\n[^]*status: 3\n/);
		expect(await read(`${runId}/params/rounds`)).toBe("3");
		const loss = (await read(`${runId}/metrics/loss`)).trimEnd().split("\n");
		expect(loss.map((line) => Number(line.split(" ")[1]))).toEqual(summary.rounds.map((round) => round.loss));
		expect(loss.map((line) => line.split(" ")[2])).toEqual(["0", "1", "2", "3"]);
		expect(files).toContain(`205/${runId}/metrics/kitchen/held_out_loss`);
	});
});

interface Decoded {
	seconds?: number;
	step?: number;
	version?: string;
	tag?: string;
	value?: number;
}

function readRecords(bytes: Uint8Array): Decoded[] {
	const view = Buffer.from(bytes);
	const mask = (crc: number): number => (((crc >>> 15) | (crc << 17)) + 0xa282ead8) >>> 0;
	const found: Decoded[] = [];
	for (let at = 0; at < view.length; ) {
		const length = Number(view.readBigUInt64LE(at));
		const data = view.subarray(at + 12, at + 12 + length);
		expect(view.readUInt32LE(at + 8)).toBe(mask(crc32c(view.subarray(at, at + 8))));
		expect(view.readUInt32LE(at + 12 + length)).toBe(mask(crc32c(data)));
		found.push(readEvent(data));
		at += 16 + length;
	}
	return found;
}

function readEvent(data: Uint8Array): Decoded {
	const reader = new BinaryReader(data);
	const event: Decoded = {};
	while (reader.pos < reader.len) {
		const [field] = reader.tag();
		if (field === 1) event.seconds = reader.double();
		if (field === 2) event.step = Number(reader.int64());
		if (field === 3) event.version = reader.string();
		if (field === 5) {
			reader.uint32();
			reader.tag();
			reader.uint32();
			reader.tag();
			event.tag = reader.string();
			reader.tag();
			event.value = reader.float();
		}
	}
	return event;
}
