// meta/info.json of LeRobotDataset v2.x and v3.0: schema, defaults and the feature table that a new dataset gets.
// Names are LeRobot's own, as in the file. Unknown keys are ignored, as LeRobot does (huggingface/lerobot,
// src/lerobot/datasets/utils.py, DatasetInfo).
import { z } from "zod";

/** Most files per chunk folder, and file size limits in MB, when info.json does not say. */
export const DEFAULT_LIMITS: Readonly<{
	filesPerChunk: number;
	dataFileSizeMb: number;
	videoFileSizeMb: number;
}> = {
	filesPerChunk: 1000,
	dataFileSizeMb: 100,
	videoFileSizeMb: 200,
};

/** Template of the data files' paths in v3.0, relative to the dataset's root. */
export const DATA_PATH = "data/chunk-{chunk_index:03d}/file-{file_index:03d}.parquet";
/** The same for videos. */
export const VIDEO_PATH = "videos/{video_key}/chunk-{chunk_index:03d}/file-{file_index:03d}.mp4";
/** The same for the episode table. */
export const EPISODES_PATH = "meta/episodes/chunk-{chunk_index:03d}/file-{file_index:03d}.parquet";

/**
 * One entry of `features`; `shape` is per frame, without a time axis. What only describes (names, fps, info) is often
 * wrong in recordings, and nothing here depends on it: it is dropped when it has no known form.
 */
export const featureSchema = z.object({
	dtype: z.string(),
	shape: z.array(z.number().int().nonnegative()),
	names: z
		.union([z.array(z.string()), z.record(z.string(), z.unknown()), z.array(z.unknown())])
		.nullish()
		.catch(null),
	fps: z.number().positive().nullish().catch(null),
	info: z.record(z.string(), z.unknown()).nullish().catch(null),
});

/** One entry of `features`. */
export type Feature = z.infer<typeof featureSchema>;

/** Schema of info.json. */
export const infoSchema = z.object({
	codebase_version: z.string(),
	fps: z.number().positive(),
	features: z.record(z.string(), featureSchema),
	total_episodes: z.number().int().nonnegative(),
	total_frames: z.number().int().nonnegative(),
	total_tasks: z.number().int().nonnegative(),
	chunks_size: z.number().int().positive().default(DEFAULT_LIMITS.filesPerChunk),
	data_files_size_in_mb: z.number().positive().default(DEFAULT_LIMITS.dataFileSizeMb),
	video_files_size_in_mb: z.number().positive().default(DEFAULT_LIMITS.videoFileSizeMb),
	data_path: z.string().optional(),
	video_path: z.string().nullable().optional(),
	robot_type: z.string().nullish(),
	splits: z.record(z.string(), z.string()).default({}),
});

/** Parsed info.json, the path templates filled in by the layout of its version. */
export type DatasetInfo = Omit<z.infer<typeof infoSchema>, "data_path" | "video_path"> & {
	readonly data_path: string;
	readonly video_path: string | null;
};

/** A camera of a dataset to be written; both sizes even (yuv420p). */
export interface CameraSpec {
	/** Dataset feature key, e.g. `observation.images.top`. */
	readonly key: string;
	readonly height: number;
	readonly width: number;
	/** What its video is where it is copied, not encoded. @default the writer's codec, yuv420p */
	readonly copied?: { readonly codec: string; readonly pixelFormat: string };
}

/** The columns that every LeRobot dataset has besides its own features. */
export const INDEX_FEATURES: Readonly<Record<string, Feature>> = {
	timestamp: { dtype: "float32", shape: [1], names: null },
	frame_index: { dtype: "int64", shape: [1], names: null },
	episode_index: { dtype: "int64", shape: [1], names: null },
	index: { dtype: "int64", shape: [1], names: null },
	task_index: { dtype: "int64", shape: [1], names: null },
};

/** Fills a path template such as `data/chunk-{chunk_index:03d}/…`; unknown fields stay as they are. */
export function fillPath(template: string, fields: Readonly<Record<string, string | number>>): string {
	return template.replaceAll(/\{(\w+)(?::0(\d+)d?)?\}/g, (whole, name: string, width: string | undefined) => {
		const value = fields[name];
		if (value === undefined) return whole;
		return width === undefined ? String(value) : String(value).padStart(Number(width), "0");
	});
}
