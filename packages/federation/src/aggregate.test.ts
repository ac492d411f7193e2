import { once } from "node:events";
import { existsSync } from "node:fs";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { Worker } from "node:worker_threads";
import { float32Array, type NdArray, type Shape } from "@zk0/arrays";
import { hashTensors, openSafetensors, sha256File, writeSafetensorsFile } from "@zk0/arrays/node";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { aggregateFiles, normaliseWeights, type UpdateFile } from "./aggregate.ts";
import { temporaryDir } from "./testing/toy-app.ts";

let dir = "";
let owner: AsyncDisposable | undefined;
beforeAll(async () => {
	const made = await temporaryDir();
	owner = made;
	dir = made.path;
});
afterAll(async () => {
	await owner?.[Symbol.asyncDispose]();
});

type Tensors = Map<string, NdArray<"float32">>;

/** Finite float32 values of very different sizes, both zeros and subnormals included. */
const finite = fc.float({ noNaN: true, noDefaultInfinity: true });

function update(values: readonly (readonly number[])[]): Tensors {
	return new Map(values.map((data, index) => [`t${index}`, float32Array([data.length], data)]));
}

let fileIndex = 0;
async function store(site: string, weight: number, tensors: Tensors): Promise<UpdateFile> {
	const path = join(dir, `${fileIndex++}.safetensors`);
	await writeSafetensorsFile(path, tensors);
	return { site, path, weight };
}

async function aggregate(updates: readonly UpdateFile[], threads = 0): Promise<Tensors> {
	const out = join(dir, `${fileIndex++}.safetensors`);
	await aggregateFiles({ updates, out, threads });
	using file = openSafetensors(out);
	return new Map([...file.entries.keys()].map((name) => [name, file.readFloat32(name)]));
}

/** 2-5 sites, each with tensors of 5, 0 and 3 elements and a number of samples. */
const siteData = fc.array(
	fc.record({
		weight: fc.integer({ min: 1, max: 1_000_000 }),
		values: fc.tuple(
			fc.array(finite, { minLength: 5, maxLength: 5 }),
			fc.constant<number[]>([]),
			fc.array(finite, { minLength: 3, maxLength: 3 }),
		),
	}),
	{ minLength: 2, maxLength: 5 },
);

