import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { float32ToBfloat16, toFloat32 } from "./convert.ts";
import { ndArray } from "./nd-array.ts";

describe("convert", () => {
	test("float16 known words, small and through the table", () => {
		const words = Uint16Array.of(0x3c00, 0xc000, 0x0001, 0x7bff, 0x8000, 0x7c00);
		const expected = [1, -2, 2 ** -24, 65504, -0, Number.POSITIVE_INFINITY];
		expect([...toFloat32(ndArray("float16", [6], words))]).toEqual(expected);
		const many = new Uint16Array(70_000).fill(0x3555);
		expect(toFloat32(ndArray("float16", [70_000], many))[69_999]).toBeCloseTo(0.333251953125, 12);
	});

	test("bfloat16 keeps what it can hold and rounds to nearest even", () => {
		expect([...float32ToBfloat16(Float32Array.of(1, 1 + 2 ** -8, 1 + 3 * 2 ** -8, Number.NaN))]).toEqual([
			0x3f80, 0x3f80, 0x3f82, 0x7fc0,
		]);
		fc.assert(
			fc.property(
				fc.float({ noNaN: true, noDefaultInfinity: true, min: Math.fround(-1e30), max: Math.fround(1e30) }),
				(value) => {
					const words = float32ToBfloat16(Float32Array.of(value));
					const back = toFloat32(ndArray("bfloat16", [1], words))[0] ?? Number.NaN;
					expect(Math.abs(back - value)).toBeLessThanOrEqual(Math.abs(value) * 2 ** -8 + 2 ** -126);
					expect(float32ToBfloat16(Float32Array.of(back))).toEqual(words);
				},
			),
		);
	});

	test("integers and bool become numbers", () => {
		expect([...toFloat32(ndArray("int64", [2], BigInt64Array.of(-3n, 5n)))]).toEqual([-3, 5]);
		expect([...toFloat32(ndArray("bool", [2], Uint8Array.of(0, 1)))]).toEqual([0, 1]);
	});
});
