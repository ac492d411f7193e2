// Draws boxes and cylinders with flat Lambert shading and a cast shadow on the table, in plain typed arrays.
// A camera looks along its own -z with x to the right and y up, as MuJoCo's and OpenGL's do.
import type { RgbImage } from "@zk0/dataset";
import { boxMesh, cylinderMesh, type Mesh } from "./mesh.ts";
import {
	clearRaster,
	createRaster,
	type Fill,
	fillTriangle,
	packColour,
	type Raster,
	resolveRaster,
} from "./raster.ts";

/** Picture size in pixels. */
export interface ImageSize {
	readonly height: number;
	readonly width: number;
}

/** Red, green and blue in 0..1. */
export type Rgb = readonly [number, number, number];

/** One solid in the picture. */
export interface Drawable {
	readonly shape: "box" | "cylinder";
	/** Half sizes of a box; radius, radius, half length of a cylinder. Metres. */
	readonly scale: readonly [number, number, number];
	/** Centre in the world, metres. */
	readonly position: ArrayLike<number>;
	/** Rotation to the world, 3x3 row-major. */
	readonly rotation: ArrayLike<number>;
	readonly rgb: Rgb;
	/** Whether it throws a shadow on the table or shows the shadows of others. */
	readonly shadow: "casts" | "receives" | "none";
}

/** Where a picture is taken from. */
export interface Camera {
	readonly position: ArrayLike<number>;
	/** Columns are the camera's right, up and backward axes in the world; 3x3 row-major. */
	readonly rotation: ArrayLike<number>;
	readonly fovyDeg: number;
}

/** A distant lamp and the light that comes from everywhere. */
export interface Light {
	/** Unit vector towards the lamp; z must be positive. */
	readonly direction: Rgb;
	/** Share of a colour seen on faces turned away from the lamp. */
	readonly ambient: number;
	/** Additional share seen on a face turned fully to the lamp. */
	readonly diffuse: number;
	/** Factor on the colour of the table inside a shadow. */
	readonly shadowFactor: number;
	readonly background: Rgb;
}

/** A renderer with its buffers, for one picture size. */
export interface Renderer {
	readonly size: ImageSize;
	/** Draws a picture; the result is newly allocated. */
	render(drawables: readonly Drawable[], camera: Camera, light: Light): RgbImage;
}

const NEAR = 0.005;
/** Shadows are drawn at this height, just above the zones. */
const SHADOW_PLANE_Z = 0.0015;

/**
 * Makes a renderer. `samplesPerSide` squared samples are averaged per pixel (default 2, or 1 above 240 lines).
 * @throws RangeError unless the sizes are positive integers.
 */
export function createRenderer(
	size: ImageSize,
	samplesPerSide: number = size.height > 240 ? 1 : 2,
): Renderer {
	const raster = createRaster(size.width * samplesPerSide, size.height * samplesPerSide);
	const meshes = { box: boxMesh(), cylinder: cylinderMesh() };
	return {
		size: { height: size.height, width: size.width },
		render(drawables, camera, light) {
			clearRaster(raster, packColour(...light.background));
			const view = new View(raster, camera);
			for (const drawable of drawables) paint(view, meshes[drawable.shape], drawable, light);
			for (const drawable of drawables) {
				if (drawable.shadow === "casts") castShadow(view, meshes[drawable.shape], drawable, light);
			}
			return { height: size.height, width: size.width, rgb: resolveRaster(raster, samplesPerSide) };
		},
	};
}

function paint(view: View, mesh: Mesh, drawable: Drawable, light: Light): void {
	const corners = worldCorners(mesh, drawable);
	const [lx, ly, lz] = light.direction;
	const [red, green, blue] = drawable.rgb;
	const [m0 = 0, m1 = 0, m2 = 0, m3 = 0, m4 = 0, m5 = 0, m6 = 0, m7 = 0, m8 = 0] = Array.from(
		drawable.rotation,
	);
	for (let first = 0; first < mesh.triangles.length; first += 3) {
		const x = mesh.normals[first] ?? 0;
		const y = mesh.normals[first + 1] ?? 0;
		const z = mesh.normals[first + 2] ?? 0;
		const normalX = m0 * x + m1 * y + m2 * z;
		const normalY = m3 * x + m4 * y + m5 * z;
		const normalZ = m6 * x + m7 * y + m8 * z;
		if (!view.faces(corners, mesh.triangles[first] ?? 0, normalX, normalY, normalZ)) continue;
		const shade = light.ambient + light.diffuse * Math.max(0, normalX * lx + normalY * ly + normalZ * lz);
		const colour = packColour(red * shade, green * shade, blue * shade);
		view.fill(corners, mesh.triangles, first, {
			kind: "paint",
			colour,
			receivesShadow: drawable.shadow === "receives",
		});
	}
}

function castShadow(view: View, mesh: Mesh, drawable: Drawable, light: Light): void {
	const corners = worldCorners(mesh, drawable);
	const [lx, ly, lz] = light.direction;
	for (let corner = 0; corner < corners.length; corner += 3) {
		const drop = ((corners[corner + 2] ?? 0) - SHADOW_PLANE_Z) / lz;
		if (drop < 0) return;
		corners[corner] = (corners[corner] ?? 0) - drop * lx;
		corners[corner + 1] = (corners[corner + 1] ?? 0) - drop * ly;
		corners[corner + 2] = SHADOW_PLANE_Z;
	}
	const fill: Fill = { kind: "shade", factor: light.shadowFactor };
	for (let first = 0; first < mesh.triangles.length; first += 3)
		view.fill(corners, mesh.triangles, first, fill);
}

