// The MuJoCo model, written by us: table, arm, three cubes and two target zones, all from boxes and cylinders.
// Link lengths are ARM's; masses and the servo's reflected inertia are rounded public figures of the STS3215.
// Colours and cameras of a scene belong to the renderer: MuJoCo only knows shapes and motion.
import { ARM } from "./arm.ts";
import { limitOf, toRadians } from "./joints.ts";

/** Cubes in the world; a scene parks the ones it does not use beside the table. */
export const NUM_CUBES = 3;

/** Target zones in the world. */
export const NUM_ZONES = 2;

/** Edge length of a cube, metres. */
export const CUBE_SIZE = 0.03;

/** Radius of a target zone, metres. */
export const ZONE_RADIUS = 0.034;

/** The top camera hangs above the middle of the working area: its x, metres. */
export const TOP_CAMERA_X = 0.205;

/** The jaws, in the hand's frame (x along the hand, y across the jaws), metres and radians. */
export const JAWS = {
	/** Inner face of the fixed jaw. */
	fixedInnerY: -0.017,
	thickness: 0.008,
	width: 0.02,
	/** Turn of the moving jaw, from parallel, at which its tip touches the fixed jaw (gripper 0). */
	closedRad: 0.334,
	/** Gripper position at which the jaws are parallel, one cube apart. */
	cubeOpening: 32,
} as const;

const WRIST_TO_ROLL = 0.03;
const ROLL_TO_TIP = ARM.hand - WRIST_TO_ROLL;
const HINGE = { x: 0.035, y: 0.021 } as const;

/** Collision bits: who answers to whom is `contype & conaffinity` of the other. */
const SOLID = 'contype="1" conaffinity="7"';
const HAND_SOLID = 'contype="2" conaffinity="0"';
const LINK_SOLID = 'contype="4" conaffinity="0"';
const GHOST = 'contype="0" conaffinity="0"';

const SHELL = "0.93 0.90 0.84 1";
const SERVO = "0.16 0.16 0.18 1";
const JAW = "0.2 0.22 0.26 1";

type Vec3 = readonly [number, number, number];

function box(name: string, pos: Vec3, half: Vec3, rgba: string, extra: string): string {
	return `<geom name="${name}" type="box" pos="${pos.join(" ")}" size="${half.join(" ")}" rgba="${rgba}" ${extra}/>`;
}

/** A cylinder across the arm (its axis along y), where a servo sits. */
function servo(name: string, pos: Vec3, radius: number, halfLength: number): string {
	return `<geom name="${name}" type="cylinder" pos="${pos.join(" ")}" euler="1.570796 0 0" size="${radius} ${halfLength}" rgba="${SERVO}" mass="0.055" ${GHOST}/>`;
}

/** A joint's limits in radians, as MJCF text. */
function rangeOf(joint: number): string {
	const { min, max } = limitOf(joint);
	return `${toRadians(joint, min).toFixed(6)} ${toRadians(joint, max).toFixed(6)}`;
}

function hinge(joint: number, name: string, axis: string): string {
	return `<joint name="${name}" type="hinge" axis="${axis}" range="${rangeOf(joint)}" armature="0.028" damping="0.05"/>`;
}

function actuator(joint: number, name: string, stiffness: number, forceLimit: number): string {
	return `<position name="${name}" joint="${name}" kp="${stiffness}" dampratio="1" ctrlrange="${rangeOf(joint)}" forcerange="${-forceLimit} ${forceLimit}"/>`;
}

function gripper(): string {
	const fingerHalf = (ROLL_TO_TIP - HINGE.x) / 2;
	const fixedY = JAWS.fixedInnerY - JAWS.thickness / 2;
	const grip = `${HAND_SOLID} friction="1.6 0.02 0.0005" priority="1" condim="4" solref="0.008 1" mass="0.02"`;
	const half: Vec3 = [fingerHalf, JAWS.thickness / 2, JAWS.width / 2];
	return `
<body name="hand" pos="${WRIST_TO_ROLL} 0 0" gravcomp="1">
	${hinge(4, "wrist_roll", "1 0 0")}
	${box("palm", [0.012, 0, 0], [0.022, 0.026, 0.017], SHELL, `${HAND_SOLID} mass="0.06"`)}
	${box("fixed_jaw", [HINGE.x + fingerHalf, fixedY, 0], half, JAW, grip)}
	<site name="tip" pos="${ROLL_TO_TIP} 0 0"/>
	<camera name="wrist" pos="0.0 0 0.062" xyaxes="0 -1 0 0.42 0 0.907" fovy="62"/>
	<body name="jaw" pos="${HINGE.x} ${HINGE.y} 0" euler="0 0 ${-JAWS.closedRad}" gravcomp="1">
		${hinge(5, "gripper", "0 0 1")}
		${box("moving_jaw", [fingerHalf, -0.004, 0], half, JAW, grip)}
	</body>
</body>`;
}

