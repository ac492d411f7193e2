// What one episode's state or action looks like, joint by joint.
import { type FeatureStats, vectorStats } from "@zk0/dataset";
import { FrameCollector, type FrameList } from "../frame-list.ts";
import type { VectorBlock } from "./block.ts";

/** A large step of a joint from one frame to the next. */
export interface Step {
	/** Frame after the step. */
	readonly frame: number;
	readonly size: number;
}

/** One joint over an episode. */
export interface JointFacts {
	readonly min: number;
	readonly max: number;
	/** 95 % of the steps between frames are not larger. */
	readonly typicalStep: number;
	/** The largest steps, at most four, largest first. */
	readonly largestSteps: readonly Step[];
	/** Frames at the lowest or highest value while the rest of the arm moves. */
	readonly numAtMin: number;
	readonly numAtMax: number;
}

/** State or action over an episode. */
export interface VectorFacts {
	readonly dim: number;
	/** Over the rows whose numbers are all finite; null when there is none. */
	readonly stats: FeatureStats | null;
	readonly nonFinite: FrameList;
	readonly joints: readonly JointFacts[];
	/** True when every value is a whole number, as encoder ticks are. */
	readonly isWhole: boolean;
	/** [numRows] how far all joints but grippers moved since the row before, in the joints' unit; 0 first. */
	readonly speed: Float32Array;
}

const MAX_STEPS = 4;

/** Facts of an episode's rows, ordered by frame; `grippers` are joints whose motion is not the arm's. */
export function vectorFacts({ dim, values }: VectorBlock, grippers: ReadonlySet<number>): VectorFacts {
	const numRows = values.length / dim;
	const nonFinite = new FrameCollector();
	const finite: number[] = [];
	for (let row = 0; row < numRows; row++) {
		const isFinite = values.subarray(row * dim, (row + 1) * dim).every(Number.isFinite);
		if (isFinite) finite.push(row);
		else nonFinite.add(row);
	}
	const clean = nonFinite.count === 0 ? values : compact(values, dim, finite);
	const stats = finite.length === 0 ? null : vectorStats(clean, dim);
	const speed = speeds(values, dim, grippers);
	return {
		dim,
		stats,
		nonFinite,
		isWhole: clean.every((value) => Number.isInteger(value)),
		speed,
		joints: Array.from({ length: dim }, (_, joint) => jointFacts(values, { dim, joint, speed })),
	};
}

function compact(values: Float32Array, dim: number, rows: readonly number[]): Float32Array {
	const kept = new Float32Array(rows.length * dim);
	for (const [at, row] of rows.entries()) kept.set(values.subarray(row * dim, (row + 1) * dim), at * dim);
	return kept;
}

function speeds(values: Float32Array, dim: number, grippers: ReadonlySet<number>): Float32Array {
	const numRows = values.length / dim;
	const speed = new Float32Array(numRows);
	for (let row = 1; row < numRows; row++) {
		let sum = 0;
		for (let joint = 0; joint < dim; joint++) {
			const step = Math.abs((values[row * dim + joint] ?? 0) - (values[(row - 1) * dim + joint] ?? 0));
			if (!grippers.has(joint) && Number.isFinite(step)) sum += step;
		}
		speed[row] = sum;
	}
	return speed;
}

function jointFacts(
	values: Float32Array,
	{ dim, joint, speed }: { readonly dim: number; readonly joint: number; readonly speed: Float32Array },
): JointFacts {
	const numRows = values.length / dim;
	let min = Number.POSITIVE_INFINITY;
	let max = Number.NEGATIVE_INFINITY;
	const steps: Step[] = [];
	for (let row = 0; row < numRows; row++) {
		const value = values[row * dim + joint] ?? Number.NaN;
		min = Math.min(min, Number.isFinite(value) ? value : min);
		max = Math.max(max, Number.isFinite(value) ? value : max);
		if (row > 0) {
			const size = Math.abs(value - (values[(row - 1) * dim + joint] ?? Number.NaN));
			if (Number.isFinite(size)) steps.push({ frame: row, size });
		}
	}
	steps.sort((a, b) => b.size - a.size || a.frame - b.frame);
	const slack = (max - min) * 1e-5;
	let numAtMin = 0;
	let numAtMax = 0;
	const meanSpeed = speed.reduce((sum, value) => sum + value, 0) / Math.max(1, numRows);
	for (let row = 0; row < numRows; row++) {
		const value = values[row * dim + joint] ?? Number.NaN;
		if ((speed[row] ?? 0) <= 0.2 * meanSpeed) continue;
		if (value <= min + slack) numAtMin++;
		if (value >= max - slack) numAtMax++;
	}
	return {
		min,
		max,
		typicalStep: steps[Math.floor(steps.length * 0.05)]?.size ?? 0,
		largestSteps: steps.slice(0, MAX_STEPS),
		numAtMin,
		numAtMax,
	};
}
