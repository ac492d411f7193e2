// Opens a dataset folder: metadata is read and checked at once, rows and frames on demand.
import { stat } from "node:fs/promises";
import { join, resolve, sep } from "node:path";
import type { z } from "zod";
import { DatasetError } from "./errors.ts";
import { type DatasetInfo, type Feature, infoSchema } from "./info.ts";
import { type DatasetLayout, type Episode, readJson } from "./layout.ts";
import { layoutV2 } from "./layout-v2.ts";
import { layoutV3 } from "./layout-v3.ts";
import { type Rows, readRows, TIMESTAMP_TOLERANCE_S } from "./rows.ts";
import type { Stats } from "./stats.ts";

const LAYOUTS: readonly DatasetLayout[] = [layoutV3, layoutV2];

/** Types of the features that are cameras. */
const CAMERA_DTYPES: readonly string[] = ["video", "image"];

/** Types of state and action that are read as float32. */
const NUMBER_DTYPE = /^(float(16|32|64)|u?int(8|16|32|64))$/;

/** An open dataset: plain data, nothing to dispose. */
export interface LeRobotDataset {
	/** Absolute path of the dataset's folder. */
	readonly root: string;
	readonly info: DatasetInfo;
	readonly fps: number;
	/** Robot type as recorded, null when unknown. */
	readonly robotType: string | null;
	readonly features: Readonly<Record<string, Feature>>;
	/** See OpenDatasetOptions. */
	readonly toleranceS: number;
	/** Feature keys of the videos and pictures, in info.json's order. */
	readonly cameraKeys: readonly string[];
	/** Dimensions of `observation.state`; 0 when there is none. */
	readonly stateDim: number;
	/** Dimensions of `action`; 0 when there is none. */
	readonly actionDim: number;
	readonly numFrames: number;
	readonly numEpisodes: number;
	/** By episode index. */
	readonly episodes: readonly Episode[];
	/** Task sentences by task index. */
	readonly tasks: readonly string[];
	/** Statistics of the whole dataset as stored (v2.1: its episodes' joined); null when absent or without counts. */
	readonly storedStats: Stats | null;
	/** Reads and checks all rows; see `Rows`. @throws DatasetError */
	readRows(options?: { signal?: AbortSignal }): Promise<Rows>;
	/** Statistics stored per episode, by episode index; empty when there are none. @throws DatasetError */
	readEpisodeStats(options?: { signal?: AbortSignal }): Promise<ReadonlyMap<number, Stats>>;
}

/** How strictly a dataset is read. */
export interface OpenDatasetOptions {
	/**
	 * Largest accepted difference between a row's timestamp, or a video frame's, and frame_index / fps, in seconds;
	 * less than half a frame. @default 0.0001 (LeRobot's)
	 */
	readonly toleranceS?: number;
	readonly signal?: AbortSignal;
}

/**
 * Opens the dataset at `dir` and checks its metadata: counts, episode boundaries and that every file is there.
 * @throws DatasetError "not-found", "missing-file", "bad-json", "bad-metadata", "bad-parquet",
 *   "unsupported-version", "count-mismatch", "episode-boundary", "bad-stats"; RangeError for a tolerance of half a
 *   frame or more.
 * @example
 * const dataset = await openDataset("data/reach");
 * const rows = await dataset.readRows();
 */