function arm(): string {
	const turretZ = 0.055;
	return `
${box("base", [-0.015, 0, 0.02], [0.05, 0.036, 0.02], SHELL, SOLID)}
<body name="turret" pos="0 0 ${turretZ}" gravcomp="1">
	${hinge(0, "shoulder_pan", "0 0 1")}
	${box("turret_box", [0.008, 0, 0.02], [0.03, 0.028, 0.034], SERVO, `${GHOST} mass="0.1"`)}
	<body name="upper" pos="${ARM.shoulderForward} 0 ${ARM.shoulderHeight - turretZ}" gravcomp="1">
		${hinge(1, "shoulder_lift", "0 1 0")}
		${servo("shoulder_servo", [0, 0, 0], 0.019, 0.03)}
		${box("upper_box", [0, 0, ARM.upper / 2], [0.013, 0.021, ARM.upper / 2], SHELL, `${LINK_SOLID} mass="0.1"`)}
		<body name="forearm" pos="0 0 ${ARM.upper}" gravcomp="1">
			${hinge(2, "elbow_flex", "0 1 0")}
			${servo("elbow_servo", [0, 0, 0], 0.018, 0.028)}
			${box("forearm_box", [ARM.forearm / 2, 0, 0], [ARM.forearm / 2, 0.018, 0.012], SHELL, `${LINK_SOLID} mass="0.1"`)}
			<body name="wrist" pos="${ARM.forearm} 0 0" gravcomp="1">
				${hinge(3, "wrist_flex", "0 1 0")}
				${servo("wrist_servo", [0, 0, 0], 0.016, 0.024)}
				${gripper()}
			</body>
		</body>
	</body>
</body>`;
}

function cubes(): string {
	const half = CUBE_SIZE / 2;
	return Array.from(
		{ length: NUM_CUBES },
		(_, index) => `
<body name="cube${index}" pos="${parkingSpot(index).join(" ")}">
	<freejoint/>
	<geom name="cube${index}" type="box" size="${half} ${half} ${half}" mass="0.03" condim="4" friction="0.7 0.005 0.0001" solref="0.008 1" ${SOLID}/>
</body>`,
	).join("");
}

function zones(): string {
	return Array.from(
		{ length: NUM_ZONES },
		(_, index) => `
<body name="zone${index}" mocap="true" pos="0 0 -0.5">
	<geom name="zone${index}" type="cylinder" size="${ZONE_RADIUS} 0.0006" ${GHOST}/>
</body>`,
	).join("");
}

/** Where cube `index` waits when a scene does not use it: on the floor, out of both cameras' sight. */
export function parkingSpot(index: number): Vec3 {
	return [-1 - 0.1 * index, 0, -0.4 + CUBE_SIZE / 2];
}

/** The model as MJCF text. Steps are `timestepMs` long; mocap bodies are the zones in order. */
export function modelXml(timestepMs: number): string {
	return `
<mujoco model="so100-tabletop">
<compiler angle="radian" autolimits="true"/>
<option timestep="${timestepMs / 1000}" integrator="implicitfast" cone="elliptic" impratio="10" iterations="30"/>
<size memory="4M"/>
<worldbody>
	<geom name="floor" type="plane" pos="0 0 -0.4" size="3 3 0.1" ${SOLID}/>
	<geom name="table" type="box" pos="0.2 0 -0.02" size="0.36 0.42 0.02" ${SOLID} friction="0.7 0.005 0.0001"/>
	<camera name="top" pos="${TOP_CAMERA_X} 0 0.62" xyaxes="0 -1 0 1 0 0" fovy="28"/>
	${arm()}
	${cubes()}
	${zones()}
</worldbody>
<actuator>
	${actuator(0, "shoulder_pan", 28, 3)}
	${actuator(1, "shoulder_lift", 28, 3)}
	${actuator(2, "elbow_flex", 28, 3)}
	${actuator(3, "wrist_flex", 22, 3)}
	${actuator(4, "wrist_roll", 22, 3)}
	${actuator(5, "gripper", 8, 1.2)}
</actuator>
</mujoco>`;
}
