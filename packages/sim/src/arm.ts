// Kinematics of the arm in closed form. The five joints act in a vertical plane that shoulder_pan turns about
// z, so the plane's three-link problem (shoulder, elbow, wrist) has an exact solution (law of cosines); the
// MuJoCo model is built from the same lengths, and a test holds both to each other.
// World frame: origin at the base on the table, x forward, y to the robot's left, z up; metres and radians.
// At all-zero joints the upper arm stands upright and forearm and hand point forward; positive lift, elbow and
// wrist angles lean forward and down.

/** Lengths of the arm in metres, rounded from the public SO-100 description. */
export const ARM = {
	/** Shoulder-lift axis: distance in front of the pan axis. */
	shoulderForward: 0.03,
	/** Shoulder-lift axis: height above the table. */
	shoulderHeight: 0.117,
	upper: 0.116,
	forearm: 0.135,
	/** Wrist-flex axis to the point between the jaw tips. */
	hand: 0.158,
} as const;

/** A point in the world, metres. */
export interface Point {
	readonly x: number;
	readonly y: number;
	readonly z: number;
}

/** Where the point between the jaw tips is and how the hand is held. */
export interface HandPose extends Point {
	/** Angle of the hand from straight up, radians: pi/2 points forward, pi straight down. */
	readonly pitchRad: number;
	/** Turn about the hand's own axis, radians. */
	readonly rollRad: number;
}

/** The five arm joints in radians: pan, lift, elbow, wrist flex, wrist roll. */
export type ArmAngles = readonly [number, number, number, number, number];

/** Pose of the hand at these joint angles. */
export function handPose(angles: ArmAngles): HandPose {
	const [pan, lift, elbow, flex, roll] = angles;
	const forearmRad = lift + elbow + Math.PI / 2;
	const pitchRad = forearmRad + flex;
	const reach =
		ARM.shoulderForward +
		ARM.upper * Math.sin(lift) +
		ARM.forearm * Math.sin(forearmRad) +
		ARM.hand * Math.sin(pitchRad);
	const height =
		ARM.shoulderHeight +
		ARM.upper * Math.cos(lift) +
		ARM.forearm * Math.cos(forearmRad) +
		ARM.hand * Math.cos(pitchRad);
	return { x: reach * Math.cos(pan), y: reach * Math.sin(pan), z: height, pitchRad, rollRad: roll };
}

/**
 * Joint angles that bring the hand to `pose` with the elbow up, or the nearest stretched or folded posture when
 * the point is out of reach (the hand then points at it as far as the links allow).
 */
export function armAngles(pose: HandPose): ArmAngles {
	const pan = Math.atan2(pose.y, pose.x);
	const wristForward = Math.hypot(pose.x, pose.y) - ARM.hand * Math.sin(pose.pitchRad) - ARM.shoulderForward;
	const wristUp = pose.z - ARM.hand * Math.cos(pose.pitchRad) - ARM.shoulderHeight;
	const distance = Math.hypot(wristForward, wristUp);
	const innerElbow = angleBetween(ARM.upper, ARM.forearm, distance);
	const atShoulder = angleBetween(ARM.upper, distance, ARM.forearm);
	const lift = Math.atan2(wristForward, wristUp) - atShoulder;
	const forearmRad = lift + Math.PI - innerElbow;
	return [pan, lift, forearmRad - lift - Math.PI / 2, pose.pitchRad - forearmRad, pose.rollRad];
}

/** True when the wrist of `pose` is inside the ring that the two links can reach. */
export function isReachable(pose: HandPose): boolean {
	const wristForward = Math.hypot(pose.x, pose.y) - ARM.hand * Math.sin(pose.pitchRad) - ARM.shoulderForward;
	const wristUp = pose.z - ARM.hand * Math.cos(pose.pitchRad) - ARM.shoulderHeight;
	const distance = Math.hypot(wristForward, wristUp);
	return distance <= ARM.upper + ARM.forearm && distance >= Math.abs(ARM.forearm - ARM.upper);
}

/**
 * Hand pitch that the expert uses at a horizontal distance from the base and a height (metres): straight down
 * near the base and the table, leaning outward further away or higher up, where pointing down is out of reach.
 */
export function comfortablePitch(distance: number, height: number): number {
	const outward = Math.min(1, Math.max(0, (distance - 0.16) / 0.16));
	const upward = Math.min(0.12, Math.max(0, height - 0.06));
	return Math.PI - 0.95 * outward - 6 * upward * (1 - 0.5 * outward);
}

/** Angle between sides `a` and `b` of a triangle whose third side is `opposite`; clamped when none exists. */
function angleBetween(a: number, b: number, opposite: number): number {
	const cosine = (a * a + b * b - opposite * opposite) / (2 * a * Math.max(b, 1e-9));
	return Math.acos(Math.min(1, Math.max(-1, cosine)));
}
