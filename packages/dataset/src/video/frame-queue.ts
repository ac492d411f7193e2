// Frames waiting to be decoded, cut into runs: neighbours in one file are decoded in one go. Pure bookkeeping.
import type { DatasetError } from "../errors.ts";
import type { RgbImage } from "../image.ts";
import { MAX_RUN_FRAMES } from "./frame-slots.ts";

/** Frames of one file closer than this (seconds) go into one run: decoding on is cheaper than seeking. */
const MAX_GAP_S = 0.25;

/** A frame that somebody waits for. */
export interface PendingFrame {
	readonly path: string;
	readonly timeS: number;
	readonly episodeIndex: number;
	readonly frameIndex: number;
	readonly camera: string;
	/** Crashes of a decoder process while this frame was next. */
	crashes: number;
	settle(result: RgbImage | DatasetError): void;
}

/** Frames of one file in order of time. */
export type Run = readonly PendingFrame[];

/** Cuts frames into runs; the order of `frames` does not matter. */
export function cutRuns(frames: readonly PendingFrame[]): Run[] {
	const byPath = new Map<string, PendingFrame[]>();
	for (const frame of frames) {
		const list = byPath.get(frame.path);
		if (list === undefined) byPath.set(frame.path, [frame]);
		else list.push(frame);
	}
	const runs: PendingFrame[][] = [];
	for (const list of byPath.values()) {
		let run: PendingFrame[] = [];
		for (const frame of list.sort((a, b) => a.timeS - b.timeS)) {
			const last = run.at(-1);
			if (last !== undefined && (frame.timeS - last.timeS > MAX_GAP_S || run.length >= MAX_RUN_FRAMES)) {
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
