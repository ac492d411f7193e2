// The scripted expert: a waypoint controller on the closed-form kinematics. Each task is a short list of stages;
// every action is computed from where the arm and the cubes are now, so that it also leads back from states that
// noise or another policy brought about. A stage that is lost (the cube slipped away) starts the list again.
import { type ArmAngles, armAngles, comfortablePitch, handPose, isReachable, type Point } from "./arm.ts";
import { GRIPPER, toRadians } from "./joints.ts";
import { type Layout, PUSH_DISTANCE, type Spot } from "./layout.ts";
import { CUBE_SIZE, JAWS, ZONE_RADIUS } from "./model.ts";
import type { Direction, TaskGoal } from "./tasks.ts";

/** What the expert and the success test know about the moment: true positions, not the reported ones. */
export interface Situation {
	readonly armRad: ArmAngles;
	/** True gripper position, 0..100. */
	readonly gripper: number;
	/** Centres of the cubes in the layout's order, metres. */
	readonly cubes: readonly Point[];
}

/** A controller for one episode; it remembers the stage it is in. */
export interface Expert {
	/** True joint targets: five angles in radians, then the jaw's in radians. */
	act(situation: Situation): Float64Array;
}

/** One step of a plan: bring the jaw tips to a point with the gripper at a position. */
interface Stage {
	readonly goal: (now: Situation) => Point;
	readonly gripper: number;
	/** Metres per second of the commanded point. */
	readonly speed: number;
	readonly isDone: (now: Situation, tip: Point, numFrames: number) => boolean;
	readonly isLost?: (now: Situation, tip: Point) => boolean;
}

const TRAVEL_Z = 0.072;
/** Above this the jaws clear the cubes. */
const CLEAR_Z = 0.055;
const TOUCH_Z = 0.013;
const RELAXED = 35;
const OPEN = 62;
const GRIP = 20;
const ARRIVED = 0.007;
const NEAR_SPEED = 0.085;
const FAR_SPEED = 0.13;
const REACH_SPEED = 0.075;
/** Fastest commanded change of a joint and of the gripper, per second. */
const MAX_JOINT_RAD_PER_S = 1.6;
const MAX_GRIPPER_PER_S = 110;

/** The expert for an episode of `goal` that starts as `layout`, asked `fps` times per second. */
export function createExpert(goal: TaskGoal, layout: Layout, fps: number): Expert {
	let stages = plan(goal, layout, undefined);
	let stageIndex = 0;
	let numFrames = 0;
	const restart = (now: Situation): void => {
		stages = plan(goal, layout, now);
		stageIndex = 0;
		numFrames = 0;
	};
	return {
		act(now) {
			const tip = handPose(now.armRad);
			if (stages[stageIndex]?.isLost?.(now, tip) === true) restart(now);
			while (stageIndex < stages.length - 1 && stages[stageIndex]?.isDone(now, tip, numFrames) === true) {
				stageIndex++;
				numFrames = 0;
			}
			const stage = stages[stageIndex];
			if (stage === undefined)
				throw new RangeError(`expert: plan of ${goal.kind} has no stage ${stageIndex}`);
			numFrames++;
			return approach(now, tip, stage, fps);
		},
	};
}

/** The next command on the straight line from the tip to the stage's goal, within speed limits. */
function approach(now: Situation, tip: Point, stage: Stage, fps: number): Float64Array {
	const goal = stage.goal(now);
	const distance = Math.hypot(goal.x - tip.x, goal.y - tip.y, goal.z - tip.z);
	const share = Math.min(1, stage.speed / fps / Math.max(distance, 1e-9));
	const x = tip.x + share * (goal.x - tip.x);
	const y = tip.y + share * (goal.y - tip.y);
	const z = tip.z + share * (goal.z - tip.z);
	const wanted = armAngles({ ...reachablePose(x, y, z), rollRad: 0 });
	const deltas = wanted.map((angle, joint) => angle - (now.armRad[joint] ?? 0));
	const largest = Math.max(...deltas.map(Math.abs));
	const slowDown = Math.min(1, MAX_JOINT_RAD_PER_S / fps / Math.max(largest, 1e-9));
	const gripperStep = MAX_GRIPPER_PER_S / fps;
	const gripper = now.gripper + Math.min(gripperStep, Math.max(-gripperStep, stage.gripper - now.gripper));
	const command = new Float64Array(6);
	deltas.forEach((delta, joint) => {
		command[joint] = (now.armRad[joint] ?? 0) + slowDown * delta;
	});
	command[GRIPPER] = toRadians(GRIPPER, gripper);
	return command;
}

