import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { resizeWithPad } from "./resize.ts";

function resized(height: number, width: number, planes: ArrayLike<number>, size: [number, number]): number[] {
	const [targetHeight, targetWidth] = size;
	const out = new Float32Array(3 * targetHeight * targetWidth);
	const image = { height, width, planes: Float32Array.from(planes) };
	resizeWithPad(image, { height: targetHeight, width: targetWidth }, out);
	return [...out];
}

function filled(length: number, value: number): number[] {
	return Array.from({ length }, () => value);
}

describe("resizeWithPad", () => {
	test("an image of the target size is only rescaled", () => {
		const rgb = Uint8Array.from({ length: 12 }, (_, index) => index * 20);
		const out = new Float32Array(12);
		resizeWithPad({ height: 2, width: 2, rgb }, { height: 2, width: 2 }, out);
		expect(out[0]).toBeCloseTo(-1);
		expect(out[1]).toBeCloseTo((2 * 60) / 255 - 1, 6);
		expect(out[4]).toBeCloseTo((2 * 20) / 255 - 1, 6);
	});

	test("pads the top of a wide image and the left of a tall one with -1", () => {
		const wide = resized(2, 4, filled(24, 0.5), [4, 4]).slice(0, 16);
		expect(wide).toEqual([...filled(8, -1), ...filled(8, 0)]);
		const tall = resized(4, 2, filled(24, 0.5), [4, 4]).slice(0, 16);
		expect(tall).toEqual(filled(4, 0).flatMap(() => [-1, -1, 0, 0]));
	});

	test("640x480 fills 512x384 under 128 padded rows", () => {
		const out = resized(480, 640, filled(3 * 480 * 640, 1), [512, 512]);
		expect(out.slice(0, 128 * 512).every((value) => value === -1)).toBe(true);
		expect(out.slice(128 * 512, 512 * 512).every((value) => value === 1)).toBe(true);
	});

	test("halving averages pixel pairs; doubling interpolates a quarter from the pixel centre", () => {
		const row = [0, 0.25, 0.5, 1];
		const half = resized(
			2,
			4,
			filled(6, 0).flatMap(() => row),
			[1, 2],
		);
		expect(half.slice(0, 2).map((value) => (value + 1) / 2)).toEqual([0.125, 0.75]);
		const twice = resized(1, 2, [0, 1, 0, 1, 0, 1], [2, 4]).slice(4, 8);
		expect(twice.map((value) => (value + 1) / 2)).toEqual([0, 0.25, 0.75, 1]);
	});

	test("stays within the range of its pixels, whatever the sizes", () => {
		const side = fc.integer({ min: 1, max: 24 });
		fc.assert(
			fc.property(side, side, side, side, fc.integer(), (height, width, targetHeight, targetWidth, seed) => {
				const ratio = Math.max(width / targetWidth, height / targetHeight);
				fc.pre(height / ratio >= 1 && width / ratio >= 1);
				const planes = Array.from({ length: 3 * height * width }, (_, index) =>
					Math.abs(Math.sin(seed + index)),
				);
				const out = resized(height, width, planes, [targetHeight, targetWidth]);
				expect(Math.max(...out)).toBeLessThanOrEqual(2 * Math.max(...planes) - 1 + 1e-6);
				expect(Math.min(...out)).toBeGreaterThanOrEqual(-1);
			}),
		);
	});

	test("refuses data that do not fill the image, and an image that vanishes", () => {
		expect(() => resized(2, 2, [0, 0, 0], [2, 2])).toThrow(/bad-frame.*needs 12 values/);
		expect(() => resized(1, 100, filled(300, 0), [8, 8])).toThrow(/bad-frame.*vanishes/);
		expect(() => resized(0, 0, [], [8, 8])).toThrow(/bad-frame/);
	});
});
