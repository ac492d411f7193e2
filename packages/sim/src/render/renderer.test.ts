import { describe, expect, test } from "vitest";
import { type Camera, createRenderer, type Drawable, type Light, type Rgb } from "./renderer.ts";

const IDENTITY = [1, 0, 0, 0, 1, 0, 0, 0, 1];
const SIZE = { height: 48, width: 64 };
/** Straight down from one metre; world +x is up in the picture, +y left. */
const DOWN: Camera = { position: [0, 0, 1], rotation: [0, 1, 0, -1, 0, 0, 0, 0, 1], fovyDeg: 60 };
const FLAT: Light = {
	direction: [0, 0, 1],
	ambient: 0,
	diffuse: 1,
	shadowFactor: 0.5,
	background: [0, 0, 0],
};
const RED: Rgb = [1, 0, 0];
const BLUE: Rgb = [0, 0, 1];

function box(
	position: readonly number[],
	half: number,
	rgb: Rgb,
	shadow: Drawable["shadow"] = "none",
): Drawable {
	return { shape: "box", scale: [half, half, half], position, rotation: IDENTITY, rgb, shadow };
}

function draw(
	drawables: readonly Drawable[],
	camera = DOWN,
	light = FLAT,
): (x: number, y: number) => number[] {
	const { rgb } = createRenderer(SIZE).render(drawables, camera, light);
	return (x, y) => [...rgb.subarray((y * SIZE.width + x) * 3, (y * SIZE.width + x) * 3 + 3)];
}

describe("render", () => {
	test("a cube straight below the camera fills the pixels that the pinhole formula says", () => {
		const pixel = draw([box([0, 0, 0.1], 0.1, RED)]);
		// Top face at distance 0.8: half width in pixels = 0.1 * (24 / tan 30) / 0.8.
		const half = (0.1 * (24 / Math.tan(Math.PI / 6))) / 0.8;
		expect(half).toBeCloseTo(5.196, 3);
		expect(pixel(32, 24)).toEqual([255, 0, 0]);
		expect(pixel(32 + 4, 24)).toEqual([255, 0, 0]);
		expect(pixel(32 - 5, 24 + 4)).toEqual([255, 0, 0]);
		expect(pixel(32 + 6, 24)).toEqual([0, 0, 0]);
		expect(pixel(32 - 7, 24)).toEqual([0, 0, 0]);
	});

	test("+x is up and +y is left for the top camera", () => {
		const pixel = draw([box([0.2, 0, 0.05], 0.05, RED), box([0, 0.2, 0.05], 0.05, BLUE)]);
		expect(pixel(32, 14)).toEqual([255, 0, 0]);
		expect(pixel(22, 24)).toEqual([0, 0, 255]);
	});

	test("the nearer box hides the other, whatever the order", () => {
		const boxes = [box([0, 0, 0.5], 0.05, RED), box([0, 0, 0.1], 0.1, BLUE)];
		for (const drawables of [boxes, [...boxes].reverse()])
			expect(draw(drawables)(32, 24)).toEqual([255, 0, 0]);
	});

	test("faces turned away from the lamp get the ambient share", () => {
		const light: Light = { ...FLAT, direction: [0, 0, 1], ambient: 0.4, diffuse: 0.6 };
		const fromTheSide: Camera = {
			position: [-1, 0, 0],
			rotation: [0, 0, -1, -1, 0, 0, 0, 1, 0],
			fovyDeg: 60,
		};
		expect(draw([box([0, 0, 0], 0.2, RED)], fromTheSide, light)(32, 24)).toEqual([102, 0, 0]);
		expect(draw([box([0, 0, 0], 0.2, RED)], DOWN, light)(32, 24)).toEqual([255, 0, 0]);
	});

	test("a floating box throws a shadow on what receives it, away from the lamp", () => {
		const table: Drawable = { ...box([0, 0, -0.1], 0.1, [1, 1, 1], "receives"), scale: [1, 1, 0.1] };
		const slanted: Light = { ...FLAT, direction: [0, 0.6, 0.8], diffuse: 1.25 };
		const pixel = draw([table, box([0, 0, 0.2], 0.04, RED, "casts")], DOWN, slanted);
		// The shadow falls at y = -0.15 (right in the picture), half as bright.
		expect(pixel(38, 24)).toEqual([128, 128, 128]);
		expect(pixel(26, 24)).toEqual([255, 255, 255]);
		expect(pixel(32, 24)).toEqual([255, 0, 0]);
	});

	test("a cylinder seen from above is round", () => {
		const disc: Drawable = { ...box([0, 0, 0], 0, RED), shape: "cylinder", scale: [0.3, 0.3, 0.01] };
		const pixel = draw([disc]);
		const radius = (0.3 * (24 / Math.tan(Math.PI / 6))) / 0.99;
		expect(pixel(Math.floor(32 + 0.9 * radius), 24)).toEqual([255, 0, 0]);
		expect(pixel(Math.floor(32 + 0.9 * radius), Math.floor(24 + 0.9 * radius))).toEqual([0, 0, 0]);
	});

	test("what lies behind the camera or across the near plane does not smear over the picture", () => {
		const behind = draw([box([0, 0, 1.5], 0.2, RED)]);
		expect(behind(32, 24)).toEqual([0, 0, 0]);
		// This wall stands beside the camera and reaches from below to behind it: it covers the left edge only.
		const wall: Drawable = { ...box([0, 0.3, 1], 0.1, RED), scale: [0.05, 0.1, 1] };
		const pixel = draw([wall], DOWN, { ...FLAT, ambient: 0.5, diffuse: 0.5 });
		expect(pixel(20, 24)).toEqual([128, 0, 0]);
		expect(pixel(0, 24)).toEqual([128, 0, 0]);
		expect(pixel(40, 24)).toEqual([0, 0, 0]);
	});

	test("the same scene gives the same bytes; a renderer can be used again", () => {
		const renderer = createRenderer(SIZE);
		const scene = [box([0.1, 0.1, 0.1], 0.1, RED)];
		const first = renderer.render(scene, DOWN, FLAT);
		renderer.render([box([0, 0, 0.4], 0.3, BLUE)], DOWN, FLAT);
		expect(renderer.render(scene, DOWN, FLAT)).toEqual(first);
		expect(first.rgb).toHaveLength(48 * 64 * 3);
	});

	test("more samples per pixel smooth the edge", () => {
		const scene = [box([0, 0, 0.1], 0.1, RED)];
		const shades = (samples: number): Set<number> =>
			new Set(
				createRenderer(SIZE, samples)
					.render(scene, DOWN, FLAT)
					.rgb.filter((_, index) => index % 3 === 0),
			);
		expect(shades(1).size).toBe(2);
		expect(shades(3).size).toBeGreaterThan(2);
	});
});
