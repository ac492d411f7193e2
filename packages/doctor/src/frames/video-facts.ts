// What the pictures of one episode and camera show, frame by frame as they are decoded; holds two grids at a time.
import type { RgbImage } from "@zk0/dataset";
import { FrameCollector, type FrameList } from "../frame-list.ts";
import { addSignals, type LagSums, lagSums } from "../rows/correlation.ts";
import { compareGrids, type Grid, gridOf, isBlank, thumbnail } from "./picture.ts";
import type { FramePlan } from "./plan.ts";

/** A small picture for the report. */
export interface Thumbnail {
	readonly camera: string;
	readonly episode: number;
	readonly frame: number;
	readonly image: RgbImage;
}

/** Frames that could not be had, and why the first could not. */
export interface FailedFrames extends FrameList {
	readonly reason: string;
}

/** Facts of one episode and camera. */
export interface VideoFacts {
	readonly camera: string;
	readonly episodeIndex: number;
	readonly numDecoded: number;
	/** [height, width] of the first picture; null when none could be read. */
	readonly size: readonly [number, number] | null;
	readonly unreadable: FailedFrames;
	/** Frames whose time in the video is not that of the row. */
	readonly offTime: FailedFrames;
	readonly blank: FrameList;
	/** Frames that show what the frames before showed although the arm moved. */
	readonly frozen: FrameList;
	/** How far pictures run behind the arm; null without enough neighbours or motion. */
	readonly sync: LagSums | null;
	/** Share of the picture's edges that change while the arm moves; null when it does not move. */
	readonly changedShare: number | null;
	/** The first picture read. */
	readonly firstGrid: Grid | null;
	readonly thumbnails: readonly Thumbnail[];
}

/** What a collector knows besides the pictures. */
export interface VideoContext {
	readonly camera: string;
	readonly episodeIndex: number;
	readonly plan: FramePlan;
	/** [length] how far the arm moved since the frame before; null when unknown. */
	readonly speed: Float32Array | null;
	/** Sum of the joints' ranges over the dataset, in the unit of `speed`. */
	readonly armRange: number;
	readonly fps: number;
	/** Frame to keep a thumbnail of; null for none. */
	readonly portrait: number | null;
}

/** Cells of a frozen picture change less: decoding the same picture again differs by rounding. */
const FROZEN_LEVELS = 1;
/** Share of all joints' ranges that an arm covers before an unchanged picture counts as frozen. */
const FROZEN_MOTION = 0.06;
/** Time that the arm must move meanwhile: a picture that comes late stands still for less. */
const MIN_FROZEN_S = 0.4;
/** Share of all joints' ranges per frame that counts as moving. */
const MOVING_SPEED = 0.002;
const MAX_LAG_S = 0.4;
/** Share of the mean that counts as rest: below it, motion and noise cannot be told apart. */
const REST_SHARE = 0.05;

interface Run {
	readonly first: { readonly frame: number; readonly grid: Grid; readonly image: RgbImage };
	readonly frames: number[];
	motion: number;
	numMoving: number;
}

/** Collects the facts of one episode and camera; pictures come in the order of the plan. */
export class VideoCollector {
	readonly #context: VideoContext;
	readonly #blank = new FrameCollector();
	readonly #frozen = new FrameCollector();
	readonly #unreadable = { list: new FrameCollector(), reason: "" };
	readonly #offTime = { list: new FrameCollector(), reason: "" };
	readonly #thumbnails: Thumbnail[] = [];
	readonly #change: Float64Array;
	readonly #changed: { share: number; speed: number }[] = [];
	#size: readonly [number, number] | null = null;
	#firstGrid: Grid | null = null;
	#last: { readonly frame: number; readonly grid: Grid } | null = null;
	#run: Run | null = null;
	#numDecoded = 0;
	#hasGap = false;

	constructor(context: VideoContext) {
		this.#context = context;
		this.#change = new Float64Array(Math.max(0, context.plan.to - context.plan.from));
	}

	/** Frames that failed so far. */
	get numFailed(): number {
		return this.#unreadable.list.count + this.#offTime.list.count;
	}

