// Columns of numbers as pyarrow stores them (golden/make-pyarrow-columns.py), the coding of levels against an
// encoder written for the test, and bytes that may all be wrong.
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { DatasetError } from "../errors.ts";
import { temporaryFolder } from "../testing/recordings.ts";
import { openNumberTable } from "./numbers.ts";
import { readRuns } from "./runs.ts";

const golden = fileURLToPath(new URL("../../golden/pyarrow-columns", import.meta.url));
const ROWS = 300;
const action = (row: number, at: number): number => (row % 96) + at / 4 + 1;

async function readFloats(name: string, dim = 3): Promise<Float32Array> {
	await using table = await openNumberTable(join(golden, `${name}.parquet`));
	const target = new Float32Array(2 + ROWS * dim);
	await table.read("action", dim, target, 2);
	return target.subarray(2);
}

describe("written by pyarrow", () => {
	test.each([
		"list-snappy",
		"fixed-zstd-v2",
		"list-v2",
		"large-none",
		"double-gzip",
		"half-float",
		"split-lz4",
		"delta-brotli",
	])("%s", async (name) => {
		await using table = await openNumberTable(join(golden, `${name}.parquet`));
		expect(table.numRows).toBe(ROWS);
		const wanted = Array.from({ length: ROWS * 3 }, (_, index) => action(Math.floor(index / 3), index % 3));
		expect([...(await readFloats(name))]).toEqual(wanted);
		const integers = new Int32Array(ROWS);
		await table.read("index", 1, integers, 0);
		expect([...integers]).toEqual(Array.from({ length: ROWS }, (_, row) => row));
		await table.read("task_index", 1, integers, 0);
		expect([...integers]).toEqual(Array.from({ length: ROWS }, (_, row) => Math.floor(row / 50) % 3));
	});

	test("vectors of integers, and scalars", async () => {
		const whole = await readFloats("integer-vectors");
		expect([...whole.subarray(3 * 95, 3 * 97)]).toEqual([96, 96, 96, 1, 1, 1]);
		expect([...(await readFloats("scalar", 1))]).toEqual(
			Array.from({ length: ROWS }, (_, row) => action(row, 0)),
		);
	});

	test.each([
		["null-list", 3, "action[4]"],
		["null-value", 3, "action[4]"],
		["ragged", 3, "action[7] has another number of values than the 3"],
		["list-snappy", 2, "action[0] has another number of values than the 2"],
		["list-snappy", 4, "action[0] has another number of values than the 4"],
		["list-snappy", 1, "action[0] has another number of values than the 1"],
		["scalar", 2, "action"],
		["text", 3, "action[0]"],
	])("%s as vectors of %i is an error that names the row", async (name, dim, message) => {
		await expect(readFloats(name, dim)).rejects.toMatchObject({
			code: "bad-parquet",
			message: expect.stringContaining(message),
			file: join(golden, `${name}.parquet`),
		});
	});

	test("fractions are no integers, and a column has to be there", async () => {
		await using table = await openNumberTable(join(golden, "large-none.parquet"));
		const target = new Int32Array(ROWS * 3);
		await expect(table.read("action", 3, target, 0)).rejects.toThrow("1.25, not an integer");
		await expect(table.read("state", 3, target, 0)).rejects.toThrow('no column "state" (columns: action');
	});
});

/** Encodes values as runs (of 8 and more equal ones when told to) and bit-packed groups. */
function encodeRuns(values: readonly number[], width: number, packed: boolean): Uint8Array {
	const bytes: number[] = [];
	const varint = (value: number): void => {
		for (; value > 127; value >>>= 7) bytes.push((value & 127) | 128);
		bytes.push(value);
	};
	for (let at = 0; at < values.length; ) {
		const value = values[at] ?? 0;
		let end = at;
		while (end < values.length && values[end] === value) end++;
		if (!packed || end - at >= 8) {
			varint((end - at) << 1);
			for (let byte = 0; byte < Math.ceil(width / 8); byte++) bytes.push((value >> (8 * byte)) & 255);
			at = end;
			continue;
		}
		varint((1 << 1) | 1);
		let bits = 0n;
		for (let index = 0; index < 8; index++) bits |= BigInt(values[at + index] ?? 0) << BigInt(index * width);
		for (let byte = 0; byte < width; byte++) bytes.push(Number((bits >> BigInt(8 * byte)) & 255n));
		at += 8;
	}
	return Uint8Array.from(bytes);
}

describe("runs", () => {
	const lists = fc.integer({ min: 1, max: 24 }).chain((width) =>
		fc.record({
			width: fc.constant(width),
			parts: fc.array(
				fc.tuple(fc.integer({ min: 0, max: 2 ** width - 1 }), fc.integer({ min: 1, max: 40 })),
				{
					minLength: 1,
					maxLength: 12,
				},
			),
			packed: fc.boolean(),
		}),
	);
	test("decode what was encoded", () => {
		fc.assert(
			fc.property(lists, ({ width, parts, packed }) => {
				const values = parts.flatMap(([value, count]) => Array.from({ length: count }, () => value));
				const bytes = Uint8Array.of(99, ...encodeRuns(values, width, packed));
				const out = new Int32Array(values.length);
				readRuns(bytes, { from: 1, to: bytes.length, width, count: values.length }, out);
				expect([...out]).toEqual(values);
			}),
		);
	});

	test("that end early, hold nothing or are too wide are refused", () => {
		const out = new Int32Array(100);
		const read = (bytes: number[], width: number): void =>
			readRuns(Uint8Array.from(bytes), { from: 0, to: bytes.length, width, count: 100 }, out);
		expect(() => read([128, 128], 1)).toThrow("no end");
		expect(() => read([255, 255, 255, 255, 255, 1], 1)).toThrow("no end");
		expect(() => read([0, 0], 1)).toThrow("run of nothing");
		expect(() => read([20], 1)).toThrow("no value");
		expect(() => read([27, 0, 0], 8)).toThrow("ends early");
		expect(() => read([20, 0], 25)).toThrow("25 bits");
	});
});

test("any byte may be wrong: an error with a code, or numbers", async () => {
	using folder = temporaryFolder();
	const path = join(folder.path, "damaged.parquet");
	const files = ["list-snappy", "fixed-zstd-v2", "double-gzip"].map((name) =>
		readFileSync(join(golden, `${name}.parquet`)),
	);
	const changes = fc.record({
		file: fc.constantFrom(...files),
		at: fc.double({ min: 0, max: 0.999, noNaN: true }),
		bytes: fc.uint8Array({ minLength: 1, maxLength: 4 }),
		isHeader: fc.boolean(),
	});
	await fc.assert(
		fc.asyncProperty(changes, async ({ file, at, bytes, isHeader }) => {
			const damaged = Buffer.from(file);
			// Page headers are at the front of the file.
			damaged.set(
				bytes,
				Math.floor(at * ((isHeader ? 120 : file.length) - bytes.length)) + (isHeader ? 4 : 0),
			);
			writeFileSync(path, damaged);
			const read = async (): Promise<void> => {
				await using table = await openNumberTable(path);
				if (table.numRows > ROWS) return;
				await table.read("action", 3, new Float32Array(ROWS * 3), 0);
				await table.read("index", 1, new Int32Array(ROWS), 0);
			};
			const error = await read().then(
				() => null,
				(cause: unknown) => cause,
			);
			expect(error === null || error instanceof DatasetError).toBe(true);
		}),
		{ numRuns: 150 },
	);
});