function reachablePose(x: number, y: number, z: number): Point & { pitchRad: number } {
	const pose = { x, y, z, pitchRad: comfortablePitch(Math.hypot(x, y), z) };
	return isReachable({ ...pose, rollRad: 0 }) ? pose : { ...pose, pitchRad: pose.pitchRad - 0.4 };
}

function plan(goal: TaskGoal, layout: Layout, now: Situation | undefined): readonly Stage[] {
	switch (goal.kind) {
		case "reach":
			return [rest((at) => above(named(at), CUBE_SIZE + 0.015), RELAXED, REACH_SPEED)];
		case "above":
			return [rest(() => above({ ...zoneOf(layout), z: 0 }, 0.05), RELAXED, REACH_SPEED)];
		case "push":
			return pushPlan(goal.direction, now?.cubes[0] ?? startOf(layout), startOf(layout));
		case "lift":
			return liftPlan();
		case "place":
			return placePlan(zoneOf(layout));
		default:
			return goal satisfies never;
	}
}

/** Push: go beside the cube, come down, push along a straight line, stay. */
function pushPlan(direction: Direction, cube: Spot, start: Spot): Stage[] {
	const [dx, dy] = DIRECTION_VECTORS[direction];
	const isDone = (now: Situation): boolean => {
		const moved = named(now);
		return (moved.x - start.x) * dx + (moved.y - start.y) * dy >= PUSH_DISTANCE;
	};
	// Half the closed jaws along the push, half the cube, and some room.
	const standOff = 0.011 + CUBE_SIZE / 2 + 0.014;
	const beside = (z: number) => (): Point =>
		offsetForClosedJaws({ x: cube.x - dx * standOff, y: cube.y - dy * standOff, z });
	const behind = (now: Situation, tip: Point): boolean => {
		const at = named(now);
		const centre = closedJawCentre(tip);
		const ahead = (centre.x - at.x) * dx + (centre.y - at.y) * dy;
		const aside = Math.abs((centre.x - at.x) * dy - (centre.y - at.y) * dx);
		return !isDone(now) && (ahead > -0.012 || aside > 0.024);
	};
	const pushed = (now: Situation): Point => {
		const at = named(now);
		// Aim through the cube's own line, a little past where it has to end.
		const end = { x: start.x + dx * (PUSH_DISTANCE + 0.02), y: start.y + dy * (PUSH_DISTANCE + 0.02) };
		const line = dx === 0 ? { x: at.x, y: end.y } : { x: end.x, y: at.y };
		return offsetForClosedJaws({ x: line.x - dx * 0.02, y: line.y - dy * 0.02, z: TOUCH_Z });
	};
	const hasMoved = (now: Situation): boolean =>
		Math.hypot(named(now).x - cube.x, named(now).y - cube.y) > 0.012;
	return [
		{
			goal: travel(beside(TRAVEL_Z)),
			gripper: 0,
			speed: FAR_SPEED,
			isDone: arrivedAt(beside(TRAVEL_Z), 0.014),
			isLost: hasMoved,
		},
		{
			goal: beside(TOUCH_Z),
			gripper: 0,
			speed: NEAR_SPEED * 1.4,
			isDone: arrivedAt(beside(TOUCH_Z), ARRIVED),
			isLost: hasMoved,
		},
		{ goal: pushed, gripper: 0, speed: NEAR_SPEED, isDone, isLost: behind },
		rest((now) => (isDone(now) ? handPose(now.armRad) : pushed(now)), 0, NEAR_SPEED),
	];
}

function liftPlan(): Stage[] {
	return [
		...graspStages(),
		rest((now) => ({ ...graspPoint(named(now), 0), z: 0.1 }), GRIP, NEAR_SPEED * 1.5, isDropped),
	];
}

/** Towards `goal` at travelling height; straight up first from between the cubes. */
function travel(goal: (now: Situation) => Point): (now: Situation) => Point {
	return (now) => {
		const tip = handPose(now.armRad);
		const wanted = goal(now);
		const isBelow = tip.z < CLEAR_Z && Math.hypot(wanted.x - tip.x, wanted.y - tip.y) > 0.015;
		return isBelow ? above(tip, TRAVEL_Z) : wanted;
	};
}

