// Records demonstrations of the scripted expert as a LeRobotDataset v3.0.
import { createDatasetWriter, type VideoCodec, type WrittenDataset } from "@zk0/dataset";
import { type EpisodeOptions, generateEpisodes } from "./episodes.ts";
import { JOINT_NAMES } from "./joints.ts";
import { CAMERA_KEYS } from "./views.ts";
import { DEFAULT_IMAGE } from "./world.ts";

/** Options of a recording: which demonstrations, and how their pictures are stored. */
export interface RecordOptions extends EpisodeOptions {
	/** @default "av1" */
	readonly codec?: VideoCodec;
	/** Called after every episode with the number done, for progress displays. */
	readonly onEpisode?: (numDone: number) => void;
}

/**
 * Records into `dir`, which must not exist or be empty; the dataset appears there whole or not at all. The same
 * options give the same frames, states and actions.
 * @throws SimError `unknown-task`, `expert-failed`; DatasetError as `createDatasetWriter` does.
 * @example
 * await recordDataset("data/site-a", { tasks: ["reach-red", "reach-blue"], episodes: 12, seed: 0, domain: "site-a" });
 */
export async function recordDataset(dir: string, options: RecordOptions): Promise<WrittenDataset> {
	const { codec, onEpisode, signal } = options;
	const { height, width } = options.image ?? DEFAULT_IMAGE;
	await using writer = await createDatasetWriter(dir, {
		fps: options.fps ?? 10,
		robotType: "so100_follower",
		stateNames: JOINT_NAMES,
		actionNames: JOINT_NAMES,
		cameras: CAMERA_KEYS.map((key) => ({ key, height, width })),
		...(codec && { codec }),
		...(signal && { signal }),
	});
	let numDone = 0;
	for await (const episode of generateEpisodes(options)) {
		await writer.addEpisode(episode);
		numDone++;
		onEpisode?.(numDone);
	}
	return await writer.finish();
}
