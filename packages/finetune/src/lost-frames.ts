// Frames whose decoding crashes again and again: training goes on without them. What takes a lost frame's place is a
// function of the lost ones alone, and a frame is found out the first time it is asked for, so that batches do not
// depend on timing.
import { DatasetError } from "@zk0/dataset";
import { FinetuneError } from "./errors.ts";
import type { SiteData } from "./site-data.ts";

/** A frame that was given up. */
export interface LostFrame {
	readonly site: string;
	/** By its number on disk. */
	readonly episodeIndex: number;
	readonly frameIndex: number;
	/** Dataset camera key. */
	readonly camera: string;
	/** What happened, and the cure. */
	readonly reason: string;
}

/** The lost frames of a site. */
export interface LostFrames {
	/** Every frame that was given up, in the order of discovery. */
	readonly frames: readonly LostFrame[];
	/** True for a row whose frame was given up. */
	has(item: number): boolean;
	/** `item`, or the next row of `pool` (ascending, then from its start) that is not lost. @throws FinetuneError "no-train-episodes" */
	replace(item: number, pool: Uint32Array): number;
	/** Runs `read` again until it meets no frame that is lost; other failures are thrown on. */
	without<T>(read: () => Promise<T>): Promise<T>;
}

/** No lost frames yet; `onLost` is told of each once. */
export function createLostFrames(
	{ name, dataset }: Pick<SiteData, "name" | "dataset">,
	onLost: (frame: LostFrame) => void = () => undefined,
): LostFrames {
	const items = new Set<number>();
	const frames: LostFrame[] = [];
	const lose = (error: unknown): boolean => {
		if (!(error instanceof DatasetError) || error.code !== "frame-quarantined") return false;
		const { episodeIndex = -1, frameIndex = 0, camera = "", message: reason } = error;
		const episode = dataset.episodes[episodeIndex];
		if (episode === undefined) return false;
		const item = episode.fromIndex + frameIndex;
		// One that was to be left out already: going on would not end.
		if (items.has(item)) return false;
		items.add(item);
		const frame = { site: name, episodeIndex: episode.recordedIndex, frameIndex, camera, reason };
		frames.push(frame);
		onLost(frame);
		return true;
	};
	return {
		frames,
		has: (item) => items.has(item),
		replace(item, pool) {
			if (!items.has(item)) return item;
			const from = pool.indexOf(item);
			for (let step = 1; step < pool.length; step++) {
				const next = pool[(from + step) % pool.length];
				if (next !== undefined && !items.has(next)) return next;
			}
			throw new FinetuneError(
				"no-train-episodes",
				`${dataset.root}: every frame to train on crashes the video decoder; record again, or encode the videos again (zk0 data reencode)`,
				{ site: name },
			);
		},
		async without(read) {
			for (;;) {
				try {
					return await read();
				} catch (error) {
					if (!lose(error)) throw error;
				}
			}
		},
	};
}
