import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { ARM, armAngles, comfortablePitch, handPose, isReachable } from "./arm.ts";
import { loadEngine } from "./engine.ts";
import { limitOf, toRadians } from "./joints.ts";
import { modelXml } from "./model.ts";

const angle = (joint: number): fc.Arbitrary<number> => {
	const { min, max } = limitOf(joint);
	return fc.double({ min: toRadians(joint, min), max: toRadians(joint, max), noNaN: true });
};
const armAnglesInLimits = fc.tuple(angle(0), angle(1), angle(2), angle(3), angle(4));

describe("handPose", () => {
	test("at zero the upper arm stands and the rest points forward", () => {
		const pose = handPose([0, 0, 0, 0, 0]);
		expect(pose.x).toBeCloseTo(ARM.shoulderForward + ARM.forearm + ARM.hand, 12);
		expect(pose.y).toBeCloseTo(0, 12);
		expect(pose.z).toBeCloseTo(ARM.shoulderHeight + ARM.upper, 12);
	});

	test("agrees with MuJoCo's kinematics of the model", async () => {
		const engine = await loadEngine();
		using simulation = engine.createSimulation(modelXml(5));
		const tip = simulation.indexOf("site", "tip");
		fc.assert(
			fc.property(armAnglesInLimits, (angles) => {
				simulation.state("qpos").set(angles);
				simulation.forward();
				const [x = 0, y = 0, z = 0] = simulation.state("site_xpos").subarray(3 * tip, 3 * tip + 3);
				const pose = handPose(angles);
				expect(Math.hypot(pose.x - x, pose.y - y, pose.z - z)).toBeLessThan(1e-9);
			}),
			{ numRuns: 60 },
		);
	});
});

describe("armAngles", () => {
	const posePoint = fc.record({
		x: fc.double({ min: 0.12, max: 0.34, noNaN: true }),
		y: fc.double({ min: -0.18, max: 0.18, noNaN: true }),
		z: fc.double({ min: 0.005, max: 0.16, noNaN: true }),
		rollRad: fc.double({ min: -1, max: 1, noNaN: true }),
	});

	test("inverts handPose wherever the point is in reach", () => {
		fc.assert(
			fc.property(posePoint, (point) => {
				const wanted = { ...point, pitchRad: comfortablePitch(Math.hypot(point.x, point.y), point.z) };
				fc.pre(isReachable(wanted));
				const reached = handPose(armAngles(wanted));
				expect(Math.hypot(reached.x - wanted.x, reached.y - wanted.y, reached.z - wanted.z)).toBeLessThan(
					1e-9,
				);
				expect(reached.pitchRad).toBeCloseTo(wanted.pitchRad, 9);
				expect(reached.rollRad).toBe(wanted.rollRad);
			}),
		);
	});

	test("stays finite out of reach and stretches towards the point", () => {
		const far = { x: 2, y: 0, z: 0.1, pitchRad: Math.PI / 2, rollRad: 0 };
		expect(isReachable(far)).toBe(false);
		const reached = handPose(armAngles(far));
		expect(reached.x).toBeCloseTo(ARM.shoulderForward + ARM.upper + ARM.forearm + ARM.hand, 2);
		expect(
			armAngles({ x: 0, y: 0, z: ARM.shoulderHeight, pitchRad: 0, rollRad: 0 }).every(Number.isFinite),
		).toBe(true);
	});

	test("the whole working area is in reach and within the joint limits", () => {
		for (let x = 0.15; x <= 0.3; x += 0.015) {
			for (let y = -0.13; y <= 0.13; y += 0.02) {
				for (const z of [0.012, 0.045, 0.075]) {
					const pose = { x, y, z, pitchRad: comfortablePitch(Math.hypot(x, y), z), rollRad: 0 };
					expect(isReachable(pose)).toBe(true);
					armAngles(pose).forEach((value, joint) => {
						const { min, max } = limitOf(joint);
						expect(value).toBeGreaterThanOrEqual(toRadians(joint, min));
						expect(value).toBeLessThanOrEqual(toRadians(joint, max));
					});
				}
			}
		}
	});
});
