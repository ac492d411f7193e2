import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { ArraysError } from "./errors.ts";
import { float32Array, type NdArray, ndArray } from "./nd-array.ts";
import { decodeSafetensors, encodeSafetensors } from "./safetensors.ts";

const named = fc
	.uniqueArray(
		fc
			.string({ minLength: 1, maxLength: 12 })
			.filter((name) => name !== "__metadata__" && name !== "__proto__"),
		{
			maxLength: 5,
		},
	)
	.chain((names) =>
		fc.tuple(
			...names.map((name) =>
				fc
					.array(fc.float({ noNaN: true }), { maxLength: 9 })
					.map((values): [string, NdArray] => [name, float32Array([values.length], values)]),
			),
		),
	)
	.map((pairs) => new Map<string, NdArray>(pairs));

/** A file with this header text, whatever it says. */
function fileWithHeader(json: string, dataBytes = 0): Uint8Array {
	const head = new TextEncoder().encode(json);
	const out = new Uint8Array(8 + head.length + dataBytes);
	new DataView(out.buffer).setBigUint64(0, BigInt(head.length), true);
	out.set(head, 8);
	return out;
}

function codeOf(action: () => unknown): string {
	try {
		action();
	} catch (error) {
		if (error instanceof ArraysError) return error.code;
		throw error;
	}
	return "no error";
}

describe("safetensors", () => {
	test("matches the layout of the format by hand", () => {
		const bytes = encodeSafetensors(
			new Map<string, NdArray>([
				["b", float32Array([1], [2])],
				["a", ndArray("uint8", [2], Uint8Array.of(7, 8))],
			]),
		);
		const text = new TextDecoder().decode(
			bytes.subarray(8, 8 + Number(new DataView(bytes.buffer).getBigUint64(0, true))),
		);
		expect(JSON.parse(text)).toEqual({
			a: { dtype: "U8", shape: [2], data_offsets: [0, 2] },
			b: { dtype: "F32", shape: [1], data_offsets: [2, 6] },
		});
		expect([...bytes.subarray(-6)]).toEqual([7, 8, 0, 0, 0, 64]);
	});

	test("round-trips any tensors and metadata", () => {
		fc.assert(
			fc.property(
				named,
				fc.dictionary(fc.constantFrom("format", "note"), fc.string()),
				(arrays, metadata) => {
					const decoded = decodeSafetensors(encodeSafetensors(arrays, metadata));
					expect(decoded.metadata).toEqual({ ...metadata });
					expect([...decoded.arrays.keys()].sort()).toEqual([...arrays.keys()].sort());
					for (const [name, array] of arrays) expect(decoded.arrays.get(name)?.data).toEqual(array.data);
				},
			),
		);
	});

	test("reads unaligned tensors out of a pooled Buffer", () => {
		const arrays = new Map<string, NdArray>([
			["a", ndArray("uint8", [1], Uint8Array.of(9))],
			["b", ndArray("int64", [2], BigInt64Array.of(-5n, 6n))],
		]);
		const pooled = Buffer.concat([Buffer.of(0, 0, 0), encodeSafetensors(arrays)]).subarray(3);
		expect(decodeSafetensors(pooled).arrays.get("b")?.data).toEqual(BigInt64Array.of(-5n, 6n));
	});

	test("the order of insertion does not change the bytes", () => {
		const a: [string, NdArray] = ["a", float32Array([1], [1])];
		const b: [string, NdArray] = ["b", float32Array([1], [2])];
		expect(encodeSafetensors(new Map([a, b]))).toEqual(encodeSafetensors(new Map([b, a])));
	});

	test.each<[string, Uint8Array]>([
		["truncated", encodeSafetensors(new Map([["a", float32Array([4], [1, 2, 3, 4])]])).subarray(0, -3)],
		["truncated", new Uint8Array(4)],
		["truncated", fileWithHeader("{}").subarray(0, 9)],
		["too-large", new Uint8Array(16).fill(255)],
		["bad-header", fileWithHeader("[1]")],
		["bad-header", fileWithHeader("{nope")],
		["bad-header", fileWithHeader("{}", 3)],
		["bad-header", fileWithHeader('{"a":{"dtype":"F32","shape":[-1],"data_offsets":[0,4]}}', 4)],
		["bad-header", fileWithHeader('{"a":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}}', 8)],
		["bad-shape", fileWithHeader('{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,4]}}', 4)],
		["unsupported-dtype", fileWithHeader('{"a":{"dtype":"F4","shape":[1],"data_offsets":[0,4]}}', 4)],
	])("refuses a broken file: %s (%#)", (code, bytes) => {
		expect(codeOf(() => decodeSafetensors(bytes))).toBe(code);
	});

	test("mutated bytes give a typed error or a valid file, never anything else", () => {
		const whole = encodeSafetensors(new Map([["weight", float32Array([2, 3], [1, 2, 3, 4, 5, 6])]]), {
			format: "pt",
		});
		fc.assert(
			fc.property(fc.nat(whole.length - 1), fc.nat(255), fc.nat(whole.length), (at, value, length) => {
				const bytes = whole.slice(0, length);
				if (at < bytes.length) bytes[at] = value;
				expect(codeOf(() => decodeSafetensors(bytes))).toMatch(
					/^(no error|truncated|too-large|bad-|unsupported)/,
				);
			}),
			{ numRuns: 500 },
		);
	});
});
