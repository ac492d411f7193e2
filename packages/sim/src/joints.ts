// The six joints of the arm: names, limits and units. Outside the simulator a pose is LeRobot's SO-100 vector
// (five joints in degrees, gripper 0 closed .. 100 open); inside, MuJoCo's radians.
// Limits follow the public SO-100/SO-101 descriptions (The Robot Studio, SO-ARM100 repository).

/** Feature names of state and action, in vector order, as LeRobot writes them. */
export const JOINT_NAMES = [
	"shoulder_pan.pos",
	"shoulder_lift.pos",
	"elbow_flex.pos",
	"wrist_flex.pos",
	"wrist_roll.pos",
	"gripper.pos",
] as const;

/** Number of joints, and the length of a state or action vector. */
export const NUM_JOINTS = 6;

/** Index of the gripper in a pose vector. */
export const GRIPPER = 5;

/** Jaw opening in radians at gripper position 100. */
export const GRIPPER_OPEN_RAD = Math.PI / 3;

/** Lowest and highest position of each joint: degrees for five joints, 0..100 for the gripper. */
export const JOINT_LIMITS: readonly { readonly min: number; readonly max: number }[] = [
	{ min: -110, max: 110 },
	{ min: -100, max: 100 },
	{ min: -97, max: 97 },
	{ min: -95, max: 95 },
	{ min: -157, max: 163 },
	{ min: 0, max: 100 },
];

/** Radians of one joint from its unit (degrees, or 0..100 for the gripper). */
export function toRadians(joint: number, value: number): number {
	return value * radPerUnit(joint);
}

/** The joint's unit (degrees, or 0..100 for the gripper) from radians. */
export function fromRadians(joint: number, angleRad: number): number {
	return angleRad / radPerUnit(joint);
}

/**
 * `value` limited to the joint's range, in the joint's unit.
 * @throws RangeError when the value is not finite: an arm must never be sent NaN.
 */
export function clampJoint(joint: number, value: number): number {
	const limit = limitOf(joint);
	if (!Number.isFinite(value)) {
		throw new RangeError(`clampJoint: ${JOINT_NAMES[joint]} is ${value}, expected a finite number`);
	}
	return Math.min(limit.max, Math.max(limit.min, value));
}

/** Limits of one joint. @throws RangeError when there is no such joint. */
export function limitOf(joint: number): { readonly min: number; readonly max: number } {
	const limit = JOINT_LIMITS[joint];
	if (limit === undefined) throw new RangeError(`joint index ${joint} is outside 0..${NUM_JOINTS - 1}`);
	return limit;
}

function radPerUnit(joint: number): number {
	limitOf(joint);
	return joint === GRIPPER ? GRIPPER_OPEN_RAD / 100 : Math.PI / 180;
}