export async function openDataset(
	dir: string,
	{ toleranceS = TIMESTAMP_TOLERANCE_S, signal }: OpenDatasetOptions = {},
): Promise<LeRobotDataset> {
	const root = resolve(dir);
	const isFolder = await stat(root).then(
		(entry) => entry.isDirectory(),
		() => false,
	);
	if (!isFolder) throw new DatasetError("not-found", `there is no dataset folder ${root}`, { file: root });
	const infoPath = join(root, "meta/info.json");
	const parsed = parseInfo(await readJson(infoPath, signal), infoPath);
	const layout = LAYOUTS.find(({ versions }) => versions.includes(parsed.codebase_version));
	if (layout === undefined) {
		const known = LAYOUTS.flatMap(({ versions }) => versions).join(", ");
		throw new DatasetError(
			"unsupported-version",
			`${infoPath}: format ${parsed.codebase_version} is not one of ${known}; convert the dataset to v3.0 with LeRobot`,
			{ file: infoPath },
		);
	}
	const info: DatasetInfo = {
		...parsed,
		data_path: parsed.data_path ?? layout.dataPath,
		video_path: parsed.video_path === undefined ? layout.videoPath : parsed.video_path,
	};
	const tasks = await layout.readTasks(root, signal);
	const episodes = await layout.readEpisodes(root, info, signal);
	checkCounts(infoPath, info, episodes, tasks);
	await checkFiles(root, episodes);
	const storedStats = await layout.readStats(root, info, signal);
	if (!(toleranceS > 0 && toleranceS < 0.5 / info.fps)) {
		throw new RangeError(`openDataset: toleranceS is ${toleranceS}, not in (0, ${0.5 / info.fps})`);
	}
	const stateDim = vectorDim(info, "observation.state", infoPath);
	const actionDim = vectorDim(info, "action", infoPath);
	return {
		root,
		info,
		fps: info.fps,
		toleranceS,
		robotType: info.robot_type ?? null,
		features: info.features,
		cameraKeys: Object.keys(info.features).filter((key) =>
			CAMERA_DTYPES.includes(info.features[key]?.dtype ?? ""),
		),
		stateDim,
		actionDim,
		numFrames: info.total_frames,
		numEpisodes: episodes.length,
		episodes,
		tasks,
		storedStats,
		readRows: (options) =>
			readRows(
				{
					root,
					fps: info.fps,
					episodes,
					numTasks: tasks.length,
					stateDim,
					actionDim,
					toleranceS,
					hasGlobalIndex: layout.hasGlobalIndex,
				},
				options,
			),
		readEpisodeStats: (options) => layout.readEpisodeStats(root, options?.signal),
	};
}

function parseInfo(document: unknown, path: string): z.infer<typeof infoSchema> {
	const parsed = infoSchema.safeParse(document);
	if (parsed.success) return parsed.data;
	const issues = parsed.error.issues.map(
		(issue) => `${issue.path.join(".") || "document"}: ${issue.message}`,
	);
	throw new DatasetError("bad-metadata", `${path} is not a LeRobot info.json: ${issues.join("; ")}`, {
		file: path,
		cause: parsed.error,
	});
}

function vectorDim(info: DatasetInfo, key: string, path: string): number {
	const feature = info.features[key];
	if (feature === undefined) return 0;
	const [dim, ...rest] = feature.shape;
	if (dim === undefined || dim < 1 || rest.length > 0 || !NUMBER_DTYPE.test(feature.dtype)) {
		throw new DatasetError(
			"bad-metadata",
			`${path}: ${key} is ${feature.dtype}[${feature.shape.join(",")}]; a vector of numbers is needed`,
			{ file: path },
		);
	}
	return dim;
}

function checkCounts(
	path: string,
	info: DatasetInfo,
	episodes: readonly Episode[],
	tasks: readonly string[],
): void {
	const numFrames = episodes.reduce((sum, { length }) => sum + length, 0);
	const counts: [string, number, number][] = [
		["total_episodes", info.total_episodes, episodes.length],
		["total_frames", info.total_frames, numFrames],
		["total_tasks", info.total_tasks, tasks.length],
	];
	for (const [key, claimed, found] of counts) {
		if (claimed !== found) {
			throw new DatasetError(
				"count-mismatch",
				`${path}: ${key} is ${claimed} but the metadata tables hold ${found}; files are missing or doubled, download or convert the dataset again`,
				{ file: path },
			);
		}
	}
	let at = 0;
	for (const [position, { index, length, fromIndex, toIndex, dataPath }] of episodes.entries()) {
		if (index !== position || length < 1 || fromIndex !== at || toIndex !== at + length) {
			throw new DatasetError(
				"episode-boundary",
				`${path}: episode ${index} (position ${position}) spans rows ${fromIndex}..${toIndex} with length ${length} where ${at} should start; convert the dataset again`,
				{ file: dataPath, episodeIndex: index },
			);
		}
		at = toIndex;
	}
}

async function checkFiles(root: string, episodes: readonly Episode[]): Promise<void> {
	const paths = new Set(
		episodes.flatMap(({ dataPath, videos }) => [dataPath, ...[...videos.values()].map(({ path }) => path)]),
	);
	for (const path of paths) {
		if (!path.startsWith(root + sep)) {
			throw new DatasetError("bad-metadata", `${root}: the metadata names ${path}, outside the dataset`, {
				file: path,
			});
		}
		const isFile = await stat(path).then(
			(entry) => entry.isFile(),
			() => false,
		);
		if (!isFile) {
			throw new DatasetError("missing-file", `${path} does not exist; download or copy the dataset again`, {
				file: path,
			});
		}
	}
}
