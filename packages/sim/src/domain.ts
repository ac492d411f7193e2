// How one workplace differs from another: light, table, cameras a little off, arms calibrated a little apart,
// cubes lying in another part of the table. A domain is a pure function of its name.
import { type Rng, rng } from "@zk0/arrays";
import type { Light, Rgb } from "./render/renderer.ts";

/** A rectangle on the table, metres in the world frame. */
export interface Area {
	readonly xMin: number;
	readonly xMax: number;
	readonly yMin: number;
	readonly yMax: number;
}

/** A camera's error of mounting: metres in the world (top) or hand (wrist) frame, and small turns in radians. */
export interface CameraOffset {
	readonly shift: readonly [number, number, number];
	/** Turns about the camera's right, up and backward axes. */
	readonly turnRad: readonly [number, number, number];
}

/** One workplace. */
export interface Domain {
	readonly light: Light;
	readonly tableRgb: Rgb;
	readonly top: CameraOffset;
	readonly wrist: CameraOffset;
	/** Where named things are placed. */
	readonly placement: Area;
	/** Reported minus true position of each joint, in the joint's unit (degrees; 0..100 for the gripper). */
	readonly jointOffsets: readonly number[];
}

const WHOLE_AREA: Area = { xMin: 0.165, xMax: 0.275, yMin: -0.115, yMax: 0.115 };

const TABLES: readonly Rgb[] = [
	[0.72, 0.66, 0.58],
	[0.82, 0.82, 0.8],
	[0.55, 0.56, 0.6],
	[0.62, 0.5, 0.38],
	[0.44, 0.47, 0.44],
	[0.78, 0.74, 0.82],
];

/** The workplace named `seed`; without a name, the neutral one: nothing is off and nothing varies. */
export function domainOf(seed?: string): Domain {
	if (seed === undefined) return NEUTRAL;
	const random = rng("sim-domain", seed);
	const azimuthRad = spread(random, Math.PI);
	const tilt = 0.15 + 0.3 * random.uniform();
	const ambient = 0.5 + spread(random, 0.08);
	const table = TABLES[random.below(TABLES.length)] ?? NEUTRAL.tableRgb;
	const shade = 1 + spread(random, 0.08);
	return {
		light: {
			direction: [
				Math.cos(azimuthRad) * Math.sin(tilt),
				Math.sin(azimuthRad) * Math.sin(tilt),
				Math.cos(tilt),
			],
			ambient,
			diffuse: 1 - ambient + spread(random, 0.08),
			shadowFactor: 0.74 + spread(random, 0.1),
			background: [0.28 * shade, 0.28 * shade, 0.3 * shade],
		},
		tableRgb: [table[0] * shade, table[1] * shade, table[2] * shade],
		top: cameraOffset(random, 0.012, 0.025),
		wrist: cameraOffset(random, 0.003, 0.035),
		placement: {
			xMin: WHOLE_AREA.xMin + 0.02 * random.uniform(),
			xMax: WHOLE_AREA.xMax - 0.02 * random.uniform(),
			yMin: WHOLE_AREA.yMin + 0.04 * random.uniform(),
			yMax: WHOLE_AREA.yMax - 0.04 * random.uniform(),
		},
		jointOffsets: [2, 2, 2, 2, 3, 1.5].map((range) => spread(random, range)),
	};
}

const NO_OFFSET: CameraOffset = { shift: [0, 0, 0], turnRad: [0, 0, 0] };

const NEUTRAL: Domain = {
	light: {
		direction: [-0.2, 0.26, 0.945],
		ambient: 0.52,
		diffuse: 0.5,
		shadowFactor: 0.74,
		background: [0.28, 0.28, 0.3],
	},
	tableRgb: [0.72, 0.66, 0.58],
	top: NO_OFFSET,
	wrist: NO_OFFSET,
	placement: WHOLE_AREA,
	jointOffsets: [0, 0, 0, 0, 0, 0],
};

function cameraOffset(random: Rng, shift: number, turnRad: number): CameraOffset {
	const three = (range: number): [number, number, number] => [
		spread(random, range),
		spread(random, range),
		spread(random, range),
	];
	return { shift: three(shift), turnRad: three(turnRad) };
}

/** Uniform in (-range, range). */
function spread(random: Rng, range: number): number {
	return (2 * random.uniform() - 1) * range;
}
