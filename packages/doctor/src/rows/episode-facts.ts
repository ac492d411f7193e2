// What one episode's rows look like: order, timing, vectors. Bounded in size whatever the rows hold.
import { sha256Hex } from "@zk0/arrays/node";
import { FrameCollector, type FrameList } from "../frame-list.ts";
import type { EpisodeBlock, VectorBlock } from "./block.ts";
import { addSignals, type LagSums, lagSums } from "./correlation.ts";
import { type VectorFacts, vectorFacts } from "./vector-facts.ts";

/** Facts of the rows of one episode in one file. */
export interface EpisodeFacts {
	readonly file: string;
	readonly episodeIndex: number;
	/** Rows in the file, doubled ones included. */
	readonly numRows: number;
	/** Highest frame_index plus one. */
	readonly numFrames: number;
	/** frame_index values that occur more than once. */
	readonly doubled: FrameList;
	/** Frames between 0 and the highest that no row has. */
	readonly missing: FrameList;
	/** False when rows do not stand in the order of their frames. */
	readonly isOrdered: boolean;
	/** First and last global index; null without such a column or without numbers in it. */
	readonly indexRange: readonly [number, number] | null;
	/** Rows whose global index does not follow the one before. */
	readonly brokenIndex: FrameList;
	readonly timing: Timing;
	/** Task indices that occur, and the frames of each that no task table can have. */
	readonly taskIndices: ReadonlySet<number>;
	readonly badTask: FrameList;
	readonly state: VectorFacts | null;
	readonly action: VectorFacts | null;
	/** How far states run behind actions; null without both. */
	readonly stateLag: LagSums | null;
	/** SHA-256 over the states and actions. */
	readonly contentHash: string;
}

/** Timestamps against frame_index / fps. */
export interface Timing {
	/** Largest deviation, seconds. */
	readonly maxErrorS: number;
	readonly off: FrameList;
	/** Rate that the timestamps themselves have; null for fewer than two rows. */
	readonly measuredFps: number | null;
}

/** What rows are held against. */
export interface RowExpectation {
	readonly fps: number;
	readonly toleranceS: number;
	readonly numTasks: number | null;
	/** Indices of grippers among the state's and the action's joints. */
	readonly grippers: { readonly state: ReadonlySet<number>; readonly action: ReadonlySet<number> };
}

/** Longest state-action lag looked for, seconds. */
const MAX_LAG_S = 0.8;

/** Facts of one block. */
export function episodeFacts(block: EpisodeBlock, expected: RowExpectation): EpisodeFacts {
	const { file, episodeIndex, numRows, frameIndex } = block;
	const doubled = new FrameCollector();
	const missing = new FrameCollector();
	const order = firstRowOfFrames(frameIndex, doubled);
	const highest = frameIndex.reduce((most, frame) => Math.max(most, Number.isFinite(frame) ? frame : -1), -1);
	// A frame number beyond any recording would otherwise be counted up to.
	for (let frame = 0; frame <= Math.min(highest, 10 * numRows + 1000); frame++)
		if (!order.has(frame)) missing.add(frame);
	const rows = [...order].sort(([a], [b]) => a - b).map(([, row]) => row);
	const state = orderedFacts(block.state, rows, expected.grippers.state);
	const action = orderedFacts(block.action, rows, expected.grippers.action);
	return {
		file,
		episodeIndex,
		numRows,
		numFrames: highest + 1,
		doubled,
		missing,
		isOrdered: frameIndex.every((frame, row) => row === 0 || frame > (frameIndex[row - 1] ?? 0)),
		...indexFacts(block.index),
		timing: timingOf(block, rows, expected),
		...taskFacts(block, expected.numTasks),
		state,
		action,
		stateLag:
			state === null || action === null
				? null
				: stateLagOf(block.state, block.action, rows, Math.max(3, Math.ceil(MAX_LAG_S * expected.fps))),
		contentHash: contentHash(block, rows),
	};
}

function firstRowOfFrames(frameIndex: Float64Array, doubled: FrameCollector): Map<number, number> {
	const rows = new Map<number, number>();
	for (const [row, frame] of frameIndex.entries()) {
		if (!Number.isSafeInteger(frame) || frame < 0) continue;
		if (rows.has(frame)) doubled.add(frame);
		else rows.set(frame, row);
	}
	return rows;
}

