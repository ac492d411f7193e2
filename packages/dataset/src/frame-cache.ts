// Decoded pictures kept up to a byte budget, least recently used dropped first.
import type { RgbImage } from "./image.ts";

/** A cache of pictures by key. */
export interface FrameCache {
	get(key: string): RgbImage | undefined;
	set(key: string, image: RgbImage): void;
	readonly sizeBytes: number;
}

/** An empty cache; pictures larger than the budget are not kept. */
export function createFrameCache(budgetBytes: number): FrameCache {
	const images = new Map<string, RgbImage>();
	let sizeBytes = 0;
	const drop = (key: string): void => {
		sizeBytes -= images.get(key)?.rgb.byteLength ?? 0;
		images.delete(key);
	};
	return {
		get(key) {
			const image = images.get(key);
			if (image !== undefined) {
				images.delete(key);
				images.set(key, image);
			}
			return image;
		},
		set(key, image) {
			drop(key);
			if (image.rgb.byteLength > budgetBytes) return;
			images.set(key, image);
			sizeBytes += image.rgb.byteLength;
			for (const oldest of images.keys()) {
				if (sizeBytes <= budgetBytes) break;
				drop(oldest);
			}
		},
		get sizeBytes() {
			return sizeBytes;
		},
	};
}
