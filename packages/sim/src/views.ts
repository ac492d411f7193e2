// From the simulation's state to pictures: which geoms are drawn in which colour, and where the two cameras are.
import type { RgbImage } from "@zk0/dataset";
import type { CameraOffset, Domain } from "./domain.ts";
import type { Geom, Simulation } from "./engine.ts";
import type { Layout } from "./layout.ts";
import type { Camera, Drawable, Light, Renderer, Rgb } from "./render/renderer.ts";
import type { CubeColour, ZoneColour } from "./tasks.ts";

/** Keys of the two cameras, as in a LeRobot dataset. */
export const CAMERA_KEYS = ["observation.images.top", "observation.images.wrist"] as const;
/** Key of a camera. */
export type CameraKey = (typeof CAMERA_KEYS)[number];

const CUBE_RGB: Readonly<Record<CubeColour, Rgb>> = {
	red: [0.86, 0.12, 0.1],
	blue: [0.1, 0.28, 0.88],
	green: [0.1, 0.66, 0.2],
	yellow: [0.96, 0.84, 0.1],
	purple: [0.52, 0.14, 0.68],
	orange: [0.98, 0.5, 0.05],
};
/** Zones are flat and paler than cubes of the same name. */
const ZONE_RGB: Readonly<Record<ZoneColour, Rgb>> = {
	green: [0.45, 0.85, 0.45],
	blue: [0.48, 0.66, 0.98],
	red: [0.96, 0.5, 0.46],
	yellow: [0.98, 0.95, 0.55],
};

/** Draws the scene from both cameras. */
export function drawViews(
	simulation: Simulation,
	renderer: Renderer,
	layout: Layout,
	domain: Domain,
): Map<CameraKey, RgbImage> {
	const drawables = drawablesOf(simulation, layout, domain);
	const light = brightened(domain.light, layout.brightness);
	const picture = (name: string, offset: CameraOffset): RgbImage =>
		renderer.render(drawables, cameraOf(simulation, name, offset), light);
	return new Map([
		["observation.images.top", picture("top", domain.top)],
		["observation.images.wrist", picture("wrist", domain.wrist)],
	]);
}

function drawablesOf(simulation: Simulation, layout: Layout, domain: Domain): Drawable[] {
	const positions = simulation.state("geom_xpos").slice();
	const rotations = simulation.state("geom_xmat").slice();
	return simulation.geoms.flatMap((geom, index): Drawable[] => {
		const look = lookOf(geom, layout, domain);
		if (geom.kind === "plane" || look === undefined) return [];
		const [x, y, z] = geom.size;
		return [
			{
				shape: geom.kind,
				scale: geom.kind === "cylinder" ? [x, x, y] : [x, y, z],
				position: positions.subarray(3 * index, 3 * index + 3),
				rotation: rotations.subarray(9 * index, 9 * index + 9),
				...look,
			},
		];
	});
}

/** Colour and shadow of a geom; undefined for one that this layout does not use. */
function lookOf(geom: Geom, layout: Layout, domain: Domain): Pick<Drawable, "rgb" | "shadow"> | undefined {
	if (geom.name === "table") return { rgb: domain.tableRgb, shadow: "receives" };
	const numbered = /^(cube|zone)(\d+)$/.exec(geom.name);
	if (numbered === null) return { rgb: geom.rgb, shadow: "casts" };
	const index = Number(numbered[2]);
	if (numbered[1] === "zone") {
		const zone = layout.zones[index];
		return zone && { rgb: ZONE_RGB[zone.colour], shadow: "receives" };
	}
	const cube = layout.cubes[index];
	return cube && { rgb: CUBE_RGB[cube.colour], shadow: "casts" };
}

function brightened(light: Light, factor: number): Light {
	return { ...light, ambient: light.ambient * factor, diffuse: light.diffuse * factor };
}

/** A camera of the model, moved and turned by its mounting error. */
function cameraOf(simulation: Simulation, name: string, offset: CameraOffset): Camera {
	const index = simulation.indexOf("camera", name);
	const rotation = Array.from(simulation.state("cam_xmat").subarray(9 * index, 9 * index + 9));
	const shift = multiply(rotation, offset.shift, 1);
	return {
		position: Array.from(
			simulation.state("cam_xpos").subarray(3 * index, 3 * index + 3),
			(value, axis) => value + (shift[axis] ?? 0),
		),
		rotation: multiply(rotation, turn(offset.turnRad), 3),
		fovyDeg: simulation.cameraFovy(index),
	};
}

/** Product of a row-major 3x3 matrix with a row-major 3xN one. */
function multiply(left: readonly number[], right: readonly number[], numColumns: number): number[] {
	return Array.from({ length: 3 * numColumns }, (_, index) => {
		const row = Math.floor(index / numColumns);
		const column = index % numColumns;
		return [0, 1, 2].reduce(
			(sum, inner) => sum + (left[3 * row + inner] ?? 0) * (right[numColumns * inner + column] ?? 0),
			0,
		);
	});
}

/** Rotation by small turns about x, then y, then z. */
function turn([x, y, z]: readonly [number, number, number]): number[] {
	const [sx, cx, sy, cy, sz, cz] = [
		Math.sin(x),
		Math.cos(x),
		Math.sin(y),
		Math.cos(y),
		Math.sin(z),
		Math.cos(z),
	];
	const aboutX = [1, 0, 0, 0, cx, -sx, 0, sx, cx];
	const aboutY = [cy, 0, sy, 0, 1, 0, -sy, 0, cy];
	const aboutZ = [cz, -sz, 0, sz, cz, 0, 0, 0, 1];
	return multiply(aboutZ, multiply(aboutY, aboutX, 3), 3);
}
