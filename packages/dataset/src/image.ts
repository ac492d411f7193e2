// Decoded pictures as plain typed arrays.

/** One RGB picture; `rgb` is [height, width, 3] uint8, rows top to bottom, not padded. */
export interface RgbImage {
	readonly height: number;
	readonly width: number;
	readonly rgb: Uint8Array;
}

/**
 * Wraps `rgb` (not copied) as a picture.
 * @throws RangeError when the length is not height*width*3.
 */
export function rgbImage(height: number, width: number, rgb: Uint8Array): RgbImage {
	if (rgb.length !== height * width * 3) {
		throw new RangeError(`rgbImage: ${rgb.length} bytes do not fill [${height},${width},3]`);
	}
	return { height, width, rgb };
}
