// Writes small LeRobotDatasets of format v2.0 and v2.1 for tests: LeRobot v0.1's folder layout, one parquet and one
// mp4 per episode, JSON Lines tables. The frames are those of recordings.ts, encoded by this package's writer.
import { copyFileSync, mkdirSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fillPath } from "../info.ts";
import type { ColumnType } from "../parquet/schema.ts";
import { writeParquetFile } from "../parquet/write.ts";
import { vectorStats } from "../stats.ts";
import type { EpisodeInput } from "../writer.ts";
import { CAMERAS, recordSynthetic } from "./recordings.ts";

/** What differs between the datasets that tests need. */
export interface RecordingV2Options {
	readonly version: "v2.0" | "v2.1";
	/** @default 10 */
	readonly fps?: number;
	/** Episodes per chunk folder. @default 1000 */
	readonly chunksSize?: number;
	/** Adds a column and a feature that nobody knows. @default false */
	readonly hasExtraColumns?: boolean;
	/** Counts column `index` anew in every file, as merged datasets do. @default false */
	readonly hasLocalIndex?: boolean;
	/** Keys of info.json to set. */
	readonly info?: Readonly<Record<string, unknown>>;
	/** Without videos. @default false */
	readonly isStateOnly?: boolean;
}

const DATA_PATH = "data/chunk-{episode_chunk:03d}/episode_{episode_index:06d}.parquet";
const VIDEO_PATH = "videos/chunk-{episode_chunk:03d}/{video_key}/episode_{episode_index:06d}.mp4";

/** Tasks of the recordings: every episode's rows alternate between both. */
export const TASKS_V2 = ["Reach the red cube", "Push it away"] as const;

/** Records episodes of the given lengths at `dir` and returns their values. */
export async function recordSyntheticV2(
	dir: string,
	lengths: readonly number[],
	options: RecordingV2Options,
): Promise<EpisodeInput[]> {
	const { version, fps = 10, chunksSize = 1000, hasExtraColumns = false, isStateOnly = false } = options;
	const source = `${dir}-v3`;
	const cameras = isStateOnly ? [] : CAMERAS;
	// A limit below one frame puts every episode into its own file.
	const episodes = await recordSynthetic(source, lengths, { cameras, limits: { videoFileSizeMb: 1e-6 } });
	const write = (name: string, text: string): void => {
		mkdirSync(dirname(join(dir, name)), { recursive: true });
		writeFileSync(join(dir, name), text);
	};
	const writeLines = (name: string, documents: readonly unknown[]): void =>
		write(name, documents.map((document) => `${JSON.stringify(document)}\n`).join(""));
	let fromIndex = 0;
	for (const [episodeIndex, episode] of episodes.entries()) {
		const length = lengths[episodeIndex] ?? 0;
		const place = { episode_index: episodeIndex, episode_chunk: Math.floor(episodeIndex / chunksSize) };
		const path = join(dir, fillPath(DATA_PATH, place));
		mkdirSync(dirname(path), { recursive: true });
		writeRows(path, episode, {
			episodeIndex,
			fromIndex: options.hasLocalIndex === true ? 0 : fromIndex,
			length,
			fps,
			hasExtraColumns,
		});
		fromIndex += length;
		for (const { key } of cameras) {
			const video = join(dir, fillPath(VIDEO_PATH, { ...place, video_key: key }));
			mkdirSync(dirname(video), { recursive: true });
			const file = `file-${String(episodeIndex).padStart(3, "0")}.mp4`;
			copyFileSync(join(source, "videos", key, "chunk-000", file), video);
		}
	}
	const vector = (dim: number): unknown => ({
		dtype: "float32",
		shape: [dim],
		names: { motors: ["a", "b", "c"].slice(0, dim) },
	});
	const scalar = (dtype: string): unknown => ({ dtype, shape: [1], names: null });
	const features = {
		action: vector(3),
		"observation.state": vector(2),
		// The codec is a lie and the size is that of a channel-first array.
		...Object.fromEntries(
			cameras.map(({ key, height, width }) => [
				key,
				{
					dtype: "video",
					shape: [3, height, width],
					names: null,
					info: { "video.codec": "mpeg4", "video.fps": "?" },
				},
			]),
		),
		...(hasExtraColumns && { "next.reward": scalar("float32"), language: scalar("string") }),
		timestamp: scalar("float32"),
		...Object.fromEntries(
			["frame_index", "episode_index", "index", "task_index"].map((name) => [name, scalar("int64")]),
		),
	};
	const info = {
		codebase_version: version,
		robot_type: "so100",
		total_episodes: lengths.length,
		total_frames: fromIndex,
		total_tasks: TASKS_V2.length,
		total_videos: lengths.length * cameras.length,
		total_chunks: Math.ceil(lengths.length / chunksSize),
		chunks_size: chunksSize,
		fps,
		splits: { train: `0:${lengths.length}` },
		data_path: DATA_PATH,
		video_path: isStateOnly ? null : VIDEO_PATH,
		features,
		...options.info,
	};
	write("meta/info.json", JSON.stringify(info, null, 4));
	writeLines(
		"meta/tasks.jsonl",
		TASKS_V2.map((task, index) => ({ task_index: index, task })),
	);
	writeLines(
		"meta/episodes.jsonl",
		lengths.map((length, index) => ({ episode_index: index, tasks: TASKS_V2, length })),
	);
	const episodeStats = episodes.map(({ actions, states }) => ({
		action: fileStats(actions, 3),
		"observation.state": fileStats(states, 2),
	}));
	if (version === "v2.1") {
		writeLines(
			"meta/episodes_stats.jsonl",
			episodeStats.map((stats, index) => ({ episode_index: index, stats })),
		);
	} else {
		const { count: _, ...action } = episodeStats[0]?.action ?? { count: [0] };
		write("meta/stats.json", JSON.stringify({ action }));
	}
	return episodes;
}

