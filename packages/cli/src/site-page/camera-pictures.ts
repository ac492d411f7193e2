// One picture of each camera of a dataset, small: from the middle of its first episode, where the arm is at work.
import type { cameraPicturesSchema } from "@zk0/dashboard/views";
import { createFrameReader, type LeRobotDataset, type RgbImage, rgbImage } from "@zk0/dataset";
import { pngBase64 } from "@zk0/records/report";
import type { z } from "zod";

const MAX_WIDTH = 320;

/** One picture of each camera. @throws DatasetError for a frame that cannot be decoded */
export async function cameraPictures(
	dataset: LeRobotDataset,
	signal: AbortSignal,
): Promise<z.infer<typeof cameraPicturesSchema>> {
	const [episode] = dataset.episodes;
	if (episode === undefined) return { pictures: [] };
	const frameIndex = Math.floor((episode.toIndex - episode.fromIndex) / 2);
	await using reader = createFrameReader(dataset, { processes: 1 });
	const images = await reader.read(
		dataset.cameraKeys.map((camera) => ({ episodeIndex: episode.index, frameIndex, camera })),
		{ signal },
	);
	return {
		pictures: images.map((image, index) => {
			const small = shrink(image);
			const { width, height } = small;
			return { camera: dataset.cameraKeys[index] ?? "", width, height, png: pngBase64(small) };
		}),
	};
}

/** Means over squares of whole pixels, at most MAX_WIDTH wide. */
function shrink(image: RgbImage): RgbImage {
	const factor = Math.ceil(image.width / MAX_WIDTH);
	if (factor <= 1) return image;
	const [width, height] = [Math.floor(image.width / factor), Math.floor(image.height / factor)];
	const rgb = new Uint8Array(width * height * 3);
	for (let y = 0; y < height; y++)
		for (let x = 0; x < width; x++)
			for (let channel = 0; channel < 3; channel++) {
				let sum = 0;
				for (let dy = 0; dy < factor; dy++)
					for (let dx = 0; dx < factor; dx++)
						sum += image.rgb[((y * factor + dy) * image.width + x * factor + dx) * 3 + channel] ?? 0;
				rgb[(y * width + x) * 3 + channel] = Math.round(sum / factor ** 2);
			}
	return rgbImage(height, width, rgb);
}
