import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { clearRaster, createRaster, fillTriangle, packColour, resolveRaster } from "./raster.ts";

const triangle = (...corners: number[]): Float64Array => Float64Array.from(corners);
const paint = (colour: number) => ({ kind: "paint", colour, receivesShadow: false }) as const;

describe("fillTriangle", () => {
	test("covers exactly the samples whose centre is inside", () => {
		const coordinate = fc.double({ min: -4, max: 12, noNaN: true });
		fc.assert(
			fc.property(
				fc.tuple(coordinate, coordinate, coordinate, coordinate, coordinate, coordinate),
				(points) => {
					const [ax, ay, bx, by, cx, cy] = points;
					fc.pre(Math.abs((bx - ax) * (cy - ay) - (by - ay) * (cx - ax)) > 1e-3);
					const raster = createRaster(8, 8);
					fillTriangle(raster, triangle(ax, ay, 1, bx, by, 1, cx, cy, 1), paint(7));
					for (let y = 0; y < 8; y++) {
						for (let x = 0; x < 8; x++) {
							const side = (fromX: number, fromY: number, toX: number, toY: number): number =>
								(toX - fromX) * (y + 0.5 - fromY) - (toY - fromY) * (x + 0.5 - fromX);
							const sides = [side(ax, ay, bx, by), side(bx, by, cx, cy), side(cx, cy, ax, ay)];
							// A centre on an edge may go either way.
							if (sides.some((value) => Math.abs(value) < 1e-9)) continue;
							const isInside = sides.every((value) => value > 0) || sides.every((value) => value < 0);
							expect(raster.colours[y * 8 + x]).toBe(isInside ? 7 : 0);
						}
					}
				},
			),
		);
	});

	test("the nearer triangle wins in either order", () => {
		const whole = (inverseDepth: number): Float64Array =>
			triangle(-10, -10, inverseDepth, 30, -10, inverseDepth, -10, 30, inverseDepth);
		for (const order of [
			[1, 2],
			[2, 1],
		]) {
			const raster = createRaster(4, 4);
			for (const depth of order) fillTriangle(raster, whole(depth), paint(depth));
			expect([...raster.colours]).toEqual(Array.from({ length: 16 }, () => 2));
		}
	});

	test("interpolates 1/distance linearly over the picture", () => {
		const raster = createRaster(8, 8);
		fillTriangle(raster, triangle(0, 0, 1, 16, 0, 17, 0, 16, 1), paint(1));
		expect(raster.inverseDepths[0]).toBeCloseTo(1.5, 5);
		expect(raster.inverseDepths[5]).toBeCloseTo(6.5, 5);
		expect(raster.inverseDepths[8 + 5]).toBeCloseTo(6.5, 5);
	});

	test("a shadow darkens marked samples once and leaves others alone", () => {
		const raster = createRaster(2, 1);
		fillTriangle(raster, triangle(0, -5, 1, 1, -5, 1, 0.5, 9, 1), {
			kind: "paint",
			colour: 0x646464,
			receivesShadow: true,
		});
		fillTriangle(raster, triangle(1, -5, 1, 2, -5, 1, 1.5, 9, 1), paint(0x646464));
		for (let pass = 0; pass < 2; pass++) {
			fillTriangle(raster, triangle(-9, -9, 1, 30, -9, 1, -9, 30, 1), { kind: "shade", factor: 0.5 });
		}
		expect([...raster.colours]).toEqual([0x323232, 0x646464]);
	});

	test("a triangle without area or outside the picture draws nothing", () => {
		const raster = createRaster(4, 4);
		fillTriangle(raster, triangle(1, 1, 1, 2, 2, 1, 3, 3, 1), paint(5));
		fillTriangle(raster, triangle(10, 10, 1, 20, 10, 1, 10, 20, 1), paint(5));
		fillTriangle(raster, triangle(Number.NaN, 0, 1, 4, 0, 1, 0, 4, 1), paint(5));
		expect(Math.max(...raster.colours)).toBe(0);
	});
});

describe("raster", () => {
	test("resolving averages the samples of a pixel, rounded", () => {
		const raster = createRaster(2, 2);
		raster.colours.set([packColour(1, 0, 0), packColour(1, 0, 0), packColour(0, 0, 1), packColour(0, 1, 0)]);
		expect([...resolveRaster(raster, 2)]).toEqual([128, 64, 64]);
		clearRaster(raster, packColour(0.2, 0.4, 2));
		expect([...resolveRaster(raster, 1)].slice(0, 3)).toEqual([51, 102, 255]);
	});

	test("refuses sizes that are not positive integers", () => {
		expect(() => createRaster(0, 4)).toThrow(RangeError);
		expect(() => createRaster(4, 2.5)).toThrow(RangeError);
	});
});