function worldCorners(mesh: Mesh, drawable: Drawable): Float64Array {
	const corners = new Float64Array(mesh.corners.length);
	const [sx, sy, sz] = drawable.scale;
	const [px = 0, py = 0, pz = 0] = Array.from(drawable.position);
	const [m0 = 0, m1 = 0, m2 = 0, m3 = 0, m4 = 0, m5 = 0, m6 = 0, m7 = 0, m8 = 0] = Array.from(
		drawable.rotation,
	);
	for (let corner = 0; corner < corners.length; corner += 3) {
		const x = (mesh.corners[corner] ?? 0) * sx;
		const y = (mesh.corners[corner + 1] ?? 0) * sy;
		const z = (mesh.corners[corner + 2] ?? 0) * sz;
		corners[corner] = px + m0 * x + m1 * y + m2 * z;
		corners[corner + 1] = py + m3 * x + m4 * y + m5 * z;
		corners[corner + 2] = pz + m6 * x + m7 * y + m8 * z;
	}
	return corners;
}

/** A camera over a raster: projects triangles, clips them at the near plane and fills them. */
class View {
	readonly #raster: Raster;
	readonly #position: Float64Array;
	readonly #rotation: Float64Array;
	readonly #focal: number;
	/** Up to four clipped corners in camera space. */
	readonly #polygon = new Float64Array(12);
	readonly #projected = new Float64Array(9);

	constructor(raster: Raster, camera: Camera) {
		this.#raster = raster;
		this.#position = Float64Array.from(camera.position);
		this.#rotation = Float64Array.from(camera.rotation);
		this.#focal = raster.height / 2 / Math.tan((camera.fovyDeg * Math.PI) / 360);
	}

	/** True when a face with this normal is seen from the camera's position. */
	faces(corners: Float64Array, corner: number, normalX: number, normalY: number, normalZ: number): boolean {
		const [cx = 0, cy = 0, cz = 0] = this.#position;
		const x = cx - (corners[3 * corner] ?? 0);
		const y = cy - (corners[3 * corner + 1] ?? 0);
		const z = cz - (corners[3 * corner + 2] ?? 0);
		return x * normalX + y * normalY + z * normalZ > 0;
	}

	/** Fills the triangle whose three corner indices start at `first`. */
	fill(corners: Float64Array, triangles: Uint16Array, first: number, fill: Fill): void {
		const inCamera = this.#toCamera(corners, triangles, first);
		const numCorners = this.#clip(inCamera);
		for (let last = 2; last < numCorners; last++) {
			this.#project(0, 0);
			this.#project(last - 1, 1);
			this.#project(last, 2);
			fillTriangle(this.#raster, this.#projected, fill);
		}
	}

	/** Three corners as right, up and distance ahead of the camera. */
	#toCamera(corners: Float64Array, triangles: Uint16Array, first: number): Float64Array {
		const [cx = 0, cy = 0, cz = 0] = this.#position;
		const [m0 = 0, m1 = 0, m2 = 0, m3 = 0, m4 = 0, m5 = 0, m6 = 0, m7 = 0, m8 = 0] = this.#rotation;
		const result = this.#projected;
		for (let index = 0; index < 3; index++) {
			const corner = 3 * (triangles[first + index] ?? 0);
			const x = (corners[corner] ?? 0) - cx;
			const y = (corners[corner + 1] ?? 0) - cy;
			const z = (corners[corner + 2] ?? 0) - cz;
			result[3 * index] = m0 * x + m3 * y + m6 * z;
			result[3 * index + 1] = m1 * x + m4 * y + m7 * z;
			result[3 * index + 2] = -(m2 * x + m5 * y + m8 * z);
		}
		return result;
	}

	/** Clips at the near plane into `#polygon` (Sutherland-Hodgman, one plane); gives the number of corners. */
	#clip(triangle: Float64Array): number {
		let numCorners = 0;
		const keep = (x: number, y: number, ahead: number): void => {
			this.#polygon[3 * numCorners] = x;
			this.#polygon[3 * numCorners + 1] = y;
			this.#polygon[3 * numCorners + 2] = ahead;
			numCorners++;
		};
		for (let index = 0; index < 9; index += 3) {
			const next = index === 6 ? 0 : index + 3;
			const x = triangle[index] ?? 0;
			const y = triangle[index + 1] ?? 0;
			const ahead = triangle[index + 2] ?? 0;
			const nextAhead = triangle[next + 2] ?? 0;
			if (ahead >= NEAR) keep(x, y, ahead);
			if (ahead >= NEAR !== nextAhead >= NEAR) {
				const share = (NEAR - ahead) / (nextAhead - ahead);
				keep(x + share * ((triangle[next] ?? 0) - x), y + share * ((triangle[next + 1] ?? 0) - y), NEAR);
			}
		}
		return numCorners;
	}

	#project(from: number, to: number): void {
		const x = this.#polygon[3 * from] ?? 0;
		const y = this.#polygon[3 * from + 1] ?? 0;
		const ahead = this.#polygon[3 * from + 2] ?? NEAR;
		const scale = this.#focal / ahead;
		this.#projected[3 * to] = this.#raster.width / 2 + x * scale;
		this.#projected[3 * to + 1] = this.#raster.height / 2 - y * scale;
		this.#projected[3 * to + 2] = 1 / ahead;
	}
}
