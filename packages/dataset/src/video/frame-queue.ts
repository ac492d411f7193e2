// Frames waiting to be decoded, cut into runs: neighbours in one file are decoded in one go. Pure bookkeeping.
import type { DatasetError } from "../errors.ts";
import type { RgbImage } from "../image.ts";
import { MAX_RUN_FRAMES } from "./frame-slots.ts";

/** Frames of one video closer than this (seconds) go into one run: decoding on is cheaper than seeking. */
const MAX_GAP_S = 0.25;

/** A frame that somebody waits for. */
export interface PendingFrame {
	readonly path: string;
	/** Column of pictures in a parquet file; null for a video. */
	readonly column: string | null;
	/** Seconds in the video, or row of the parquet file. */
	readonly place: number;
	readonly episodeIndex: number;
	readonly frameIndex: number;
	readonly camera: string;
	/** Crashes of a decoder process while this frame was next. */
	crashes: number;
	settle(result: RgbImage | DatasetError): void;
}

/** Frames of one video or column in order of place. */
export type Run = readonly PendingFrame[];

/** Cuts frames into runs; the order of `frames` does not matter. */
export function cutRuns(frames: readonly PendingFrame[]): Run[] {
	const bySource = new Map<string, PendingFrame[]>();
	for (const frame of frames) {
		const source = frame.column === null ? frame.path : `${frame.path}\0${frame.column}`;
		const list = bySource.get(source);
		if (list === undefined) bySource.set(source, [frame]);
		else list.push(frame);
	}
	const runs: PendingFrame[][] = [];
	for (const list of bySource.values()) {
		let run: PendingFrame[] = [];
		for (const frame of list.sort((a, b) => a.place - b.place)) {
			const last = run.at(-1);
			const isGap = last !== undefined && frame.column === null && frame.place - last.place > MAX_GAP_S;
			if (isGap || run.length >= MAX_RUN_FRAMES) {
				runs.push(run);
				run = [];
			}
			run.push(frame);
		}
		if (run.length > 0) runs.push(run);
	}
	return runs;
}

/** Takes the best run for a process that last worked on `path`: one of the same file, else the oldest. */
export function takeRun(queue: Run[], path: string | null): Run | undefined {
	const same = queue.findIndex((run) => run[0]?.path === path);
	const [run] = queue.splice(Math.max(0, same), 1);
	return run;
}
