import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { encodeSafetensors, float32Array, type NdArray, ndArray } from "@zk0/arrays";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { temporaryDir } from "./testing/toy-app.ts";
import { inspectUpdate, inspectUpdateFile, readTensorSpecs, type TensorSpecs } from "./update-check.ts";

const specs: TensorSpecs = new Map([
	["w", { dtype: "float32", shape: [3, 2] }],
	["b", { dtype: "float32", shape: [1] }],
	["none", { dtype: "float32", shape: [0] }],
]);

function good(): Map<string, ReturnType<typeof float32Array>> {
	return new Map([
		["w", float32Array([3, 2], [1, 2, 3, 4, 5, 6])],
		["b", float32Array([1], [-0])],
		["none", float32Array([0], [])],
	]);
}

/** Feeds the bytes in pieces of the given sizes (repeated) and returns the final verdict's code. */
function inspect(bytes: Uint8Array, pieces: readonly number[], sizeBytes = bytes.length): string | undefined {
	const inspector = inspectUpdate(specs, sizeBytes);
	for (let offset = 0, turn = 0; offset < bytes.length; turn++) {
		const count = pieces[turn % pieces.length] ?? 1;
		inspector.push(bytes.subarray(offset, offset + count));
		offset += count;
	}
	return inspector.finish()?.code;
}

const CODES = ["bad-file", "missing-tensor", "extra-tensor", "wrong-shape", "wrong-dtype", "not-finite"];
const pieces = fc.array(fc.integer({ min: 1, max: 400 }), { minLength: 1, maxLength: 5 });

describe("inspectUpdate", () => {
	test("passes a good update in pieces of any size", () => {
		fc.assert(
			fc.property(pieces, (sizes) => {
				expect(inspect(encodeSafetensors(good()), sizes)).toBeUndefined();
			}),
		);
	});

	test("finds NaN and infinities at every place, in pieces of any size", () => {
		const bad = fc.constantFrom(Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY);
		fc.assert(
			fc.property(pieces, bad, fc.nat(5), (sizes, value, index) => {
				const update = good();
				update.get("w")?.data.set([value], index);
				expect(inspect(encodeSafetensors(update), sizes)).toBe("not-finite");
			}),
		);
		const update = good();
		update.get("b")?.data.set([Number.NaN], 0);
		expect(inspect(encodeSafetensors(update), [1000])).toBe("not-finite");
	});

	test("finds one NaN in many chunks", () => {
		const size = 300_000;
		const data = new Float32Array(size).fill(1);
		data[size - 2] = Number.NaN;
		const bytes = encodeSafetensors(new Map([["x", float32Array([size], data)]]));
		const inspector = inspectUpdate(new Map([["x", { dtype: "float32", shape: [size] }]]), bytes.length);
		inspector.push(bytes);
		expect(inspector.finish()?.code).toBe("not-finite");
	});

	const variants: [string, (update: Map<string, NdArray>) => void][] = [
		["missing-tensor", (update) => update.delete("b")],
		["extra-tensor", (update) => update.set("c", float32Array([1], [1]))],
		["wrong-shape", (update) => update.set("w", float32Array([2, 3], [1, 2, 3, 4, 5, 6]))],
		["wrong-shape", (update) => update.set("b", float32Array([], [1]))],
		["wrong-dtype", (update) => update.set("b", ndArray("int32", [1], new Int32Array(1)))],
	];
	test.each(variants)("refuses a different set of tensors: %s", (code, change) => {
		const update = new Map<string, NdArray>(good());
		change(update);
		expect(inspect(encodeSafetensors(update), [64])).toBe(code);
	});

	test("refuses what is no safetensors file, is cut off, or has another size than announced", () => {
		const bytes = encodeSafetensors(good());
		expect(inspect(new Uint8Array(100).fill(255), [10])).toBe("bad-file");
		expect(inspect(new TextEncoder().encode("not a safetensors file"), [10])).toBe("bad-file");
		expect(inspect(bytes.subarray(0, 5), [5])).toBe("bad-file");
		expect(inspect(bytes.subarray(0, bytes.length - 4), [50])).toBe("bad-file");
		expect(inspect(bytes.subarray(0, bytes.length - 4), [50], bytes.length)).toBe("bad-file");
		expect(inspect(bytes, [50], bytes.length + 4)).toBe("bad-file");
	});

	test("never throws on mutated bytes", () => {
		const bytes = encodeSafetensors(good());
		fc.assert(
			fc.property(fc.nat(bytes.length - 1), fc.nat(255), pieces, (index, value, sizes) => {
				const changed = bytes.slice();
				changed[index] = value;
				expect([undefined, ...CODES]).toContain(inspect(changed, sizes));
			}),
		);
	});
});

describe("files", () => {
	test("inspects a stored update and reads specs", async () => {
		await using dir = await temporaryDir();
		const path = join(dir.path, "update.safetensors");
		const bytes = encodeSafetensors(good());
		await writeFile(path, bytes);
		expect(readTensorSpecs(path)).toEqual(specs);
		expect(await inspectUpdateFile(path, specs, bytes.length)).toBeNull();
		const other = await inspectUpdateFile(
			path,
			new Map([["w", { dtype: "float32", shape: [1] }]]),
			bytes.length,
		);
		expect(other?.code).toBe("wrong-shape");
	});

	test("only float32 weights travel", async () => {
		await using dir = await temporaryDir();
		const path = join(dir.path, "weights.safetensors");
		await writeFile(path, encodeSafetensors(new Map([["w", ndArray("float64", [1], new Float64Array(1))]])));
		expect(() => readTensorSpecs(path)).toThrow(expect.objectContaining({ code: "bad-weights" }));
	});
});
