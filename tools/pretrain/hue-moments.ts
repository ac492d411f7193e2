// What a patch of a picture holds, hue by hue, computed from its pixels: a target that every image token can be
// asked for without any labels.

/** Hues in degrees, see {@link HUE_NAMES}. */
const HUES = [0, 30, 55, 120, 220, 285];

/** Names of the hues that {@link hueMoments} tells apart, in its order. */
export const HUE_NAMES: readonly string[] = ["red", "orange", "yellow", "green", "blue", "purple"];

/** Numbers per token: amount, and amount times horizontal and vertical offset, for each hue. */
export const NUM_MOMENTS: number = 3 * HUES.length;

/** Scale of the amounts: a cube that fills a twentieth of a token's part gives about one. */
const GAIN = 20;

/**
 * Moments of each of `tokensPerSide`^2 equal parts of a square picture, `[tokens, NUM_MOMENTS]`; offsets run from
 * -1 to 1 within a part.
 */
export function hueMoments(
	{ rgb, width: side }: { readonly rgb: Uint8Array; readonly width: number },
	tokensPerSide: number,
): Float32Array {
	const region = side / tokensPerSide;
	const moments = new Float32Array(tokensPerSide ** 2 * NUM_MOMENTS);
	for (let row = 0; row < side; row++) {
		for (let column = 0; column < side; column++) {
			const at = 3 * (row * side + column);
			const [red = 0, green = 0, blue = 0] = [rgb[at], rgb[at + 1], rgb[at + 2]];
			const across = (red - (green + blue) / 2) / 255;
			const up = ((Math.sqrt(3) / 2) * (green - blue)) / 255;
			const hueDeg = (Math.atan2(up, across) * 180) / Math.PI;
			const token = Math.floor(row / region) * tokensPerSide + Math.floor(column / region);
			const dx = ((column % region) + 0.5) / (region / 2) - 1;
			const dy = ((row % region) + 0.5) / (region / 2) - 1;
			for (const [index, anchorDeg] of HUES.entries()) {
				const apartDeg = Math.abs(((hueDeg - anchorDeg + 540) % 360) - 180);
				const amount = (GAIN * Math.hypot(across, up) * Math.max(0, 1 - apartDeg / 30)) / region ** 2;
				const base = token * NUM_MOMENTS + 3 * index;
				moments[base] = (moments[base] ?? 0) + amount;
				moments[base + 1] = (moments[base + 1] ?? 0) + amount * dx;
				moments[base + 2] = (moments[base + 2] ?? 0) + amount * dy;
			}
		}
	}
	return moments;
}