	/** The next picture. */
	add(frame: number, image: RgbImage): void {
		const { plan, portrait, speed } = this.#context;
		this.#numDecoded++;
		this.#size ??= [image.height, image.width];
		const grid = gridOf(image);
		this.#firstGrid ??= grid;
		if (frame === portrait) this.#keep(frame, image);
		const last = this.#last;
		if (last !== null && last.frame === frame - 1 && frame >= plan.from && frame < plan.to) {
			const difference = compareGrids(grid, last.grid);
			this.#change[frame - plan.from] = difference.mean;
			const share = difference.changedShare;
			if (share !== null) this.#changed.push({ share, speed: speed?.[frame] ?? 0 });
		}
		if (isBlank(grid)) {
			if (this.#blank.count === 0) this.#keep(frame, image);
			this.#blank.add(frame);
			this.#endRun();
		} else this.#extendRun(frame, image, grid, last?.frame ?? frame);
		this.#last = { frame, grid };
	}

	/** A frame that could not be had. */
	fail(frame: number, kind: "unreadable" | "off-time", reason: string): void {
		const failed = kind === "unreadable" ? this.#unreadable : this.#offTime;
		if (failed.list.count === 0) failed.reason = reason;
		failed.list.add(frame);
		this.#hasGap = true;
		this.#endRun();
		this.#last = null;
	}

	/** The facts. */
	finish(): VideoFacts {
		this.#endRun();
		const { camera, episodeIndex } = this.#context;
		return {
			camera,
			episodeIndex,
			numDecoded: this.#numDecoded,
			size: this.#size,
			unreadable: failedFrames(this.#unreadable),
			offTime: failedFrames(this.#offTime),
			blank: this.#blank,
			frozen: this.#frozen,
			sync: this.#sync(),
			changedShare: this.#changedShare(),
			firstGrid: this.#firstGrid,
			thumbnails: this.#thumbnails,
		};
	}

	#keep(frame: number, image: RgbImage): void {
		const { camera, episodeIndex } = this.#context;
		this.#thumbnails.push({ camera, episode: episodeIndex, frame, image: thumbnail(image) });
	}

	#extendRun(frame: number, image: RgbImage, grid: Grid, before: number): void {
		const run = this.#run;
		if (run !== null && compareGrids(grid, run.first.grid).max < FROZEN_LEVELS) {
			run.frames.push(frame);
			for (let at = before + 1; at <= frame; at++) {
				const speed = this.#context.speed?.[at] ?? 0;
				run.motion += speed;
				if (speed > MOVING_SPEED * this.#context.armRange) run.numMoving++;
			}
			return;
		}
		this.#endRun();
		this.#run = { first: { frame, grid, image }, frames: [], motion: 0, numMoving: 0 };
	}

	#endRun(): void {
		const run = this.#run;
		this.#run = null;
		const { armRange, fps } = this.#context;
		if (run === null || armRange <= 0 || run.motion / armRange < FROZEN_MOTION) return;
		if (run.numMoving < Math.max(4, MIN_FROZEN_S * fps)) return;
		if (this.#frozen.count === 0) this.#keep(run.first.frame, run.first.image);
		for (const frame of run.frames) this.#frozen.add(frame);
	}

	#sync(): LagSums | null {
		const { plan, speed, fps } = this.#context;
		const maxLag = Math.max(4, Math.min(12, Math.round(MAX_LAG_S * fps)));
		// The first frame of a stretch has no frame before it.
		const length = plan.to - plan.from - 1;
		if (speed === null || this.#hasGap || length < 4 * maxLag) return null;
		const motion = logarithms(smooth(speed.subarray(plan.from + 1, plan.to)));
		const change = logarithms(smooth(this.#change.subarray(1)));
		const sums = lagSums(maxLag);
		addSignals(sums, motion, change);
		return sums;
	}

	#changedShare(): number | null {
		const moving = this.#changed.filter(({ speed }) => speed > 0).sort((a, b) => b.speed - a.speed);
		const busy = moving.slice(0, Math.ceil(moving.length / 2));
		return busy.length < 3 ? null : busy.reduce((sum, { share }) => sum + share, 0) / busy.length;
	}
}

function failedFrames({ list, reason }: { readonly list: FrameList; readonly reason: string }): FailedFrames {
	return { count: list.count, frames: list.frames, reason };
}

/** Mean of each value and its neighbours: key frames and the frames between are compressed differently. */
function smooth(values: Float32Array | Float64Array): Float64Array {
	return Float64Array.from(values, (value, at) => {
		const [before = value, after = value] = [values[at - 1], values[at + 1]];
		return (before + value + after) / 3;
	});
}

/**
 * Logarithms above rest: that the arm starts and stops shows in any picture, while how much a picture changes per
 * degree depends on what the camera sees. (On recordings of the simulator at the right lag: 0.84 to 0.94 against 0.53
 * to 0.89 for plain values.)
 */
function logarithms(values: Float64Array): Float64Array {
	const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
	return values.map((value) => (mean > 0 ? Math.log(value / mean + REST_SHARE) : 0));
}
