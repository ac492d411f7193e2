import { join } from "node:path";
import { float32Array, float32ToBfloat16, type NdArray, ndArray } from "@zk0/arrays";
import { hashTensors, openSafetensors, sha256File, writeSafetensorsFile } from "@zk0/arrays/node";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { aggregateFiles } from "./aggregate.ts";
import { replayRun } from "./run-state.ts";
import { temporaryDir } from "./testing/toy-app.ts";
import { ofKind, simulateToy, theKind } from "./testing/toy-run.ts";
import { inspectUpdateFile, readTensorSpecs, specsIn } from "./update-check.ts";
import { dtypeOf, roundWeights, widenWeights, writeDifference } from "./update-dtype.ts";

let dir = "";
let owner: AsyncDisposable | undefined;
let numFiles = 0;
beforeAll(async () => {
	const made = await temporaryDir();
	owner = made;
	dir = made.path;
});
afterAll(async () => {
	await owner?.[Symbol.asyncDispose]();
});

const fresh = (): string => join(dir, `${numFiles++}.safetensors`);

async function store(values: readonly number[]): Promise<string> {
	const path = fresh();
	await writeSafetensorsFile(path, new Map([["w", float32Array([values.length], values)]]));
	return path;
}

function read(path: string): Float32Array {
	using file = openSafetensors(path);
	return file.readFloat32("w").data;
}

/** Normal float32 numbers well inside the range, so that differences do not overflow. */
const number = fc.double({ noNaN: true, min: -1e30, max: 1e30 }).map((value) => {
	return Math.abs(value) < 1e-30 ? 0 : Math.fround(value);
});
const numbers = fc.array(number, { minLength: 1, maxLength: 20 });
/** Half a unit in the last of bfloat16's 8 bits. */
const RELATIVE_ERROR = 2 ** -8;

describe("encodings", () => {
	test("rounding is within half a last bit, widening is exact, and doing it twice changes nothing", async () => {
		await fc.assert(
			fc.asyncProperty(numbers, async (values) => {
				const [from, rounded, wide, again] = [await store(values), fresh(), fresh(), fresh()];
				await roundWeights(from, rounded);
				expect([dtypeOf(from), dtypeOf(rounded)]).toEqual(["float32", "bfloat16"]);
				await widenWeights(rounded, wide);
				expect(dtypeOf(wide)).toBe("float32");
				for (const [index, value] of read(wide).entries()) {
					const exact = values[index] ?? Number.NaN;
					expect(Math.abs(value - exact)).toBeLessThanOrEqual(Math.abs(exact) * RELATIVE_ERROR);
				}
				await roundWeights(wide, again);
				expect(await sha256File(again)).toBe(await sha256File(rounded));
			}),
			{ numRuns: 30 },
		);
	});

	test("a mean of differences is added to unrounded weights in float64", async () => {
		const pair = fc.tuple(number, number, number, fc.integer({ min: 1, max: 1000 }));
		await fc.assert(
			fc.asyncProperty(fc.array(pair, { minLength: 1, maxLength: 9 }), async (rows) => {
				const [weight, a, b] = [0, 1, 2].map((column) => rows.map((row) => row[column] ?? 0));
				const base = await store(weight ?? []);
				const updates = [];
				for (const [index, trained] of [a, b].entries()) {
					const path = fresh();
					await writeDifference(await store(trained ?? []), base, path);
					updates.push({ site: `s${index}`, path, weight: rows[0]?.[3] ?? 1 });
				}
				const out = fresh();
				await aggregateFiles({ updates, updateDtype: "bfloat16", base, out, threads: 0 });
				const [first, second] = updates.map(({ path }) => read(path));
				for (const [index, value] of read(out).entries()) {
					// One after the other: differences that cancel each other may swallow a small weight.
					const sum = (weight?.[index] ?? 0) + 0.5 * (first?.[index] ?? 0) + 0.5 * (second?.[index] ?? 0);
					expect(value).toBe(Math.fround(sum));
				}
			}),
			{ numRuns: 30 },
		);
	});

	test("steps below a weight's last bit add up at the server", async () => {
		let weights = await store([1]);
		for (let round = 0; round < 100; round++) {
			const [trained, difference, next] = [await store([(read(weights)[0] ?? 0) + 1e-4]), fresh(), fresh()];
			await writeDifference(trained, weights, difference);
			const updates = [{ site: "a", path: difference, weight: 1 }];
			await aggregateFiles({ updates, updateDtype: "bfloat16", base: weights, out: next, threads: 0 });
			weights = next;
		}
		// bfloat16 weights would still be 1: its neighbour is 1.0078.
		expect(read(weights)[0]).toBeCloseTo(1.01, 4);
	});

	test("differences are inspected like weights", async () => {
		const base = await store([1, 2, 3]);
		const specs = specsIn(readTensorSpecs(base), "bfloat16");
		const codeOf = async (arrays: Map<string, NdArray>): Promise<string | undefined> => {
			const path = fresh();
			await writeSafetensorsFile(path, arrays);
			using file = openSafetensors(path);
			const end = Math.max(...[...file.entries.values()].map((entry) => entry.offsetBytes + entry.sizeBytes));
			return (await inspectUpdateFile(path, specs, end))?.code;
		};
		const words = (values: readonly number[]): Map<string, NdArray> =>
			new Map([["w", ndArray("bfloat16", [values.length], float32ToBfloat16(Float32Array.from(values)))]]);
		expect(await codeOf(words([1e-3, -1e-3, 0]))).toBeUndefined();
		expect(await codeOf(words([1, Number.NaN, 0]))).toBe("not-finite");
		expect(await codeOf(words([1, 0, Number.NEGATIVE_INFINITY]))).toBe("not-finite");
		expect(await codeOf(words([1]))).toBe("wrong-shape");
		expect(await codeOf(new Map([["w", float32Array([3], [1, 2, 3])]]))).toBe("wrong-dtype");
	});
});

describe("a federation in bfloat16", () => {
	test("comes close to one in float32, is recorded, and gives the same bytes again and after a stop", async () => {
		const run = async (updateDtype: "float32" | "bfloat16", stopAfter?: number) => {
			await using place = await temporaryDir();
			const stopping = new AbortController();
			const events = [];
			for await (const event of simulateToy(place.path, { updateDtype, signal: stopping.signal })) {
				events.push(event);
				if (event.kind === "round.aggregated" && event.round === stopAfter) stopping.abort();
			}
			if (stopAfter !== undefined) {
				for await (const event of simulateToy(place.path, { updateDtype })) events.push(event);
			}
			using file = openSafetensors(
				join(place.path, "server", "objects", replayRun(events).weightsSha256 ?? ""),
			);
			const weights = new Map([...file.entries.keys()].map((name) => [name, file.readFloat32(name)]));
			return { events, weights, hash: hashTensors(weights) };
		};
		const [exact, rounded] = [await run("float32"), await run("bfloat16")];
		expect(theKind(rounded.events, "run.started").updateDtype).toBe("bfloat16");
		expect(ofKind(rounded.events, "update.received")).toHaveLength(12);
		expect(rounded.hash).not.toBe(exact.hash);
		for (const [name, { data }] of exact.weights) {
			for (const [index, value] of data.entries()) {
				expect(rounded.weights.get(name)?.data[index]).toBeCloseTo(value, 1);
			}
		}
		expect((await run("bfloat16")).hash).toBe(rounded.hash);
		expect((await run("bfloat16", 2)).hash).toBe(rounded.hash);
	});
});
