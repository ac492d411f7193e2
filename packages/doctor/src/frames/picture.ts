// A picture reduced to a small grid of grey levels: enough to tell black, frozen and moving pictures apart.
import type { RgbImage } from "@zk0/dataset";

/** Cells of the grid. */
const COLUMNS = 32;
const ROWS = 24;
/** Pixels read of a cell, per axis. */
const SAMPLES = 4;

/** Grey levels 0..255 of the cells, row by row. */
export type Grid = Float32Array;

/** The grid of a picture (ITU-R BT.601 luma). */
export function gridOf({ height, width, rgb }: RgbImage): Grid {
	const grid = new Float32Array(COLUMNS * ROWS);
	for (let row = 0; row < ROWS; row++) {
		for (let column = 0; column < COLUMNS; column++) {
			let sum = 0;
			for (let sample = 0; sample < SAMPLES * SAMPLES; sample++) {
				const y = (row + (Math.floor(sample / SAMPLES) + 0.5) / SAMPLES) / ROWS;
				const x = (column + ((sample % SAMPLES) + 0.5) / SAMPLES) / COLUMNS;
				const at = (Math.floor(y * height) * width + Math.floor(x * width)) * 3;
				sum += 0.299 * (rgb[at] ?? 0) + 0.587 * (rgb[at + 1] ?? 0) + 0.114 * (rgb[at + 2] ?? 0);
			}
			grid[row * COLUMNS + column] = sum / (SAMPLES * SAMPLES);
		}
	}
	return grid;
}

/** How two grids differ. */
export interface GridDifference {
	/** Mean and largest absolute difference over the cells, levels. */
	readonly mean: number;
	readonly max: number;
	/**
	 * Share of the cells at an edge of the picture's content that differ by more than noise and compression do: an even
	 * wall looks the same wherever the camera moves. Null when the picture has hardly any edges.
	 */
	readonly changedShare: number | null;
}

/** Cells change less than this by camera noise and compression. */
const NOISE_LEVELS = 3;
/** A cell that differs from the next one by this is at an edge. */
const EDGE_LEVELS = 10;
const MIN_EDGE_CELLS = 12;

/** Compares two grids. */
export function compareGrids(a: Grid, b: Grid): GridDifference {
	let sum = 0;
	let max = 0;
	let numEdges = 0;
	let changed = 0;
	for (const [cell, level] of a.entries()) {
		const difference = Math.abs(level - (b[cell] ?? 0));
		sum += difference;
		max = Math.max(max, difference);
		const right = (cell + 1) % COLUMNS === 0 ? level : (a[cell + 1] ?? level);
		const below = a[cell + COLUMNS] ?? level;
		if (Math.max(Math.abs(level - right), Math.abs(level - below)) < EDGE_LEVELS) continue;
		numEdges++;
		if (difference > NOISE_LEVELS) changed++;
	}
	return { mean: sum / a.length, max, changedShare: numEdges < MIN_EDGE_CELLS ? null : changed / numEdges };
}

/** True for a picture without content: dark all over, or of one level. */
export function isBlank(grid: Grid): boolean {
	let min = 255;
	let max = 0;
	for (const level of grid) {
		min = Math.min(min, level);
		max = Math.max(max, level);
	}
	// Video black is 16 of 255 in limited range; a covered lens adds noise.
	return max < 24 || max - min < 2;
}

/** Widest thumbnail, pixels. */
const THUMBNAIL_WIDTH = 160;

/** A smaller copy of a picture, every n-th pixel. */
export function thumbnail({ height, width, rgb }: RgbImage): RgbImage {
	const step = Math.max(1, Math.ceil(width / THUMBNAIL_WIDTH));
	const [h, w] = [Math.floor(height / step), Math.floor(width / step)];
	const small = new Uint8Array(h * w * 3);
	for (let row = 0; row < h; row++) {
		for (let column = 0; column < w; column++) {
			const at = (row * step * width + column * step) * 3;
			small.set(rgb.subarray(at, at + 3), (row * w + column) * 3);
		}
	}
	return { height: h, width: w, rgb: small };
}
