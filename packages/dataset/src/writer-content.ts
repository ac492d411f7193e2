// What goes into a new dataset's files: the data rows of an episode with their statistics, and info.json.
import { DATA_PATH, type DEFAULT_LIMITS, type Feature, VIDEO_PATH } from "./info.ts";
import { type FeatureStats, vectorStats } from "./stats.ts";
import type { DatasetWriterOptions, EpisodeInput } from "./writer.ts";

/** Where an episode stands in the dataset. */
export interface EpisodePlace {
	readonly episodeIndex: number;
	/** Global index of its first row. */
	readonly fromIndex: number;
	readonly length: number;
	/** Sentences by task index, among them the episode's. */
	readonly tasks: readonly string[];
	readonly fps: number;
}

/** The columns of an episode's rows by feature key, and their statistics. */
export function episodeRows(
	{ states, actions, task, columns = {} }: EpisodeInput,
	{ episodeIndex, fromIndex, length, tasks, fps }: EpisodePlace,
	extraFeatures: Readonly<Record<string, Feature>>,
): { rows: Record<string, readonly unknown[]>; stats: Record<string, FeatureStats> } {
	const rows: Record<string, readonly unknown[]> = {};
	const stats: Record<string, FeatureStats> = {};
	for (const [key, values] of Object.entries({ action: actions, "observation.state": states })) {
		const dim = values.length / length;
		const vectors = Array.from({ length }, (_, frame) => [
			...values.subarray(frame * dim, (frame + 1) * dim),
		]);
		rows[key] = dim === 1 ? vectors.flat() : vectors;
		stats[key] = vectorStats(values, dim);
	}
	for (const [key, { dtype, shape }] of Object.entries(extraFeatures)) {
		const values = columns[key] ?? [];
		rows[key] = values;
		// LeRobot has no statistics of texts.
		if (dtype !== "string") stats[key] = vectorStats(values.flat().map(Number), shape[0] ?? 1);
	}
	const scalars: Record<string, (frame: number) => number> = {
		timestamp: (frame) => Math.fround(frame / fps),
		frame_index: (frame) => frame,
		episode_index: () => episodeIndex,
		index: (frame) => fromIndex + frame,
		task_index: (frame) => tasks.indexOf(typeof task === "string" ? task : (task[frame] ?? "")),
	};
	for (const [key, value] of Object.entries(scalars)) {
		const values = Array.from({ length }, (_, frame) => value(frame));
		rows[key] = key === "timestamp" ? values : values.map(BigInt);
		stats[key] = vectorStats(values, 1);
	}
	return { rows, stats };
}

/** The text of meta/info.json, indented by four as LeRobot writes it. */
export function infoJson(
	{ fps, robotType, cameras }: DatasetWriterOptions,
	features: Readonly<Record<string, Feature>>,
	limits: typeof DEFAULT_LIMITS,
	counts: { readonly numEpisodes: number; readonly numFrames: number; readonly numTasks: number },
): string {
	const info = {
		codebase_version: "v3.0",
		fps,
		features,
		total_episodes: counts.numEpisodes,
		total_frames: counts.numFrames,
		total_tasks: counts.numTasks,
		chunks_size: limits.filesPerChunk,
		data_files_size_in_mb: limits.dataFileSizeMb,
		video_files_size_in_mb: limits.videoFileSizeMb,
		data_path: DATA_PATH,
		video_path: cameras.length === 0 ? null : VIDEO_PATH,
		robot_type: robotType,
		splits: { train: `0:${counts.numEpisodes}` },
	};
	return `${JSON.stringify(info, null, 4)}\n`;
}
