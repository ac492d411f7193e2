// Triangle meshes of the shapes that the model uses: a box and a cylinder, both of unit size, so that one mesh
// serves every geom with its own scale. Triangles wind counter-clockwise seen from outside.

/** Corner points, triangles and one outward normal per triangle. */
export interface Mesh {
	/** Corners, xyz each. */
	readonly corners: Float64Array;
	/** Three corner indices per triangle. */
	readonly triangles: Uint16Array;
	/** Unit outward normal per triangle, xyz each. */
	readonly normals: Float64Array;
}

const CYLINDER_SIDES = 14;

/** The cube from -1 to 1 on every axis; scale by half sizes. */
export function boxMesh(): Mesh {
	const corners: number[] = [];
	for (const z of [-1, 1]) for (const y of [-1, 1]) for (const x of [-1, 1]) corners.push(x, y, z);
	const quads = [
		[0, 2, 3, 1],
		[4, 5, 7, 6],
		[0, 1, 5, 4],
		[2, 6, 7, 3],
		[0, 4, 6, 2],
		[1, 3, 7, 5],
	];
	return meshOf(
		corners,
		quads.flatMap(([a = 0, b = 0, c = 0, d = 0]) => [a, b, c, a, c, d]),
	);
}

/** The cylinder of radius 1 from z = -1 to 1; scale by (radius, radius, half length). */
export function cylinderMesh(): Mesh {
	const corners: number[] = [];
	for (const z of [-1, 1]) {
		for (let side = 0; side < CYLINDER_SIDES; side++) {
			const angleRad = (2 * Math.PI * side) / CYLINDER_SIDES;
			corners.push(Math.cos(angleRad), Math.sin(angleRad), z);
		}
	}
	const triangles: number[] = [];
	for (let side = 0; side < CYLINDER_SIDES; side++) {
		const next = (side + 1) % CYLINDER_SIDES;
		const [top, topNext] = [CYLINDER_SIDES + side, CYLINDER_SIDES + next];
		triangles.push(side, next, topNext, side, topNext, top);
		if (side > 1) {
			triangles.push(0, side, side - 1);
			triangles.push(CYLINDER_SIDES, top - 1, top);
		}
	}
	return meshOf(corners, triangles);
}

function meshOf(corners: readonly number[], triangles: readonly number[]): Mesh {
	const normals = new Float64Array(triangles.length);
	const corner = (index: number, axis: number): number => corners[3 * (triangles[index] ?? 0) + axis] ?? 0;
	for (let first = 0; first < triangles.length; first += 3) {
		const edge = (to: number, axis: number): number => corner(first + to, axis) - corner(first, axis);
		const x = edge(1, 1) * edge(2, 2) - edge(1, 2) * edge(2, 1);
		const y = edge(1, 2) * edge(2, 0) - edge(1, 0) * edge(2, 2);
		const z = edge(1, 0) * edge(2, 1) - edge(1, 1) * edge(2, 0);
		const length = Math.hypot(x, y, z);
		normals.set([x / length, y / length, z / length], first);
	}
	return { corners: Float64Array.from(corners), triangles: Uint16Array.from(triangles), normals };
}
