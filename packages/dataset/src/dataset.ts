// Opens a dataset folder: metadata is read and checked at once, rows and frames on demand.
import { stat } from "node:fs/promises";
import { join, resolve } from "node:path";
import type { z } from "zod";
import { DatasetError } from "./errors.ts";
import { type DatasetInfo, type Feature, infoSchema } from "./info.ts";
import { type DatasetLayout, type Episode, type RecordedEpisode, readJson } from "./layout.ts";
import { layoutV2 } from "./layout-v2.ts";
import { layoutV3 } from "./layout-v3.ts";
import { MAX_POINTER_BYTES, refusePointer } from "./lfs-pointer.ts";
import { type Rows, readRows, TIMESTAMP_TOLERANCE_S } from "./rows.ts";
import {
	type DatasetSelection,
	filesOf,
	placeEpisodes,
	selectCameras,
	selectEpisodes,
	selectStats,
} from "./selection.ts";
import type { Stats } from "./stats.ts";

const LAYOUTS: readonly DatasetLayout[] = [layoutV3, layoutV2];

/** Types of the features that are cameras. */
const CAMERA_DTYPES: readonly string[] = ["video", "image"];

/** The layout that reads a `codebase_version`; undefined for one that nothing here reads. */
export function findLayout(version: string): DatasetLayout | undefined {
	return LAYOUTS.find(({ versions }) => versions.includes(version));
}

/** Feature keys of the videos and pictures, in order. */
export function cameraKeysOf(features: Readonly<Record<string, Feature>>): string[] {
	return Object.keys(features).filter((key) => CAMERA_DTYPES.includes(features[key]?.dtype ?? ""));
}

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
	/** What was selected; null for the whole dataset. */
	readonly selection: DatasetSelection | null;
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
	/**
	 * Statistics of the whole dataset as stored (v2.1: its episodes' joined); null when absent or without counts, and
	 * for a selection of episodes.
	 */
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
	/** The part to open; files that it does not need may be absent. @default everything */
	readonly selection?: DatasetSelection | undefined;
	readonly signal?: AbortSignal;
}

/** What the files of meta/ say. */
interface Metadata {
	readonly root: string;
	readonly infoPath: string;
	readonly info: DatasetInfo;
	readonly layout: DatasetLayout;
	readonly tasks: readonly string[];
	readonly cameraKeys: readonly string[];
	readonly episodes: readonly Episode[];
}

/**
 * Opens the dataset at `dir`, or a selection of it, and checks its metadata: counts, episode boundaries and that every
 * file is there.
 * @throws DatasetError "not-found", "missing-file", "bad-json", "bad-metadata", "bad-parquet", "bad-selection",
 *   "unsupported-version", "count-mismatch", "episode-boundary", "bad-stats", "lfs-pointer"; RangeError for a
 *   tolerance of half a frame or more.
 * @example
 * const dataset = await openDataset("data/reach");
 * const rows = await dataset.readRows();
 */
export async function openDataset(
	dir: string,
	{ toleranceS = TIMESTAMP_TOLERANCE_S, selection, signal }: OpenDatasetOptions = {},
): Promise<LeRobotDataset> {
	const metadata = await readMetadata(dir, selection, signal);
	const { root, infoPath, info, layout, tasks, cameraKeys, episodes } = metadata;
	await checkFiles(root, episodes);
	const isPart = selection?.episodes !== undefined;
	const storedStats = isPart ? null : await layout.readStats(root, info, signal);
	if (!(toleranceS > 0 && toleranceS < 0.5 / info.fps)) {
		throw new RangeError(`openDataset: toleranceS is ${toleranceS}, not in (0, ${0.5 / info.fps})`);
	}
	const stateDim = vectorDim(info, "observation.state", infoPath);
	const actionDim = vectorDim(info, "action", infoPath);
	const { hasGlobalIndex } = layout;
	const expected = {
		root,
		fps: info.fps,
		episodes,
		isPart,
		numTasks: tasks.length,
		stateDim,
		actionDim,
		toleranceS,
		hasGlobalIndex,
	};
	return {
		root,
		info,
		fps: info.fps,
		toleranceS,
		robotType: info.robot_type ?? null,
		features: info.features,
		selection: selection ?? null,
		cameraKeys,
		stateDim,
		actionDim,
		numFrames: episodes.at(-1)?.toIndex ?? 0,
		numEpisodes: episodes.length,
		episodes,
		tasks,
		storedStats,
		readRows: (options) => readRows(expected, options),
		readEpisodeStats: async (options) =>
			selectStats(await layout.readEpisodeStats(root, options?.signal), episodes),
	};
}

/**
 * Paths of the data and video files that a selection needs, relative to `dir`; only the files of meta/ have to be there.
 * @throws DatasetError as `openDataset`
 */
export async function listDatasetFiles(
	dir: string,
	{ selection, signal }: Pick<OpenDatasetOptions, "selection" | "signal"> = {},
): Promise<string[]> {
	const { root, episodes } = await readMetadata(dir, selection, signal);
	return filesOf(root, episodes);
}

async function readMetadata(
	dir: string,
	selection: DatasetSelection = {},
	signal?: AbortSignal,
): Promise<Metadata> {
	const root = resolve(dir);
	const isFolder = await stat(root).then(
		(entry) => entry.isDirectory(),
		() => false,
	);
	if (!isFolder) throw new DatasetError("not-found", `there is no dataset folder ${root}`, { file: root });
	const infoPath = join(root, "meta/info.json");
	const parsed = parseInfo(await readJson(infoPath, signal), infoPath);
	const layout = findLayout(parsed.codebase_version);
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
	const recorded = await layout.readEpisodes(root, info, signal);
	checkCounts(infoPath, info, recorded, tasks);
	const allCameras = cameraKeysOf(info.features);
	const { cameras: names, episodes: numbers } = selection;
	const cameraKeys = names === undefined ? allCameras : selectCameras(root, allCameras, names);
	const episodes = selectEpisodes(root, placeEpisodes(recorded), { numbers, cameras: cameraKeys });
	for (const path of filesOf(root, episodes)) {
		if (!path.startsWith("../")) continue;
		throw new DatasetError("bad-metadata", `${root}: the metadata names ${path}, outside the dataset`, {
			file: infoPath,
		});
	}
	return { root, infoPath, info, layout, tasks, cameraKeys, episodes };
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
	episodes: readonly RecordedEpisode[],
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
	for (const name of filesOf(root, episodes)) {
		const path = join(root, name);
		const entry = await stat(path).catch(() => null);
		if (entry?.isFile() === true) {
			if (entry.size < MAX_POINTER_BYTES) await refusePointer(path);
			continue;
		}
		const cure = name.endsWith(".mp4") ? ", or leave out its camera or its episodes" : "";
		throw new DatasetError(
			"missing-file",
			`${path} does not exist; download or copy the dataset again${cure}`,
			{ file: path },
		);
	}
}
