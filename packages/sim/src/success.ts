// When a task counts as done at this moment. All lengths in metres, all positions true ones.
import { type ArmAngles, handPose, type Point } from "./arm.ts";
import type { Layout } from "./layout.ts";
import { CUBE_SIZE, ZONE_RADIUS } from "./model.ts";
import { DIRECTION_VECTORS, type TaskGoal } from "./tasks.ts";

/** What the expert and the success test know about the moment: true positions, not the reported ones. */
export interface Situation {
	readonly armRad: ArmAngles;
	/** True gripper position, 0..100. */
	readonly gripper: number;
	/** Centres of the cubes in the layout's order, metres. */
	readonly cubes: readonly Point[];
}

/** How near is near enough, metres. */
export const TOLERANCE = {
	/** Tip beside the vertical through a cube or zone. */
	reachAside: 0.02,
	/** Tip above a cube's centre for "reach". */
	reachHeight: 0.06,
	/** Tip above the table for "move above". */
	aboveHeight: 0.075,
	pushAlong: 0.05,
	pushAside: 0.03,
	liftHeight: 0.05,
} as const;

/** True when `goal` is met in this situation, for an episode that started as `layout`. */
export function isMet(goal: TaskGoal, layout: Layout, now: Situation): boolean {
	const cube = now.cubes[0];
	const start = layout.cubes[0];
	const zone = layout.zones[0];
	if (cube === undefined || start === undefined || zone === undefined) {
		throw new RangeError("isMet: the scene lacks the named cube or zone");
	}
	const tip = handPose(now.armRad);
	const asideOf = (spot: { readonly x: number; readonly y: number }): number =>
		Math.hypot(tip.x - spot.x, tip.y - spot.y);
	switch (goal.kind) {
		case "reach":
			return asideOf(cube) < TOLERANCE.reachAside && tip.z - cube.z < TOLERANCE.reachHeight;
		case "above":
			return asideOf(zone) < TOLERANCE.reachAside && tip.z < TOLERANCE.aboveHeight;
		case "push": {
			const [dx, dy] = DIRECTION_VECTORS[goal.direction];
			const along = (cube.x - start.x) * dx + (cube.y - start.y) * dy;
			const aside = Math.abs((cube.x - start.x) * dy - (cube.y - start.y) * dx);
			return along >= TOLERANCE.pushAlong && aside <= TOLERANCE.pushAside && cube.z < CUBE_SIZE;
		}
		case "lift":
			return cube.z >= TOLERANCE.liftHeight;
		case "place": {
			const isOn = Math.hypot(cube.x - zone.x, cube.y - zone.y) < ZONE_RADIUS;
			const isReleased = now.gripper > 45 && tip.z - cube.z > 0.02;
			return isOn && cube.z < CUBE_SIZE * 0.7 && isReleased;
		}
		default:
			return goal satisfies never;
	}
}
