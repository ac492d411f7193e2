// In which unit and convention an arm's joints are recorded, judged by names and ranges, and the linear map to
// today's degrees. Old convention: LeRobot before its calibration change (pull request 777) named motors "main_...",
// measured degrees from another zero, and counted shoulder_lift the other way
// (huggingface.co/docs/lerobot/backwardcomp): shoulder_lift = 90 - old, elbow_flex = old - 90.
import type { EpisodeFacts } from "../rows/episode-facts.ts";
import type { VectorFacts } from "../rows/vector-facts.ts";
import { bareName, gripperJoints } from "./joints.ts";

/** Unit of the arm's joints, grippers aside. */
export type ArmUnit =
	/** Degrees: some joint goes beyond 100. */
	| "degrees"
	/** -100..100 of each joint's calibrated range: LeRobot's default for a while, clipped at exactly 100. */
	| "normalised"
	/** Within ±100 and never at the stop: either of the two. */
	| "degrees-or-normalised"
	| "radians"
	/** Raw encoder positions 0..4095. */
	| "ticks";

/** Fewer rows say nothing about a range. */
const MIN_ROWS = 30;
/** Two turns; no joint of a table-top arm goes beyond. */
const MAX_RADIANS = 2 * Math.PI;
/** An arm that works moves some joint farther than this in any unit. */
const MIN_RADIANS_MOVED = 0.2;
const TICKS_PER_TURN = 4096;

/** Lowest and highest value of each joint. */
export interface JointRanges {
	readonly min: readonly number[];
	readonly max: readonly number[];
	readonly numRows: number;
	readonly isWhole: boolean;
}

/** Ranges over several episodes; null when there are no finite numbers. */
export function jointRanges(
	episodes: readonly EpisodeFacts[],
	pick: (facts: EpisodeFacts) => VectorFacts | null,
): JointRanges | null {
	const vectors = episodes.map(pick).filter((vector) => vector !== null);
	const found = vectors.flatMap(({ stats }) => (stats === null ? [] : [stats]));
	const [first] = found;
	if (first === undefined) return null;
	const join = (key: "min" | "max"): number[] =>
		first[key].map((_, joint) => Math[key](...found.map((stats) => stats[key][joint] ?? Number.NaN)));
	return {
		min: join("min"),
		max: join("max"),
		numRows: found.reduce((sum, { count }) => sum + count, 0),
		isWhole: vectors.every(({ isWhole }) => isWhole),
	};
}

/** The unit; null when ranges or names say nothing about an arm. */
export function armUnit(ranges: JointRanges | null, names: readonly string[]): ArmUnit | null {
	const grippers = gripperJoints(names);
	const joints = names.map((_, joint) => joint).filter((joint) => !grippers.has(joint));
	if (ranges === null || ranges.numRows < MIN_ROWS || joints.length < 3) return null;
	const sizes = joints.map((joint) => Math.max(-(ranges.min[joint] ?? 0), ranges.max[joint] ?? 0));
	const moved = Math.max(...joints.map((joint) => (ranges.max[joint] ?? 0) - (ranges.min[joint] ?? 0)));
	const largest = Math.max(...sizes);
	const isPositive = joints.every((joint) => (ranges.min[joint] ?? 0) >= 0);
	if (ranges.isWhole && isPositive && largest > 400 && largest < TICKS_PER_TURN) return "ticks";
	if (largest <= MAX_RADIANS) return moved > MIN_RADIANS_MOVED ? "radians" : null;
	if (largest > 100.01) return "degrees";
	const isClipped = joints.some((joint) => ranges.max[joint] === 100 || ranges.min[joint] === -100);
	return isClipped ? "normalised" : "degrees-or-normalised";
}

/** A linear map per joint: degrees = scale * recorded + offset. */
export interface UnitTransform {
	readonly scale: readonly number[];
	readonly offset: readonly number[];
}

/** True for the motor names of LeRobot before pull request 777. */
export function isOldConvention(names: readonly string[]): boolean {
	return names.some((name) => name.startsWith("main_"));
}

/** The map from a recorded vector to degrees in today's convention; null when it is the identity. */
export function transformOf(names: readonly string[], unit: ArmUnit | null): UnitTransform | null {
	const grippers = gripperJoints(names);
	const scale: number[] = names.map((_, joint) => {
		if (grippers.has(joint)) return 1;
		if (unit === "radians") return 180 / Math.PI;
		return unit === "ticks" ? 360 / TICKS_PER_TURN : 1;
	});
	const offset: number[] = names.map((_, joint) => (unit === "ticks" && !grippers.has(joint) ? -180 : 0));
	if (isOldConvention(names) && unit !== "ticks") {
		for (const [joint, name] of names.entries()) {
			if (bareName(name) === "shoulder_lift") {
				scale[joint] = -(scale[joint] ?? 1);
				offset[joint] = 90;
			}
			if (bareName(name) === "elbow_flex") offset[joint] = -90;
		}
	}
	const isIdentity = scale.every((value) => value === 1) && offset.every((value) => value === 0);
	return isIdentity ? null : { scale, offset };
}
