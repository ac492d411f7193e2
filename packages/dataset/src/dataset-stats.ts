// Statistics of (some episodes of) a dataset on disk: computed from the rows, pictures from stored per-episode
// statistics or decoded again.
import type { LeRobotDataset } from "./dataset.ts";
import { DatasetError } from "./errors.ts";
import type { FrameReader } from "./frame-reader.ts";
import type { Rows } from "./rows.ts";
import {
	aggregateStats,
	collectImageStats,
	type FeatureStats,
	type Stats,
	sampledFrames,
	vectorStats,
} from "./stats.ts";

/** What to compute. */
export interface ComputeStatsOptions {
	/** Rows, when they are already read. */
	readonly rows?: Rows;
	/**
	 * Pictures: "skip" leaves the cameras out, "stored" joins the per-episode statistics on disk, a reader decodes
	 * the frames that LeRobot would sample. @default "skip" (SmolVLA does not normalise pictures)
	 */
	readonly images?: "skip" | "stored" | FrameReader;
	readonly signal?: AbortSignal;
}

/**
 * Statistics of `observation.state` and `action` (and pictures) over `episodes`: each episode's own, joined as
 * LeRobot joins them.
 * @throws DatasetError "no-episodes" for an empty list, "bad-stats" when stored statistics are asked for and
 *   missing, or as readRows and FrameReader.read; RangeError for an unknown episode.
 */
export async function computeStats(
	dataset: LeRobotDataset,
	episodes: readonly number[] = dataset.episodes.map(({ index }) => index),
	{ rows, images = "skip", signal }: ComputeStatsOptions = {},
): Promise<Stats> {
	if (episodes.length === 0) {
		throw new DatasetError("no-episodes", `${dataset.root}: statistics of no episode; choose at least one`, {
			file: dataset.root,
		});
	}
	const options = signal === undefined ? {} : { signal };
	const allRows = rows ?? (await dataset.readRows(options));
	const stored = images === "stored" ? await dataset.readEpisodeStats(options) : null;
	const parts: Stats[] = [];
	for (const index of episodes) {
		const vectors = rowStats(dataset, allRows, index);
		if (stored !== null) parts.push({ ...vectors, ...storedImageStats(dataset, index, stored.get(index)) });
		else if (typeof images === "object")
			parts.push({ ...vectors, ...(await imageStats(dataset, index, images, signal)) });
		else parts.push(vectors);
	}
	return aggregateStats(parts);
}

function rowStats(dataset: LeRobotDataset, rows: Rows, index: number): Stats {
	const episode = dataset.episodes[index];
	if (episode === undefined) {
		throw new RangeError(
			`computeStats: no episode ${index} in ${dataset.root} (${dataset.numEpisodes} episodes)`,
		);
	}
	const { fromIndex, toIndex } = episode;
	const stats: Record<string, FeatureStats> = {};
	const { actionDim, stateDim } = rows;
	if (actionDim > 0)
		stats["action"] = vectorStats(
			rows.action.subarray(fromIndex * actionDim, toIndex * actionDim),
			actionDim,
		);
	if (stateDim > 0) {
		stats["observation.state"] = vectorStats(
			rows.state.subarray(fromIndex * stateDim, toIndex * stateDim),
			stateDim,
		);
	}
	return stats;
}

function storedImageStats(dataset: LeRobotDataset, index: number, stored: Stats | undefined): Stats {
	return Object.fromEntries(
		dataset.cameraKeys.map((camera) => {
			const stats = stored?.[camera];
			if (stats === undefined) {
				throw new DatasetError(
					"bad-stats",
					`${dataset.root}: episode ${index} stores no statistics of ${camera}; compute them from the pictures`,
					{ file: dataset.root, episodeIndex: index, camera },
				);
			}
			return [camera, stats];
		}),
	);
}

async function imageStats(
	dataset: LeRobotDataset,
	episodeIndex: number,
	reader: FrameReader,
	signal: AbortSignal | undefined,
): Promise<Stats> {
	const stats: Record<string, FeatureStats> = {};
	for (const camera of dataset.cameraKeys) {
		stats[camera] = await episodeImageStats(dataset, { episodeIndex, camera }, reader, signal);
	}
	return stats;
}

/** Statistics of one camera's pictures in an episode, from the frames that LeRobot would sample. */
export async function episodeImageStats(
	dataset: LeRobotDataset,
	{ episodeIndex, camera }: { readonly episodeIndex: number; readonly camera: string },
	reader: FrameReader,
	signal: AbortSignal | undefined,
): Promise<FeatureStats> {
	const frames = sampledFrames(dataset.episodes[episodeIndex]?.length ?? 0);
	const collector = collectImageStats();
	for (let at = 0; at < frames.length; at += READ_AT_ONCE) {
		const requests = frames
			.slice(at, at + READ_AT_ONCE)
			.map((frameIndex) => ({ episodeIndex, frameIndex, camera }));
		for (const image of await reader.read(requests, signal === undefined ? {} : { signal }))
			collector.add(image);
	}
	return collector.finish();
}

/** Pictures held at once while measuring. */
const READ_AT_ONCE = 64;