function fileStats(
	values: Float32Array,
	dim: number,
): { count: number[] } & Record<string, readonly number[]> {
	const { min, max, mean, std, count } = vectorStats(values, dim);
	return { min, max, mean, std, count: [count] };
}

function writeRows(
	path: string,
	{ states, actions }: EpisodeInput,
	place: { episodeIndex: number; fromIndex: number; length: number; fps: number; hasExtraColumns: boolean },
): void {
	const { episodeIndex, fromIndex, length, fps, hasExtraColumns } = place;
	const column = <T>(value: (frame: number) => T): T[] => Array.from({ length }, (_, frame) => value(frame));
	const vectors = (values: Float32Array, dim: number): unknown[] =>
		column((frame) => [...values.subarray(frame * dim, (frame + 1) * dim)]);
	const scalar = (name: string, type: ColumnType["type"]): ColumnType => ({ name, type, depth: 0 });
	const columns: ColumnType[] = [
		{ name: "action", type: "float32", depth: 1 },
		// As float64, which many recordings store.
		{ name: "observation.state", type: "float64", depth: 1 },
		...(hasExtraColumns ? [scalar("next.reward", "float32"), scalar("language", "string")] : []),
		scalar("timestamp", "float32"),
		...["frame_index", "episode_index", "index", "task_index"].map((name) => scalar(name, "int64")),
	];
	writeParquetFile(path, columns, {
		action: vectors(actions, 3),
		"observation.state": vectors(states, 2),
		"next.reward": column(() => 0.5),
		language: column((frame) => `word ${frame}`),
		timestamp: column((frame) => Math.fround(frame / fps)),
		frame_index: column(BigInt),
		episode_index: column(() => BigInt(episodeIndex)),
		index: column((frame) => BigInt(fromIndex + frame)),
		task_index: column((frame) => BigInt(frame % 2)),
	});
}
