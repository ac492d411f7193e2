// What stands where when an episode starts: cubes, target zones and the arm's first pose, drawn from a seed.
// Beside the named thing there is always its rival, the colour that a sister task would name, so that the
// picture alone never tells what is asked for.
import { type Rng, rng } from "@zk0/arrays";
import { type ArmAngles, armAngles, comfortablePitch, handPose } from "./arm.ts";
import type { Area, Domain } from "./domain.ts";
import { SimError } from "./errors.ts";
import { toRadians } from "./joints.ts";
import { CUBE_SIZE, NUM_CUBES, NUM_ZONES, TOP_CAMERA_X, ZONE_RADIUS } from "./model.ts";
import {
	CUBE_COLOURS,
	type CubeColour,
	type Task,
	type TaskGoal,
	ZONE_COLOURS,
	type ZoneColour,
} from "./tasks.ts";

/** A point on the table, metres. */
export interface Spot {
	readonly x: number;
	readonly y: number;
}

/** The start of an episode. The thing the task names comes first in its list. */
export interface Layout {
	/** `yawRad` turns the cube about z. */
	readonly cubes: readonly (Spot & { readonly colour: CubeColour; readonly yawRad: number })[];
	readonly zones: readonly (Spot & { readonly colour: ZoneColour })[];
	/** True (not reported) start angles, radians. */
	readonly armRad: ArmAngles;
	readonly jawRad: number;
	/** Factor on the light of this episode. */
	readonly brightness: number;
}

/** How far a pushed cube has to travel in the expert's plan, metres. */
export const PUSH_DISTANCE = 0.065;

const RIVALS: Readonly<Record<CubeColour, CubeColour>> = {
	red: "blue",
	blue: "red",
	green: "yellow",
	yellow: "green",
	purple: "orange",
	orange: "purple",
};
const ZONE_RIVALS: Readonly<Record<ZoneColour, ZoneColour>> = {
	green: "blue",
	blue: "green",
	red: "yellow",
	yellow: "red",
};

const ANYWHERE: Area = { xMin: 0.145, xMax: 0.3, yMin: -0.15, yMax: 0.15 };
const CUBE_GAP = 0.056;
/** Room for the open jaws around a cube to be grasped. */
const JAW_GAP = 0.078;
const ZONE_GAP = ZONE_RADIUS + 0.028;
/** Distance from the middle of the arm in the picture at which a spot counts as covered. */
const HIDDEN_WITHIN = 0.045;
const MAX_ATTEMPTS = 2000;

/**
 * Draws the start of an episode.
 * @throws SimError `no-layout` when the domain's area is too small for the task.
 */
export function drawLayout(seed: number | string, task: Task, domain: Domain): Layout {
	const random = rng("sim-layout", seed, task.goal.kind);
	const colours = cubeColours(task.goal, random);
	const zoneColours = zonesOf(task.goal, random);
	for (let attempt = 0; attempt < MAX_ATTEMPTS; attempt++) {
		const spots = [...colours, ...zoneColours].map((_, index) => {
			const isNamed = index === 0 || (index === colours.length && "zone" in task.goal);
			return drawSpot(random, isNamed ? namedArea(task.goal, domain.placement) : ANYWHERE);
		});
		const cubes = spots.slice(0, colours.length);
		const zones = spots.slice(colours.length);
		const start = drawStart(random);
		const named = [...(task.goal.kind === "above" ? [] : cubes.slice(0, 1)), ...zones.slice(0, 1)];
		if (!isFree(task.goal, cubes, zones) || named.some((spot) => isHidden(spot, start.armRad))) continue;
		return {
			cubes: cubes.map((spot, index) => ({
				...spot,
				colour: colours[index] ?? "red",
				yawRad: Math.atan2(spot.y, spot.x) + 0.14 * (2 * random.uniform() - 1),
			})),
			zones: zones.map((spot, index) => ({ ...spot, colour: zoneColours[index] ?? "green" })),
			...start,
			brightness: 0.94 + 0.12 * random.uniform(),
		};
	}
	throw new SimError(
		"no-layout",
		`no free place for "${task.id}" in ${MAX_ATTEMPTS} draws; widen the placement area`,
	);
}

