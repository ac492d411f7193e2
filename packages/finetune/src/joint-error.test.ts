import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { constantChunk, jointErrors, jointUnit } from "./joint-error.ts";

const names = ["shoulder_pan.pos", "elbow_flex.pos", "gripper.pos"];

describe("jointErrors", () => {
	test("averages absolute errors per joint over valid steps; degrees without the gripper", () => {
		const errors = jointErrors(names, [
			{
				predicted: Float32Array.of(1, 2, 30, 100, 100, 100),
				recorded: Float32Array.of(2, 4, 20, 0, 0, 0),
				isPad: Uint8Array.of(0, 1),
			},
			{
				predicted: Float32Array.of(0, 0, 0, -3, 0, 0),
				recorded: Float32Array.of(0, 0, 0, 2, 4, 0),
				isPad: Uint8Array.of(0, 0),
			},
		]);
		expect(errors.numSteps).toBe(3);
		expect(errors.perJoint).toEqual([2, 2, 10 / 3]);
		expect(errors.meanDeg).toBe(2);
	});

	test("no joint in degrees gives null, not zero", () => {
		const pair = { predicted: Float32Array.of(1), recorded: Float32Array.of(0), isPad: Uint8Array.of(0) };
		expect(jointErrors(["gripper.pos"], [pair]).meanDeg).toBeNull();
	});

	test("holding the pose is exact for a recording that stands still", () => {
		fc.assert(
			fc.property(
				fc.array(fc.float({ noNaN: true, noDefaultInfinity: true }), { minLength: 3, maxLength: 3 }),
				(pose) => {
					const recorded = constantChunk(pose, 4);
					const isPad = new Uint8Array(4);
					const held = constantChunk(Float32Array.from(pose), 4);
					expect(jointErrors(names, [{ predicted: held, recorded, isPad }]).perJoint).toEqual([0, 0, 0]);
				},
			),
		);
	});

	test("refuses chunks of another size and chunks without a valid step", () => {
		const isPad = Uint8Array.of(0);
		const three = new Float32Array(3);
		expect(() => jointErrors(names, [{ predicted: new Float32Array(2), recorded: three, isPad }])).toThrow(
			RangeError,
		);
		expect(() =>
			jointErrors(names, [{ predicted: three, recorded: three, isPad: Uint8Array.of(1) }]),
		).toThrow(/no valid/);
	});

	test("units come from joint names", () => {
		expect(names.map(jointUnit)).toEqual(["deg", "deg", "percent"]);
	});
});
