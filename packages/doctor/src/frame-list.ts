// Lists that count everything and keep the first few: a broken dataset must not fill memory with its defects.

/** Frames kept of a defect that many frames have. */
const MAX_KEPT = 20;

/** How many frames are concerned, and the first of them in ascending order. */
export interface FrameList {
	readonly count: number;
	readonly frames: readonly number[];
}

/** A list being filled. */
export class FrameCollector implements FrameList {
	readonly frames: number[] = [];
	count = 0;

	/** Adds one frame. */
	add(frame: number): void {
		this.count++;
		if (this.frames.length < MAX_KEPT) this.frames.push(frame);
	}
}