function cubeColours(goal: TaskGoal, random: Rng): CubeColour[] {
	const named = goal.kind === "above" ? CUBE_COLOURS[random.below(CUBE_COLOURS.length)] : goal.cube;
	const first = named ?? "red";
	const rival = RIVALS[first];
	const rest = CUBE_COLOURS.filter((colour) => colour !== first && colour !== rival);
	const third = rest[random.below(rest.length)] ?? "green";
	return [first, rival, third].slice(0, goal.kind === "above" ? 2 : NUM_CUBES);
}

function zonesOf(goal: TaskGoal, random: Rng): ZoneColour[] {
	const drawn = ZONE_COLOURS[random.below(ZONE_COLOURS.length)] ?? "green";
	if (goal.kind === "above") return [goal.zone, ZONE_RIVALS[goal.zone]].slice(0, NUM_ZONES);
	return [goal.kind === "place" ? goal.zone : drawn];
}

/** Where the named thing may lie, so that the whole motion stays within reach. */
function namedArea(goal: TaskGoal, area: Area): Area {
	switch (goal.kind) {
		case "reach":
		case "above":
			return area;
		case "lift":
		case "place":
			return { ...area, xMax: Math.min(area.xMax, 0.25) };
		case "push":
			return goal.direction === "forward"
				? { ...area, xMax: Math.min(area.xMax, 0.225) }
				: { ...area, yMin: Math.max(area.yMin, -0.06), yMax: Math.min(area.yMax, 0.06) };
		default:
			return goal satisfies never;
	}
}

function isFree(goal: TaskGoal, cubes: readonly Spot[], zones: readonly Spot[]): boolean {
	const apart = (left: Spot, right: Spot, gap: number): boolean =>
		Math.hypot(left.x - right.x, left.y - right.y) >= gap;
	const all = [
		...cubes.map((spot) => ({ spot, gap: CUBE_GAP / 2 })),
		...zones.map((spot) => ({ spot, gap: ZONE_GAP - CUBE_GAP / 2 })),
	];
	const isSpread = all.every((one, index) =>
		all.slice(index + 1).every((other) => apart(one.spot, other.spot, one.gap + other.gap)),
	);
	if (!isSpread) return false;
	return cubes.slice(1).every((other) => {
		const named = cubes[0] ?? other;
		switch (goal.kind) {
			case "reach":
			case "above":
				return true;
			case "push":
				return isClearOfPush(goal, named, other);
			case "lift":
			case "place":
				return apart(named, other, JAW_GAP);
			default:
				return goal satisfies never;
		}
	});
}

/** Room beside the pushed cube along the whole push; for left and right on both sides, so that the free side does
 * not give the direction away. */
function isClearOfPush(goal: TaskGoal & { kind: "push" }, cube: Spot, other: Spot): boolean {
	const [along, across] =
		goal.direction === "forward"
			? [other.x - cube.x, other.y - cube.y]
			: [Math.abs(other.y - cube.y), other.x - cube.x];
	const ahead = PUSH_DISTANCE + 1.5 * CUBE_SIZE;
	return along < -0.09 || along > ahead || Math.abs(across) > 0.05;
}

/** Whether the arm would cover a spot in the top camera's picture; it looks larger than it is, being nearer. */
function isHidden(spot: Spot, armRad: ArmAngles): boolean {
	const tip = handPose(armRad);
	const tipX = TOP_CAMERA_X + 1.25 * (tip.x - TOP_CAMERA_X);
	const tipY = 1.25 * tip.y;
	const along = (spot.x * tipX + spot.y * tipY) / (tipX * tipX + tipY * tipY);
	const nearest = Math.min(1, Math.max(0, along));
	return Math.hypot(spot.x - nearest * tipX, spot.y - nearest * tipY) < HIDDEN_WITHIN;
}

function drawSpot(random: Rng, area: Area): Spot {
	return {
		x: area.xMin + (area.xMax - area.xMin) * random.uniform(),
		y: area.yMin + (area.yMax - area.yMin) * random.uniform(),
	};
}

function drawStart(random: Rng): { armRad: ArmAngles; jawRad: number } {
	const spot = drawSpot(random, { xMin: 0.175, xMax: 0.265, yMin: -0.11, yMax: 0.11 });
	const z = 0.095 + 0.05 * random.uniform();
	const pitchRad = comfortablePitch(Math.hypot(spot.x, spot.y), z) + 0.07 * random.normal();
	const armRad = armAngles({ ...spot, z, pitchRad, rollRad: 0.2 * random.normal() });
	return { armRad, jawRad: toRadians(5, 5 + 55 * random.uniform()) };
}
