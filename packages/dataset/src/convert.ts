// Writes an open dataset of any version anew as LeRobotDataset v3.0: the same episodes, rows and task numbers, the
// pictures decoded and encoded again, statistics computed. The source is not touched.
import type { LeRobotDataset } from "./dataset.ts";
import { DatasetError } from "./errors.ts";
import { createFrameReader, type FrameReader } from "./frame-reader.ts";
import { type CameraSpec, INDEX_FEATURES } from "./info.ts";
import type { Rows } from "./rows.ts";
import type { VideoCodec } from "./video/codec.ts";
import { createDatasetWriter, type EpisodeInput, type WrittenDataset } from "./writer.ts";

/** Frames of one camera decoded at once. */
const READ_AT_ONCE = 16;

/** How to convert. */
export interface ConvertOptions {
	/** Codec of the new videos. @default "av1" */
	readonly codec?: VideoCodec;
	/** Called after each episode with the number done. */
	readonly onEpisode?: (numDone: number) => void;
	readonly signal?: AbortSignal;
}

/** What was written. */
export interface ConvertedDataset extends WrittenDataset {
	/** Features of the source that the new dataset does not have (rewards, flags, texts). */
	readonly droppedFeatures: readonly string[];
}

/**
 * Writes `source` to the folder `dir`, which must not exist or be empty, as v3.0.
 * @throws DatasetError "not-convertible" for what this package cannot write (no state or action, a rate that is no
 *   integer, cameras of odd or too small size), "target-exists", or as readRows, FrameReader.read and DatasetWriter.
 */
export async function convertDataset(
	source: LeRobotDataset,
	dir: string,
	{ codec = "av1", onEpisode, signal }: ConvertOptions = {},
): Promise<ConvertedDataset> {
	const abort = signal === undefined ? {} : { signal };
	checkConvertible(source);
	const rows = await source.readRows(abort);
	await using reader = createFrameReader(source);
	const cameras = await cameraSizes(source, reader, abort);
	await using writer = await createDatasetWriter(dir, {
		fps: source.fps,
		robotType: source.robotType,
		stateNames: dimensionNames(source, "observation.state", source.stateDim),
		actionNames: dimensionNames(source, "action", source.actionDim),
		cameras,
		tasks: source.tasks,
		codec,
		...abort,
	});
	for (const { index } of source.episodes) {
		await writer.addEpisode(episodeOf(source, rows, index, reader, abort));
		onEpisode?.(index + 1);
	}
	const written = await writer.finish();
	const kept = new Set(["action", "observation.state", ...source.cameraKeys, ...Object.keys(INDEX_FEATURES)]);
	return { ...written, droppedFeatures: Object.keys(source.features).filter((key) => !kept.has(key)) };
}

function checkConvertible({ root, stateDim, actionDim, fps }: LeRobotDataset): void {
	if (stateDim === 0 || actionDim === 0) {
		const lacking = stateDim === 0 ? "observation.state" : "action";
		throw notConvertible(root, `it has no ${lacking}`);
	}
	if (!Number.isSafeInteger(fps)) throw notConvertible(root, `v3.0 needs an integer fps, it has ${fps}`);
}

function notConvertible(root: string, problem: string): DatasetError {
	return new DatasetError(
		"not-convertible",
		`${root} cannot be written as v3.0: ${problem}; it can still be read as it is`,
		{ file: root },
	);
}

/** Sizes as the first frame has them: those of info.json may be transposed or wrong. */
async function cameraSizes(
	source: LeRobotDataset,
	reader: FrameReader,
	abort: { signal?: AbortSignal },
): Promise<CameraSpec[]> {
	const first = source.cameraKeys.map((camera) => ({ episodeIndex: 0, frameIndex: 0, camera }));
	const images = await reader.read(first, abort);
	return source.cameraKeys.map((key, camera) => {
		const { height = 0, width = 0 } = images[camera] ?? {};
		if (height % 2 !== 0 || width % 2 !== 0 || Math.min(height, width) < 64) {
			throw notConvertible(source.root, `${key} is ${height}x${width}, videos need even sizes from 64 on`);
		}
		return { key, height, width };
	});
}

/** The names that the source gives to a vector's dimensions; numbered ones when it gives none. */
function dimensionNames(source: LeRobotDataset, key: string, dim: number): string[] {
	const { names } = source.features[key] ?? {};
	const found = (Array.isArray(names) ? names : Object.values(names ?? {}).flat()).filter(
		(name) => typeof name === "string",
	);
	return found.length === dim ? found : Array.from({ length: dim }, (_, index) => `${key}_${index}`);
}

function episodeOf(
	source: LeRobotDataset,
	rows: Rows,
	episodeIndex: number,
	reader: FrameReader,
	abort: { signal?: AbortSignal },
): EpisodeInput {
	const { fromIndex = 0, toIndex = 0, length = 0 } = source.episodes[episodeIndex] ?? {};
	const { state, stateDim, action, actionDim, taskIndex } = rows;
	async function* frames(camera: string): AsyncGenerator<Uint8Array, void, undefined> {
		for (let at = 0; at < length; at += READ_AT_ONCE) {
			const numFrames = Math.min(READ_AT_ONCE, length - at);
			const requests = Array.from({ length: numFrames }, (_, offset) => ({
				episodeIndex,
				frameIndex: at + offset,
				camera,
			}));
			for (const { rgb } of await reader.read(requests, abort)) yield rgb;
		}
	}
	return {
		task: Array.from(taskIndex.subarray(fromIndex, toIndex), (index) => source.tasks[index] ?? ""),
		states: state.subarray(fromIndex * stateDim, toIndex * stateDim),
		actions: action.subarray(fromIndex * actionDim, toIndex * actionDim),
		images: new Map(source.cameraKeys.map((camera) => [camera, frames(camera)])),
	};
}