/** A block's vectors in the order of `rows`. */
export function orderedVectors({ dim, values }: VectorBlock, rows: readonly number[]): VectorBlock {
	const ordered = new Float32Array(rows.length * dim);
	for (const [at, row] of rows.entries()) ordered.set(values.subarray(row * dim, (row + 1) * dim), at * dim);
	return { dim, values: ordered };
}

function orderedFacts(
	block: VectorBlock | null,
	rows: readonly number[],
	grippers: ReadonlySet<number>,
): VectorFacts | null {
	return block === null || rows.length === 0 ? null : vectorFacts(orderedVectors(block, rows), grippers);
}

function indexFacts(index: Float64Array | null): Pick<EpisodeFacts, "indexRange" | "brokenIndex"> {
	const brokenIndex = new FrameCollector();
	let low = Number.POSITIVE_INFINITY;
	let high = Number.NEGATIVE_INFINITY;
	for (const [row, value] of (index ?? []).entries()) {
		if (!Number.isFinite(value) || (row > 0 && value !== (index?.[row - 1] ?? 0) + 1)) brokenIndex.add(row);
		if (!Number.isFinite(value)) continue;
		low = Math.min(low, value);
		high = Math.max(high, value);
	}
	return { indexRange: high >= low ? [low, high] : null, brokenIndex };
}

function timingOf(
	{ frameIndex, timestamp }: EpisodeBlock,
	rows: readonly number[],
	{ fps, toleranceS }: RowExpectation,
): Timing {
	const off = new FrameCollector();
	let maxErrorS = 0;
	for (const row of rows) {
		const [frame = 0, time = Number.NaN] = [frameIndex[row], timestamp[row]];
		const error = Math.abs(time - frame / fps);
		// float32 keeps about 7 digits: allow its rounding on top for long episodes.
		if (!(error <= toleranceS + Math.abs(time) * 2 ** -23)) off.add(frame);
		maxErrorS = Math.max(maxErrorS, Number.isFinite(error) ? error : Number.POSITIVE_INFINITY);
	}
	const [first = 0, last = 0] = [rows[0], rows.at(-1)];
	const frames = (frameIndex[last] ?? 0) - (frameIndex[first] ?? 0);
	const seconds = (timestamp[last] ?? 0) - (timestamp[first] ?? 0);
	return { off, maxErrorS, measuredFps: frames > 0 && seconds > 0 ? frames / seconds : null };
}

function taskFacts(
	{ taskIndex, frameIndex }: EpisodeBlock,
	numTasks: number | null,
): Pick<EpisodeFacts, "taskIndices" | "badTask"> {
	const badTask = new FrameCollector();
	const taskIndices = new Set<number>();
	for (const [row, task] of taskIndex.entries()) {
		const isKnown = Number.isSafeInteger(task) && task >= 0 && (numTasks === null || task < numTasks);
		if (isKnown) taskIndices.add(task);
		else badTask.add(frameIndex[row] ?? row);
	}
	return { taskIndices, badTask };
}

function stateLagOf(
	state: VectorBlock | null,
	action: VectorBlock | null,
	rows: readonly number[],
	maxLag: number,
): LagSums | null {
	if (state === null || action === null || rows.length < 3 * maxLag) return null;
	const sums = lagSums(maxLag);
	for (let joint = 0; joint < Math.min(state.dim, action.dim); joint++) {
		const [moves, targets] = [velocity(state, rows, joint), velocity(action, rows, joint)];
		if (moves !== null && targets !== null) addSignals(sums, targets, moves);
	}
	return sums;
}

/** Steps of a joint divided by their root mean square; null for a joint at rest or with NaN. */
function velocity({ dim, values }: VectorBlock, rows: readonly number[], joint: number): Float64Array | null {
	const steps = new Float64Array(rows.length - 1);
	let power = 0;
	for (let at = 1; at < rows.length; at++) {
		const [row = 0, before = 0] = [rows[at], rows[at - 1]];
		const step = (values[row * dim + joint] ?? 0) - (values[before * dim + joint] ?? 0);
		steps[at - 1] = step;
		power += step * step;
	}
	const scale = Math.sqrt(power / steps.length);
	return scale > 1e-9 && Number.isFinite(scale) ? steps.map((step) => step / scale) : null;
}

function contentHash({ state, action }: EpisodeBlock, rows: readonly number[]): string {
	const parts = [state, action].map((block) => {
		if (block === null) return "";
		const { values } = orderedVectors(block, rows);
		return sha256Hex(new Uint8Array(values.buffer, values.byteOffset, values.byteLength));
	});
	return sha256Hex(parts.join());
}
