// The scripted expert: a waypoint controller on the closed-form kinematics. Every action is computed from where the
// arm and the cubes are now, so that it also leads back from states that noise or another policy brought about; a
// plan that is lost (the cube slipped away) starts again.
import { armAngles, comfortablePitch, type HandPose, handPose, isReachable, type Point } from "./arm.ts";
import { GRIPPER, toRadians } from "./joints.ts";
import type { Layout } from "./layout.ts";
import { planStages, type Stage } from "./plans.ts";
import type { Situation } from "./success.ts";
import type { TaskGoal } from "./tasks.ts";

/** A controller for one episode; it remembers the stage it is in. */
export interface Expert {
	/** True joint targets: five angles in radians, then the jaw's in radians. */
	act(situation: Situation): Float64Array;
}

/** How far ahead the arm is asked to be, seconds: servos lag, so a nearer target would slow high rates down. */
const HORIZON_S = 0.1;
/** Fastest commanded change of a joint and of the gripper, per second. */
const MAX_JOINT_RAD_PER_S = 1.6;
const MAX_GRIPPER_PER_S = 110;

/** The expert for an episode of `goal` that starts as `layout`, asked `fps` times per second. */
export function createExpert(goal: TaskGoal, layout: Layout, fps: number): Expert {
	const [start = { x: 0, y: 0 }] = layout.cubes;
	const horizonS = Math.max(HORIZON_S, 1 / fps);
	let stages = planStages(goal, layout, start);
	let stageIndex = 0;
	let numFrames = 0;
	return {
		act(now) {
			const tip = handPose(now.armRad);
			if (stages[stageIndex]?.isLost?.(now, tip) === true) {
				stages = planStages(goal, layout, now.cubes[0] ?? start);
				stageIndex = 0;
				numFrames = 0;
			}
			while (stageIndex < stages.length - 1 && stages[stageIndex]?.isDone(now, tip, numFrames) === true) {
				stageIndex++;
				numFrames = 0;
			}
			const stage = stages[stageIndex];
			if (stage === undefined)
				throw new RangeError(`expert: plan of ${goal.kind} has no stage ${stageIndex}`);
			numFrames++;
			return approach(now, tip, stage, horizonS);
		},
	};
}

/** The next command on the straight line from the tip to the stage's goal, within speed limits. */
function approach(now: Situation, tip: Point, stage: Stage, horizonS: number): Float64Array {
	const goal = stage.goal(now);
	const distance = Math.hypot(goal.x - tip.x, goal.y - tip.y, goal.z - tip.z);
	const share = Math.min(1, (stage.speed * horizonS) / Math.max(distance, 1e-9));
	const x = tip.x + share * (goal.x - tip.x);
	const y = tip.y + share * (goal.y - tip.y);
	const z = tip.z + share * (goal.z - tip.z);
	const wanted = armAngles(reachablePose(x, y, z));
	const deltas = wanted.map((angle, joint) => angle - (now.armRad[joint] ?? 0));
	const largest = Math.max(...deltas.map(Math.abs));
	const slowDown = Math.min(1, (MAX_JOINT_RAD_PER_S * horizonS) / Math.max(largest, 1e-9));
	const gripperStep = MAX_GRIPPER_PER_S * horizonS;
	const gripper = now.gripper + Math.min(gripperStep, Math.max(-gripperStep, stage.gripper - now.gripper));
	const command = new Float64Array(6);
	deltas.forEach((delta, joint) => {
		command[joint] = (now.armRad[joint] ?? 0) + slowDown * delta;
	});
	command[GRIPPER] = toRadians(GRIPPER, gripper);
	return command;
}

/** The usual pitch at a point, or one leaning further out where that is out of reach. */
function reachablePose(x: number, y: number, z: number): HandPose {
	const pose = { x, y, z, pitchRad: comfortablePitch(Math.hypot(x, y), z), rollRad: 0 };
	return isReachable(pose) ? pose : { ...pose, pitchRad: pose.pitchRad - 0.4 };
}
