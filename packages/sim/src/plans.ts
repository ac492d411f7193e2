// What the scripted expert does for each task: short lists of stages, each a point to bring the jaw tips to. Goals
// are asked anew at every action, so a stage follows a cube that moves.
import { handPose, type Point } from "./arm.ts";
import { type Layout, PUSH_DISTANCE, type Spot } from "./layout.ts";
import { CUBE_SIZE, JAWS, ZONE_RADIUS } from "./model.ts";
import type { Situation } from "./success.ts";
import { DIRECTION_VECTORS, type Direction, type TaskGoal } from "./tasks.ts";

/** One step of a plan: bring the jaw tips to a point with the gripper at a position. */
export interface Stage {
	readonly goal: (now: Situation) => Point;
	/** Gripper position, 0..100. */
	readonly gripper: number;
	/** Metres per second of the commanded point. */
	readonly speed: number;
	/** Whether to go on to the next stage, after `numFrames` actions in this one. */
	readonly isDone: (now: Situation, tip: Point, numFrames: number) => boolean;
	/** Whether the plan has to start again. */
	readonly isLost?: (now: Situation, tip: Point) => boolean;
}

const TRAVEL_Z = 0.072;
/** Above this the jaws clear the cubes. */
const CLEAR_Z = 0.055;
const TOUCH_Z = 0.013;
const RELEASE_Z = 0.016;
const RELAXED = 35;
const OPEN = 62;
const GRIP = 20;
const ARRIVED = 0.01;
const PUSH_SPEED = 0.085;
const LOWER_SPEED = 0.12;
const TRAVEL_SPEED = 0.13;
const REACH_SPEED = 0.075;

/**
 * The stages for `goal` in an episode that started as `layout`, from `cube`, where the named cube is now. The last
 * stage is never done: it rests.
 */
export function planStages(goal: TaskGoal, layout: Layout, cube: Spot): readonly Stage[] {
	switch (goal.kind) {
		case "reach":
			return [rest((now) => above(named(now), CUBE_SIZE + 0.015), RELAXED, REACH_SPEED)];
		case "above":
			return [rest(() => above(first(layout.zones), 0.05), RELAXED, REACH_SPEED)];
		case "push":
			return pushPlan(goal.direction, cube, first(layout.cubes));
		case "lift":
			return [...graspPlan(), { ...rest(held(0.1), GRIP, LOWER_SPEED), isLost: isDropped }];
		case "place":
			return [...graspPlan(), ...releasePlan(first(layout.zones))];
		default:
			return goal satisfies never;
	}
}

/** Go beside the cube, come down, push along a straight line, stay. */
function pushPlan(direction: Direction, cube: Spot, start: Spot): Stage[] {
	const [dx, dy] = DIRECTION_VECTORS[direction];
	const isDone = (now: Situation): boolean => {
		const at = named(now);
		return (at.x - start.x) * dx + (at.y - start.y) * dy >= PUSH_DISTANCE;
	};
	const hasMoved = (now: Situation): boolean =>
		Math.hypot(named(now).x - cube.x, named(now).y - cube.y) > 0.012;
	// Half the closed jaws along the push, half the cube, and some room.
	const standOff = 0.011 + CUBE_SIZE / 2 + 0.014;
	const beside = (z: number) => (): Point =>
		shiftAcross({ x: cube.x - dx * standOff, y: cube.y - dy * standOff, z }, -CLOSED_JAW_Y);
	const isAstray = (now: Situation, tip: Point): boolean => {
		const at = named(now);
		const jaws = shiftAcross(tip, CLOSED_JAW_Y);
		const ahead = (jaws.x - at.x) * dx + (jaws.y - at.y) * dy;
		const aside = Math.abs((jaws.x - at.x) * dy - (jaws.y - at.y) * dx);
		return !isDone(now) && (ahead > -0.012 || aside > 0.024);
	};
	// Along the line on which the cube lies now, to where it has to end.
	const pushed = (now: Situation): Point => {
		const at = named(now);
		const x = dx === 0 ? at.x : start.x + dx * PUSH_DISTANCE;
		const y = dy === 0 ? at.y : start.y + dy * PUSH_DISTANCE;
		return shiftAcross({ x, y, z: TOUCH_Z }, -CLOSED_JAW_Y);
	};
	return [
		{ ...goTo(travel(beside(TRAVEL_Z)), 0, TRAVEL_SPEED), isLost: hasMoved },
		{ ...goTo(beside(TOUCH_Z), 0, LOWER_SPEED), isLost: hasMoved },
		{ goal: pushed, gripper: 0, speed: PUSH_SPEED, isDone, isLost: isAstray },
		rest((now) => (isDone(now) ? handPose(now.armRad) : pushed(now)), 0, PUSH_SPEED),
	];
}

