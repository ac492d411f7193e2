import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
	clampJoint,
	fromRadians,
	GRIPPER,
	GRIPPER_OPEN_RAD,
	JOINT_LIMITS,
	JOINT_NAMES,
	NUM_JOINTS,
	toRadians,
} from "./joints.ts";

describe("units", () => {
	test("degrees for five joints, 0..100 for the gripper", () => {
		expect(toRadians(0, 90)).toBeCloseTo(Math.PI / 2, 12);
		expect(toRadians(GRIPPER, 100)).toBeCloseTo(GRIPPER_OPEN_RAD, 12);
		expect(fromRadians(4, Math.PI)).toBeCloseTo(180, 12);
	});

	test("there and back", () => {
		const joint = fc.integer({ min: 0, max: NUM_JOINTS - 1 });
		fc.assert(
			fc.property(joint, fc.double({ min: -200, max: 200, noNaN: true }), (index, value) => {
				expect(fromRadians(index, toRadians(index, value))).toBeCloseTo(value, 9);
			}),
		);
	});

	test("names are LeRobot's, one limit each", () => {
		expect(JOINT_NAMES).toEqual([
			"shoulder_pan.pos",
			"shoulder_lift.pos",
			"elbow_flex.pos",
			"wrist_flex.pos",
			"wrist_roll.pos",
			"gripper.pos",
		]);
		expect(JOINT_LIMITS).toHaveLength(NUM_JOINTS);
	});

	test("a joint that does not exist is an error", () => {
		expect(() => toRadians(6, 0)).toThrow(RangeError);
		expect(() => fromRadians(-1, 0)).toThrow(RangeError);
	});
});

describe("clampJoint", () => {
	test("limits to the joint's range", () => {
		expect(clampJoint(GRIPPER, 130)).toBe(100);
		expect(clampJoint(GRIPPER, -3)).toBe(0);
		expect(clampJoint(0, -400)).toBe(-110);
		expect(clampJoint(1, 12.5)).toBe(12.5);
	});

	test("refuses NaN and infinities, naming the joint", () => {
		expect(() => clampJoint(2, Number.NaN)).toThrow(/elbow_flex\.pos is NaN/);
		expect(() => clampJoint(2, Number.POSITIVE_INFINITY)).toThrow(RangeError);
	});
});
