// Metadata of LeRobotDataset v2.0 and v2.1: meta/tasks.jsonl, meta/episodes.jsonl, and one parquet file and one mp4
// per camera for each episode. Statistics are in meta/episodes_stats.jsonl (v2.1) or meta/stats.json (v2.0); those
// of v2.0 do not say over how many frames they are, so they are left for `computeStats` to compute.
import { join } from "node:path";
import { z } from "zod";
import { DatasetError } from "./errors.ts";
import { type DatasetInfo, fillPath } from "./info.ts";
import { readJsonLines } from "./jsonl.ts";
import { type DatasetLayout, type RecordedEpisode, readOptionalJson } from "./layout.ts";
import { aggregateStats, type Stats } from "./stats.ts";
import { parseStats } from "./stats-json.ts";

const DATA_PATH_V2 = "data/chunk-{episode_chunk:03d}/episode_{episode_index:06d}.parquet";
const VIDEO_PATH_V2 = "videos/chunk-{episode_chunk:03d}/{video_key}/episode_{episode_index:06d}.mp4";

const index = z.number().int().nonnegative();
const taskSchema = z.object({ task_index: index, task: z.string() });
const episodeSchema = z.object({
	episode_index: index,
	length: z.number().int().positive(),
	tasks: z.union([z.array(z.string()), z.string().transform((task) => [task])]).default([]),
});
const episodeStatsSchema = z.object({ episode_index: index, stats: z.record(z.string(), z.unknown()) });

/** Reads v2.0 and v2.1 datasets. */
export const layoutV2: DatasetLayout = {
	versions: ["v2.0", "v2.1"],
	dataPath: DATA_PATH_V2,
	videoPath: VIDEO_PATH_V2,
	// Merged datasets kept the `index` of their parts; here the file says which episode a row belongs to.
	hasGlobalIndex: false,
	readTasks,
	readEpisodes,
	readEpisodeStats,
	readStats,
};

async function readTasks(root: string, signal?: AbortSignal): Promise<string[]> {
	const path = join(root, "meta/tasks.jsonl");
	const entries = await readJsonLines(
		path,
		{ schema: taskSchema, keyOf: ({ task_index: taskIndex }) => taskIndex },
		signal,
	);
	if (entries === null) throw missingTable(path);
	const tasks = [...entries.values()].map(({ task }) => task);
	const last = [...entries.keys()].at(-1);
	if (last !== undefined && last !== tasks.length - 1) {
		throw new DatasetError(
			"bad-metadata",
			`${path}: the highest task_index is ${last} but there are ${tasks.length} tasks; number them from 0 without gaps`,
			{ file: path },
		);
	}
	return tasks;
}

async function readEpisodes(
	root: string,
	info: DatasetInfo,
	signal?: AbortSignal,
): Promise<RecordedEpisode[]> {
	const path = join(root, "meta/episodes.jsonl");
	const entries = await readJsonLines(
		path,
		{ schema: episodeSchema, keyOf: ({ episode_index: episodeIndex }) => episodeIndex },
		signal,
	);
	if (entries === null) throw missingTable(path);
	const cameras = Object.keys(info.features).filter((key) => info.features[key]?.dtype === "video");
	let fromIndex = 0;
	return [...entries].map(([episodeIndex, { length, tasks }]) => {
		const place = {
			episode_index: episodeIndex,
			episode_chunk: Math.floor(episodeIndex / info.chunks_size),
		};
		const start = fromIndex;
		fromIndex += length;
		return {
			index: episodeIndex,
			length,
			tasks,
			fromIndex: start,
			toIndex: fromIndex,
			dataPath: join(root, fillPath(info.data_path, place)),
			videos: new Map(
				cameras.map((camera) => [
					camera,
					{
						path: join(root, fillPath(info.video_path ?? VIDEO_PATH_V2, { ...place, video_key: camera })),
						fromTimestamp: 0,
						toTimestamp: length / info.fps,
					},
				]),
			),
		};
	});
}

function missingTable(path: string): DatasetError {
	return new DatasetError("missing-file", `${path} does not exist; download or copy the dataset again`, {
		file: path,
	});
}

async function readEpisodeStats(root: string, signal?: AbortSignal): Promise<ReadonlyMap<number, Stats>> {
	const path = join(root, "meta/episodes_stats.jsonl");
	const entries = await readJsonLines(
		path,
		{ schema: episodeStatsSchema, keyOf: ({ episode_index: episodeIndex }) => episodeIndex },
		signal,
	);
	return new Map(
		[...(entries ?? [])].map(([episodeIndex, { stats }]) => [episodeIndex, parseStats(stats, path)]),
	);
}

/** The episodes' statistics joined, when every one of the `numEpisodes` has them. */
async function readStats(root: string, info: DatasetInfo, signal?: AbortSignal): Promise<Stats | null> {
	const episodes = [...(await readEpisodeStats(root, signal)).values()];
	if (episodes.length > 0 && episodes.length === info.total_episodes) {
		return joinStats(episodes, join(root, "meta/episodes_stats.jsonl"));
	}
	const path = join(root, "meta/stats.json");
	const document = await readOptionalJson(path, signal);
	const counted = z.record(z.string(), z.object({ count: z.unknown() })).safeParse(document);
	const hasCounts = counted.success && Object.values(counted.data).every(({ count }) => count !== undefined);
	return hasCounts ? parseStats(document, path) : null;
}

/** Joins the features that every episode has. @throws DatasetError "bad-stats" when their sizes differ. */
function joinStats(episodes: readonly Stats[], file: string): Stats {
	const [first = {}] = episodes;
	const features = Object.keys(first).filter((name) => episodes.every((stats) => stats[name] !== undefined));
	for (const name of features) {
		const size = first[name]?.mean.length;
		const episodeIndex = episodes.findIndex((stats) => {
			const { mean = [], count = 0 } = stats[name] ?? {};
			return mean.length !== size || count < 1;
		});
		if (episodeIndex >= 0) {
			throw new DatasetError(
				"bad-stats",
				`${file}: statistics of ${name} in episode ${episodeIndex} have another size than those of episode 0, or no count; remove the file to have them computed`,
				{ file, episodeIndex },
			);
		}
	}
	return aggregateStats(
		episodes.map((stats) =>
			Object.fromEntries(Object.entries(stats).filter(([name]) => features.includes(name))),
		),
	);
}
