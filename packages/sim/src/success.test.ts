import { describe, expect, test } from "vitest";
import { armAngles } from "./arm.ts";
import type { Layout } from "./layout.ts";
import { isMet, type Situation } from "./success.ts";
import { findTask } from "./tasks.ts";

const LAYOUT: Layout = {
	cubes: [
		{ colour: "red", x: 0.2, y: 0, yawRad: 0 },
		{ colour: "blue", x: 0.2, y: 0.1, yawRad: 0 },
	],
	zones: [{ colour: "green", x: 0.22, y: -0.08 }],
	armRad: [0, 0, 0, 0, 0],
	jawRad: 0,
	brightness: 1,
};

/** The hand at a point, the red cube at another, the gripper at a position. */
function situation(tip: [number, number, number], cube: [number, number, number], gripper = 0): Situation {
	const [x, y, z] = tip;
	const [cubeX, cubeY, cubeZ] = cube;
	return {
		armRad: armAngles({ x, y, z, pitchRad: 2.8, rollRad: 0 }),
		gripper,
		cubes: [
			{ x: cubeX, y: cubeY, z: cubeZ },
			{ x: 0.2, y: 0.1, z: 0.015 },
		],
	};
}

const met = (id: string, now: Situation): boolean => isMet(findTask(id).goal, LAYOUT, now);
const AT_REST: [number, number, number] = [0.2, 0, 0.015];

describe("isMet", () => {
	test("reach: the tip just above the named cube, not another, not high above", () => {
		expect(met("reach-red", situation([0.205, 0.01, 0.05], AT_REST))).toBe(true);
		expect(met("reach-red", situation([0.2, 0.1, 0.05], AT_REST))).toBe(false);
		expect(met("reach-red", situation([0.2, 0, 0.1], AT_REST))).toBe(false);
		expect(met("reach-red", situation([0.225, 0, 0.05], AT_REST))).toBe(false);
	});

	test("above: the tip over the target, low", () => {
		expect(met("above-green", situation([0.22, -0.075, 0.05], AT_REST))).toBe(true);
		expect(met("above-green", situation([0.22, -0.075, 0.09], AT_REST))).toBe(false);
		expect(met("above-green", situation([0.22, -0.05, 0.05], AT_REST))).toBe(false);
	});

	test("push: far enough, in the asked direction, without drifting", () => {
		const pushed = (x: number, y: number, z = 0.015): Situation => situation([0.2, -0.05, 0.02], [x, y, z]);
		expect(met("push-red-left", pushed(0.2, 0.055))).toBe(true);
		expect(met("push-red-left", pushed(0.2, 0.045))).toBe(false);
		expect(met("push-red-left", pushed(0.235, 0.055))).toBe(false);
		expect(met("push-red-left", pushed(0.2, 0.055, 0.08))).toBe(false);
		expect(met("push-red-right", pushed(0.2, 0.055))).toBe(false);
		expect(met("push-red-right", pushed(0.2, -0.055))).toBe(true);
		expect(met("push-red-forward", pushed(0.255, 0.01))).toBe(true);
	});

	test("lift: clear of the table", () => {
		expect(met("lift-red", situation([0.2, 0, 0.07], [0.2, 0, 0.07], 30))).toBe(true);
		expect(met("lift-red", situation([0.2, 0, 0.04], [0.2, 0, 0.03], 30))).toBe(false);
	});

	test("place: on the target, on the table, let go", () => {
		const on: [number, number, number] = [0.225, -0.07, 0.015];
		expect(met("place-red-on-green", situation([0.22, -0.08, 0.08], on, 60))).toBe(true);
		expect(met("place-red-on-green", situation([0.22, -0.08, 0.015], on, 60))).toBe(false);
		expect(met("place-red-on-green", situation([0.22, -0.08, 0.08], on, 20))).toBe(false);
		expect(met("place-red-on-green", situation([0.22, -0.08, 0.08], [0.2, -0.04, 0.015], 60))).toBe(false);
		expect(met("place-red-on-green", situation([0.22, -0.08, 0.12], [0.225, -0.07, 0.06], 60))).toBe(false);
	});
});
