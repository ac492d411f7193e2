import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { ArraysError } from "./errors.ts";
import { float32Array, ndArray } from "./nd-array.ts";
import { decodeNpy, encodeNpy, encodeNpyHeader } from "./npy.ts";

describe("npy", () => {
	test("writes NumPy's own header text", () => {
		const header = new TextDecoder("latin1").decode(encodeNpyHeader("float32", [3]));
		expect(header.length).toBe(128);
		expect(header.slice(10)).toBe(
			`${"{'descr': '<f4', 'fortran_order': False, 'shape': (3,), }".padEnd(117)}\n`,
		);
		expect(new TextDecoder("latin1").decode(encodeNpyHeader("int64", []))).toContain("'shape': ()");
	});

	test("round-trips shapes and dtypes", () => {
		fc.assert(
			fc.property(fc.array(fc.nat(4), { maxLength: 4 }), (shape) => {
				const length = shape.reduce((product, dim) => product * dim, 1);
				const floats = float32Array(
					shape,
					Float32Array.from({ length }, (_, index) => index / 3),
				);
				expect(decodeNpy(encodeNpy(floats))).toEqual(floats);
				const longs = ndArray(
					"int64",
					shape,
					BigInt64Array.from({ length }, (_, index) => BigInt(-index)),
				);
				expect(decodeNpy(encodeNpy(longs))).toEqual(longs);
			}),
		);
	});

	test("refuses Fortran order, object dtypes, wrong magic and cut data", () => {
		const bytes = encodeNpy(float32Array([2, 2], [1, 2, 3, 4]));
		const withText = (from: string, to: string): Uint8Array =>
			Uint8Array.from(Buffer.from(Buffer.from(bytes).toString("latin1").replace(from, to), "latin1"));
		expect(() => decodeNpy(bytes.subarray(0, -1))).toThrow(ArraysError);
		expect(() => decodeNpy(withText("False", "True "))).toThrow(/C-order/);
		expect(() => decodeNpy(withText("<f4", "|O "))).toThrow(/dtype/);
		expect(() => decodeNpy(withText("NUMPY", "NUMPI"))).toThrow(/magic/);
		expect(() => decodeNpy(bytes.subarray(0, 5))).toThrow(/header/);
	});
});