function placePlan(zone: Spot): Stage[] {
	const over = (z: number) => (): Point => ({ ...graspPoint({ ...zone, z }, z) });
	const isOn = (now: Situation): boolean =>
		Math.hypot(named(now).x - zone.x, named(now).y - zone.y) < ZONE_RADIUS * 0.7;
	return [
		...graspStages(),
		{
			goal: (now) => ({ ...graspPoint(named(now), 0), z: TRAVEL_Z }),
			gripper: GRIP,
			speed: NEAR_SPEED * 1.5,
			isDone: (_, tip) => tip.z > TRAVEL_Z - 0.012,
			isLost: (now, tip) => tip.z > 0.05 && named(now).z < 0.025,
		},
		{
			goal: over(TRAVEL_Z),
			gripper: GRIP,
			speed: FAR_SPEED,
			isDone: arrivedAt(over(TRAVEL_Z), 0.01),
			isLost: isDropped,
		},
		{
			goal: over(TOUCH_Z + 0.003),
			gripper: GRIP,
			speed: NEAR_SPEED,
			isDone: arrivedAt(over(TOUCH_Z + 0.003), ARRIVED),
		},
		{
			goal: over(TOUCH_Z + 0.003),
			gripper: OPEN,
			speed: NEAR_SPEED,
			isDone: (now) => now.gripper > OPEN - 12,
		},
		{
			...rest(over(0.085), OPEN, NEAR_SPEED * 1.5),
			isLost: (now, tip) => tip.z > 0.07 && !isOn(now),
		},
	];
}

/** Open above the cube, come down around it, close. */
function graspStages(): Stage[] {
	const over =
		(z: number) =>
		(now: Situation): Point =>
			graspPoint(named(now), z);
	return [
		{
			goal: travel(over(TRAVEL_Z)),
			gripper: OPEN,
			speed: FAR_SPEED,
			isDone: arrivedAt(over(TRAVEL_Z), 0.01),
		},
		{
			goal: over(TOUCH_Z),
			gripper: OPEN,
			speed: NEAR_SPEED * 1.4,
			isDone: arrivedAt(over(TOUCH_Z), ARRIVED),
		},
		{
			goal: over(TOUCH_Z),
			gripper: GRIP,
			speed: NEAR_SPEED,
			isDone: (now, _, numFrames) => numFrames >= 3 && now.gripper < JAWS.cubeOpening + 6,
		},
	];
}

function isDropped(now: Situation, tip: Point): boolean {
	return tip.z > 0.05 && named(now).z < 0.03;
}

/** A last stage: go there and stay. */
function rest(
	goal: (now: Situation) => Point,
	gripper: number,
	speed: number,
	isLost: (now: Situation, tip: Point) => boolean = () => false,
): Stage {
	return { goal, gripper, speed, isDone: () => false, isLost };
}

function arrivedAt(goal: (now: Situation) => Point, within: number): Stage["isDone"] {
	return (now, tip) => {
		const wanted = goal(now);
		return Math.hypot(wanted.x - tip.x, wanted.y - tip.y, wanted.z - tip.z) < within;
	};
}

function named(now: Situation): Point {
	const cube = now.cubes[0];
	if (cube === undefined) throw new RangeError("expert: the scene has no cube");
	return cube;
}

function startOf(layout: Layout): Spot {
	const cube = layout.cubes[0];
	if (cube === undefined) throw new RangeError("expert: the layout has no cube");
	return cube;
}

function zoneOf(layout: Layout): Spot {
	const zone = layout.zones[0];
	if (zone === undefined) throw new RangeError("expert: the layout has no zone");
	return zone;
}

function above(point: Point, height: number): Point {
	return { x: point.x, y: point.y, z: height };
}

/** Unit vector of a push in the world (x, y): left is +y, forward is +x. */
export const DIRECTION_VECTORS: Readonly<Record<Direction, readonly [number, number]>> = {
	left: [0, 1],
	right: [0, -1],
	forward: [1, 0],
};

/** Moves a wanted point sideways in the hand, by `lateral` metres across the jaws. */
function shiftAcross(point: Point, lateral: number): Point {
	const panRad = Math.atan2(point.y, point.x);
	return { x: point.x - Math.sin(panRad) * lateral, y: point.y + Math.cos(panRad) * lateral, z: point.z };
}

/** Closed jaws meet beside the hand's axis; this is how far. */
const CLOSED_JAW_Y = JAWS.fixedInnerY + 0.002;

function offsetForClosedJaws(point: Point): Point {
	return shiftAcross(point, -CLOSED_JAW_Y);
}

function closedJawCentre(tip: Point): Point {
	return shiftAcross(tip, CLOSED_JAW_Y);
}

/** Tip position that puts the cube between the open jaws, with room at the fixed one. */
function graspPoint(cube: Point, z: number): Point {
	return { ...shiftAcross(cube, -0.006), z };
}
