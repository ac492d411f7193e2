// Where the picture of a frame is: its time in a video, or its row in a data file.
import type { LeRobotDataset } from "./dataset.ts";
import type { FrameRequest } from "./frame-reader.ts";

/** The place of a picture. */
export interface FramePlace {
	/** Absolute path of the video or data file. */
	readonly path: string;
	/** Column of pictures in a data file; null for a video. */
	readonly column: string | null;
	/** Seconds in the video, or row of the data file. */
	readonly place: number;
}

/** The places of a dataset's pictures; the function throws RangeError for a frame that the dataset does not have. */
export function framePlaces(dataset: LeRobotDataset): (request: FrameRequest) => FramePlace {
	return ({ episodeIndex, frameIndex, camera }) => {
		const episode = dataset.episodes[episodeIndex];
		const segment = episode?.videos.get(camera);
		const isPicture = dataset.features[camera]?.dtype === "image";
		const isFrame =
			Number.isSafeInteger(frameIndex) && frameIndex >= 0 && frameIndex < (episode?.length ?? 0);
		if (episode === undefined || (segment === undefined && !isPicture) || !isFrame) {
			throw new RangeError(
				`frame reader: ${dataset.root} has no episode ${episodeIndex} frame ${frameIndex} of camera "${camera}" ` +
					`(${dataset.numEpisodes} episodes, ${episode?.length ?? 0} frames in this one, cameras ${dataset.cameraKeys.join(", ")})`,
			);
		}
		if (segment !== undefined) {
			return { path: segment.path, column: null, place: segment.fromTimestamp + frameIndex / dataset.fps };
		}
		return { path: episode.dataPath, column: camera, place: episode.fileRow + frameIndex };
	};
}
