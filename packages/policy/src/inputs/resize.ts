// resize_with_pad of SmolVLA (spec §3): bilinear without antialiasing, aspect ratio kept, zeros on the left and
// the top, then [0,1] -> [-1,1] (so padding becomes -1). Float32 steps as in torch's `interpolate`
// (align_corners=False): source = (target + 0.5) * in/out - 0.5, clamped at 0.
import { PolicyError } from "../errors.ts";
import type { PolicyImage } from "./frame.ts";

const CHANNELS = 3;

/** Height and width in pixels. */
export interface ImageSize {
	readonly height: number;
	readonly width: number;
}

interface Taps {
	readonly low: Int32Array;
	readonly high: Int32Array;
	/** Weight of the high tap. */
	readonly weight: Float32Array;
}

function bilinearTaps(sourceSize: number, targetSize: number): Taps {
	const low = new Int32Array(targetSize);
	const high = new Int32Array(targetSize);
	const weight = new Float32Array(targetSize);
	const scale = Math.fround(sourceSize / targetSize);
	for (let target = 0; target < targetSize; target++) {
		const source = Math.max(0, Math.fround(Math.fround(scale * (target + 0.5)) - 0.5));
		const index = Math.min(Math.floor(source), sourceSize - 1);
		low[target] = index;
		high[target] = Math.min(index + 1, sourceSize - 1);
		weight[target] = source - index;
	}
	return { low, high, weight };
}

function planesOf(image: PolicyImage): Float32Array {
	const numPixels = image.height * image.width;
	const given = "planes" in image ? image.planes : image.rgb;
	if (given.length !== CHANNELS * numPixels || numPixels === 0) {
		throw new PolicyError(
			"bad-frame",
			`an image of ${image.height}x${image.width} needs ${CHANNELS * numPixels} values, it has ${given.length}`,
		);
	}
	if ("planes" in image) return image.planes;
	const planes = new Float32Array(CHANNELS * numPixels);
	for (let pixel = 0; pixel < numPixels; pixel++) {
		for (let channel = 0; channel < CHANNELS; channel++) {
			planes[channel * numPixels + pixel] = (image.rgb[pixel * CHANNELS + channel] ?? 0) / 255;
		}
	}
	return planes;
}

function toSigned(value: number): number {
	return Math.fround(value * 2) - 1;
}

/** Size of the picture inside the padded target. @throws PolicyError bad-frame when nothing would be left of it */
function fittedSize(source: ImageSize, target: ImageSize): ImageSize {
	if (source.height === target.height && source.width === target.width) return target;
	const ratio = Math.max(source.width / target.width, source.height / target.height);
	const fitted = { height: Math.trunc(source.height / ratio), width: Math.trunc(source.width / ratio) };
	if (fitted.height < 1 || fitted.width < 1) {
		throw new PolicyError(
			"bad-frame",
			`an image of ${source.height}x${source.width} vanishes when fitted into ${target.height}x${target.width}`,
		);
	}
	return fitted;
}

/**
 * Writes `image` into `out` (length 3*height*width) as planes of `size`, values in [-1, 1].
 * @throws PolicyError bad-frame when the image's data do not have its size
 */
export function resizeWithPad(image: PolicyImage, size: ImageSize, out: Float32Array): void {
	const planes = planesOf(image);
	const { height, width } = size;
	const fitted = fittedSize(image, size);
	if (fitted.height === image.height && fitted.width === image.width && fitted === size) {
		for (let index = 0; index < planes.length; index++) out[index] = toSigned(planes[index] ?? 0);
		return;
	}
	out.fill(-1);
	const rows = bilinearTaps(image.height, fitted.height);
	const columns = bilinearTaps(image.width, fitted.width);
	const top = height - fitted.height;
	const left = width - fitted.width;
	for (let channel = 0; channel < CHANNELS; channel++) {
		const plane = planes.subarray(channel * image.height * image.width);
		for (let row = 0; row < fitted.height; row++) {
			const upper = (rows.low[row] ?? 0) * image.width;
			const lower = (rows.high[row] ?? 0) * image.width;
			const down = rows.weight[row] ?? 0;
			const target = (channel * height + top + row) * width + left;
			for (let column = 0; column < fitted.width; column++) {
				const low = columns.low[column] ?? 0;
				const high = columns.high[column] ?? 0;
				const right = columns.weight[column] ?? 0;
				const above = (1 - right) * (plane[upper + low] ?? 0) + right * (plane[upper + high] ?? 0);
				const below = (1 - right) * (plane[lower + low] ?? 0) + right * (plane[lower + high] ?? 0);
				out[target + column] = toSigned(Math.fround((1 - down) * above + down * below));
			}
		}
	}
}