describe("aggregateFiles", () => {
	test("agrees with a float64 reference, rounded once", async () => {
		await fc.assert(
			fc.asyncProperty(siteData, async (sites) => {
				const files = await Promise.all(sites.map((s, i) => store(`s${i}`, s.weight, update(s.values))));
				const result = await aggregate(files);
				const weights = normaliseWeights(sites.map(({ weight }) => weight));
				for (const [index, name] of ["t0", "t1", "t2"].entries()) {
					const length = sites[0]?.values[index]?.length ?? 0;
					const expected = Float32Array.from({ length }, (_, at) => {
						const terms = sites.map((s, k) => (weights[k] ?? 0) * Math.fround(s.values[index]?.[at] ?? 0));
						return terms.reduce((sum, term) => sum + term);
					});
					expect(result.get(name)?.data).toEqual(expected);
				}
			}),
			{ numRuns: 60 },
		);
	});

	test("does not depend on the order of the updates or the scale of the weights", async () => {
		await fc.assert(
			fc.asyncProperty(siteData, fc.integer({ min: 2, max: 1000 }), async (sites, scale) => {
				const files = await Promise.all(sites.map((s, i) => store(`s${i}`, s.weight, update(s.values))));
				const scaled = files.map((file) => ({ ...file, weight: file.weight * scale })).reverse();
				expect(hashTensors(await aggregate(scaled))).toBe(hashTensors(await aggregate(files)));
			}),
			{ numRuns: 40 },
		);
	});

	test("adds in the order of site names: where order shows, it is always the same", async () => {
		const values: [string, number][] = [
			["a", 1e30],
			["b", 1],
			["c", -1e30],
		];
		const files = await Promise.all(values.map(([site, value]) => store(site, 1, update([[value]]))));
		const [a, b, c] = files;
		for (const order of [files, [c, b, a], [a, c, b], [b, c, a]]) {
			const given = order.filter((file) => file !== undefined);
			// (1e30 + 1) - 1e30 is 0; in another order it would be 1/3.
			expect((await aggregate(given)).get("t0")?.data[0]).toBe(0);
		}
	});

	test("gives equal inputs back bit for bit, whatever the weights", async () => {
		await fc.assert(
			fc.asyncProperty(siteData, async (sites) => {
				const tensors = update(sites[0]?.values ?? []);
				const files = await Promise.all(sites.map((s, i) => store(`s${i}`, s.weight, tensors)));
				expect(hashTensors(await aggregate(files))).toBe(hashTensors(tensors));
			}),
			{ numRuns: 60 },
		);
	});

	test("keeps a single update's bits, negative zero included", async () => {
		const tensors = update([[-0, 0, 1e-45, 3.4e38], []]);
		expect(hashTensors(await aggregate([await store("only", 7, tensors)]))).toBe(hashTensors(tensors));
	});

	test("writes the file that the codec writes", async () => {
		const tensors = update([[1, 2, 3], [4]]);
		const file = await store("only", 1, tensors);
		const out = join(dir, "canonical.safetensors");
		await aggregateFiles({ updates: [file], out });
		expect(await readFile(out)).toEqual(await readFile(file.path));
		expect(await sha256File(out)).toBe(hashTensors(tensors));
	});

	test("gives the same bytes with 0, 1, 2 and 3 threads and with chunks that do not divide", async () => {
		const shape: Shape = [6_000_011];
		const files = await Promise.all(
			[3, 5, 11].map((weight, k) => {
				const data = new Float32Array(6_000_011);
				for (let i = 0; i < data.length; i++) data[i] = (i % 1009) / (k + 3);
				return store(`s${k}`, weight, new Map([["w", float32Array(shape, data)]]));
			}),
		);
		const hashes = new Set<string>();
		for (const threads of [0, 1, 2, 3]) {
			const out = join(dir, "threads.safetensors");
			await aggregateFiles({ updates: files, out, threads });
			hashes.add(await sha256File(out));
		}
		expect(hashes.size).toBe(1);
	});

	test("works with more updates than files may be open", async () => {
		const tensors = update([[1, -2, 3]]);
		const file = await store("s", 1, tensors);
		const updates = Array.from({ length: 300 }, (_, k) => ({ ...file, site: `s${k}` }));
		expect(hashTensors(await aggregate(updates))).toBe(hashTensors(tensors));
	});

	test.each([
		["missing-tensor", { t0: [1, 2] }],
		["extra-tensor", { t0: [1, 2], t1: [3], t9: [4] }],
		["wrong-shape", { t0: [1, 2, 3], t1: [3] }],
	])("refuses updates that differ: %s", async (code, values: Record<string, number[]>) => {
		const good = await store("a", 1, update([[1, 2], [3]]));
		const tensors = new Map(Object.entries(values).map(([n, d]) => [n, float32Array([d.length], d)]));
		await expect(aggregate([good, await store("b", 1, tensors)])).rejects.toMatchObject({
			code,
			ids: { site: "b" },
		});
	});

	test("refuses repeated names, no updates and weights that are no weights", async () => {
		const file = await store("a", 1, update([[1]]));
		await expect(aggregate([file, file])).rejects.toThrow(RangeError);
		await expect(aggregate([])).rejects.toThrow(RangeError);
		for (const weight of [0, -1, Number.NaN, Number.POSITIVE_INFINITY]) {
			await expect(aggregate([{ ...file, weight }])).rejects.toThrow(RangeError);
		}
	});

	test("reports a truncated update and a folder that is not there", async () => {
		const file = await store("a", 1, update([[1, 2, 3]]));
		const whole = await readFile(file.path);
		await writeFile(file.path, whole.subarray(0, whole.length - 4));
		await expect(aggregate([file])).rejects.toMatchObject({ code: "truncated" });
		await writeFile(file.path, whole);
		const out = join(dir, "nowhere", "x.safetensors");
		await expect(aggregateFiles({ updates: [file], out })).rejects.toMatchObject({ code: "storage" });
	});

	test.runIf(existsSync("/dev/full"))("a full disk is a typed error", async () => {
		const file = await store("a", 1, update([[1]]));
		const out = "/dev/full";
		await expect(aggregateFiles({ updates: [file], out })).rejects.toMatchObject({ code: "disk-full" });
	});

	test("a worker reports its failure with the system's code", async () => {
		const job = {
			inputs: [{ path: join(dir, "missing"), dtype: "float32" }],
			weights: [1],
			tensors: [],
			output: join(dir, "missing"),
		};
		const workerData = { job, share: { index: 0, count: 1 } };
		const worker = new Worker(new URL("../dist/aggregate-worker.js", import.meta.url), {
			workerData,
			execArgv: [],
		});
		const [answer] = await once(worker, "message");
		await worker.terminate();
		expect(answer).toMatchObject({ ok: false, code: "ENOENT" });
	});

	test("stops its workers when cancelled in the middle", async () => {
		const big = new Map([["w", float32Array([20_000_000], new Float32Array(20_000_000))]]);
		const updates = [await store("a", 1, big)];
		const out = join(dir, "cancelled-late.safetensors");
		const signal = AbortSignal.timeout(1);
		await expect(aggregateFiles({ updates, out, signal })).rejects.toMatchObject({ code: "cancelled" });
	});

	test("stops when cancelled", async () => {
		const file = await store("a", 1, update([[1]]));
		const out = join(dir, "cancelled.safetensors");
		await expect(aggregateFiles({ updates: [file], out, signal: AbortSignal.abort() })).rejects.toMatchObject(
			{ code: "cancelled" },
		);
	});
});
