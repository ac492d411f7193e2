// Which frames of an episode to decode. By default a stretch of neighbours where the arm starts or stops (frozen pictures
// and lag show there) and a few frames spread over the whole, the last one among them (a video that ends early shows
// there). Short episodes, and all of them with `thorough`, are decoded whole.

/** Frames decoded of a dataset unless every one is asked for: at 700 frames/s some 15 s. */
export const FRAME_BUDGET = 10_000;
/** Frames of a stretch: at 30 fps 2.1 s, five times the longest lag looked for. */
const STRETCH = 64;
/** Frames spread over an episode besides. */
const SPREAD = 8;

/** Frames to decode of one episode. */
export interface FramePlan {
	/** Ascending. */
	readonly frames: readonly number[];
	/** Frames from `from` to before `to` are all in `frames`. */
	readonly from: number;
	readonly to: number;
}

/** What a plan is made from. */
export interface PlanRequest {
	readonly length: number;
	/** How far the arm moved since the frame before; null when unknown. */
	readonly speed: ArrayLike<number> | null;
	/** Frames that may be spent on this episode and camera. */
	readonly budget: number;
}

/** Frames that may be spent on each of `numVideos` episodes and cameras. */
export function budgetPerVideo(numVideos: number, thorough: boolean): number {
	if (thorough) return Number.POSITIVE_INFINITY;
	return Math.max(3, Math.min(STRETCH + SPREAD, Math.floor(FRAME_BUDGET / Math.max(1, numVideos))));
}

/** Plans one episode and camera. */
export function planFrames({ length, speed, budget }: PlanRequest): FramePlan {
	if (length <= budget) {
		return { frames: Array.from({ length }, (_, frame) => frame), from: 0, to: length };
	}
	const numSpread = Math.min(SPREAD, budget);
	const spread = Array.from({ length: numSpread }, (_, at) =>
		numSpread === 1 ? length - 1 : Math.round((at * (length - 1)) / (numSpread - 1)),
	);
	const size = budget - numSpread;
	const from = size < 3 ? 0 : liveliest(speed, length, size);
	const to = size < 3 ? 0 : from + size;
	const frames = new Set([...spread, ...Array.from({ length: to - from }, (_, at) => from + at)]);
	return { frames: [...frames].sort((a, b) => a - b), from, to };
}

/** Start of the stretch of `size` frames with the largest variance of speed: there is rest and motion. */
function liveliest(speed: ArrayLike<number> | null, length: number, size: number): number {
	let sum = 0;
	let squares = 0;
	let best = { start: 0, variance: -1 };
	for (let frame = 0; frame < length; frame++) {
		const [added, removed] = [speed?.[frame] ?? 0, frame >= size ? (speed?.[frame - size] ?? 0) : 0];
		sum += added - removed;
		squares += added * added - removed * removed;
		const variance = squares / size - (sum / size) ** 2;
		if (frame >= size - 1 && variance > best.variance) best = { start: frame - size + 1, variance };
	}
	return best.start;
}