/** Open above the cube, come down around it, close. */
function graspPlan(): Stage[] {
	const isClosed = (now: Situation, _: Point, numFrames: number): boolean =>
		numFrames >= 3 && now.gripper < JAWS.cubeOpening + 6;
	return [
		goTo(travel(held(TRAVEL_Z)), OPEN, TRAVEL_SPEED),
		goTo(held(TOUCH_Z), OPEN, LOWER_SPEED),
		{ goal: held(TOUCH_Z), gripper: GRIP, speed: PUSH_SPEED, isDone: isClosed },
	];
}

/** Up, over the zone, down, open, up again. */
function releasePlan(zone: Spot): Stage[] {
	const over = (z: number) => (): Point => graspPoint(zone, z);
	const isOpen = (now: Situation): boolean => now.gripper > OPEN - 12;
	const isBeside = (now: Situation, tip: Point): boolean =>
		tip.z > 0.07 && Math.hypot(named(now).x - zone.x, named(now).y - zone.y) > ZONE_RADIUS * 0.7;
	return [
		{ ...goTo(held(TRAVEL_Z), GRIP, LOWER_SPEED), isDone: (_, tip) => tip.z > 0.06, isLost: isDropped },
		{ ...goTo(over(TRAVEL_Z), GRIP, TRAVEL_SPEED), isLost: isDropped },
		goTo(over(RELEASE_Z), GRIP, PUSH_SPEED),
		{ ...goTo(over(RELEASE_Z), OPEN, PUSH_SPEED), isDone: isOpen },
		{ ...rest(over(0.085), OPEN, LOWER_SPEED), isLost: isBeside },
	];
}

/** Go there; done on arrival. */
function goTo(goal: Stage["goal"], gripper: number, speed: number): Stage {
	const isDone = (now: Situation, tip: Point): boolean => {
		const wanted = goal(now);
		return Math.hypot(wanted.x - tip.x, wanted.y - tip.y, wanted.z - tip.z) < ARRIVED;
	};
	return { goal, gripper, speed, isDone };
}

/** Go there and stay. */
function rest(goal: Stage["goal"], gripper: number, speed: number): Stage {
	return { goal, gripper, speed, isDone: () => false };
}

/** Towards a goal at travelling height; straight up first from between the cubes. */
function travel(goal: Stage["goal"]): Stage["goal"] {
	return (now) => {
		const tip = handPose(now.armRad);
		const wanted = goal(now);
		const isBelow = tip.z < CLEAR_Z && Math.hypot(wanted.x - tip.x, wanted.y - tip.y) > 0.015;
		return isBelow ? above(tip, TRAVEL_Z) : wanted;
	};
}

/** Where the tip is when the named cube is between the jaws and the tip at height `z`. */
function held(z: number): Stage["goal"] {
	return (now) => graspPoint(named(now), z);
}

function isDropped(now: Situation, tip: Point): boolean {
	return tip.z > 0.05 && named(now).z < 0.03;
}

function named(now: Situation): Point {
	return first(now.cubes);
}

/** The thing that the task names comes first in its list. */
function first<T>(things: readonly T[]): T {
	const [thing] = things;
	if (thing === undefined) throw new RangeError("plan: the scene lacks the thing that the task names");
	return thing;
}

function above(spot: Spot, z: number): Point {
	return { x: spot.x, y: spot.y, z };
}

/** Closed jaws meet beside the hand's axis; this is how far. */
const CLOSED_JAW_Y = JAWS.fixedInnerY + 0.002;

/** Moves a wanted point sideways in the hand, by `lateral` metres across the jaws. */
function shiftAcross(point: Point, lateral: number): Point {
	const panRad = Math.atan2(point.y, point.x);
	return { x: point.x - Math.sin(panRad) * lateral, y: point.y + Math.cos(panRad) * lateral, z: point.z };
}

/** Tip position that puts a cube between the open jaws, with room at the fixed one. */
function graspPoint(spot: Spot, z: number): Point {
	return shiftAcross(above(spot, z), -0.006);
}
