// A new LeRobotDataset v3.0 from episodes of existing ones, of any version: what merging, splitting, choosing,
// converting and encoding again have in common. Compressed video is copied where an episode can be cut out exactly;
// sources are never touched, and the new folder appears whole or not at all.
import { cameraPlans, type VideoAccount } from "./compose-cameras.ts";
import { agreedFeatures, type EpisodeSelection, tasksOf } from "./compose-checks.ts";
import { createColumnReader } from "./compose-columns.ts";
import type { LeRobotDataset } from "./dataset.ts";
import { DatasetError } from "./errors.ts";
import { createFrameReader, type FrameReader } from "./frame-reader.ts";
import type { Rows } from "./rows.ts";
import type { EncoderChoice, VideoCodec } from "./video/codec.ts";
import { createDatasetWriter, type FrameSequence, type VideoCut, type WrittenDataset } from "./writer.ts";

/** Frames of one camera decoded at once. */
const READ_AT_ONCE = 16;

/** What the new dataset keeps, and how. */
export interface ComposeOptions {
	/** Encodes every video with this codec. @default videos are copied, and encoded again only where that is impossible */
	readonly codec?: VideoCodec | undefined;
	/** Keyframe distance and quality of what is encoded. */
	readonly encoder?: EncoderChoice;
	/** Cameras to keep. @default all */
	readonly cameras?: readonly string[] | undefined;
	/** Other features to leave out. @default none */
	readonly without?: readonly string[] | undefined;
	/** Called after each episode with the number done. */
	readonly onEpisode?: (numDone: number) => void;
	readonly signal?: AbortSignal;
}

/** What was written. */
export interface ComposedDataset extends WrittenDataset {
	/** Features of the sources that the new dataset does not have. */
	readonly droppedFeatures: readonly string[];
	/** By camera: how many episodes were copied and how many encoded again, and why. */
	readonly videos: Readonly<Record<string, VideoAccount>>;
}

/**
 * Writes the episodes of `selections`, in this order and numbered from 0, to the folder `dir`, which must not exist
 * or be empty.
 * @throws DatasetError "no-episodes", "not-mergeable" when the sources differ in rate, robot, dimensions or
 *   cameras, "not-convertible" for what v3.0 or this package cannot hold (no state or action, a rate that is no
 *   integer, cameras of odd or too small size that must be encoded), "target-exists", or as readRows,
 *   FrameReader.read and DatasetWriter; "bad-selection" for episodes, cameras or features that are not there.
 */
export async function composeDataset(
	dir: string,
	selections: readonly EpisodeSelection[],
	options: ComposeOptions = {},
): Promise<ComposedDataset> {
	const { codec, encoder, onEpisode, signal } = options;
	const abort = signal === undefined ? {} : { signal };
	const agreed = agreedFeatures(selections, options);
	const plans = await cameraPlans(selections, agreed.cameras, { codec, ...abort });
	const rows = new Map<LeRobotDataset, Rows>();
	for (const { dataset } of selections)
		if (!rows.has(dataset)) rows.set(dataset, await dataset.readRows(abort));
	await using writer = await createDatasetWriter(dir, {
		fps: agreed.fps,
		robotType: agreed.robotType,
		stateNames: agreed.stateNames,
		actionNames: agreed.actionNames,
		cameras: plans.cameras,
		tasks: tasksOf(selections, rows),
		codec: plans.codec,
		extraFeatures: agreed.extraFeatures,
		...(encoder === undefined ? {} : { encoder }),
		...abort,
	});
	let numDone = 0;
	for (const { dataset, episodes } of selections) {
		await using reader = createFrameReader(dataset);
		const columns = createColumnReader(dataset, agreed.extraFeatures, abort);
		const source = { dataset, rows: rowsOf(rows, dataset), reader, abort };
		for (const index of episodes) {
			const images = new Map<string, FrameSequence | VideoCut>();
			for (const { key } of plans.cameras) {
				const cut = await plans.cutOf(dataset, index, key, reader);
				images.set(key, cut ?? frames(source, index, key));
			}
			await writer.addEpisode({ ...numbers(source, index), images, columns: await columns.read(index) });
			onEpisode?.(++numDone);
		}
	}
	const written = await writer.finish();
	return { ...written, droppedFeatures: agreed.droppedFeatures, videos: plans.account };
}

interface Source {
	readonly dataset: LeRobotDataset;
	readonly rows: Rows;
	readonly reader: FrameReader;
	readonly abort: { readonly signal?: AbortSignal };
}

function rowsOf(rows: ReadonlyMap<LeRobotDataset, Rows>, dataset: LeRobotDataset): Rows {
	const found = rows.get(dataset);
	if (found === undefined)
		throw new DatasetError("not-found", `${dataset.root} was not read`, { file: dataset.root });
	return found;
}

function numbers(
	{ dataset, rows }: Source,
	episodeIndex: number,
): { task: string[]; states: Float32Array; actions: Float32Array } {
	const { fromIndex = 0, toIndex = 0 } = dataset.episodes[episodeIndex] ?? {};
	const { state, stateDim, action, actionDim, taskIndex } = rows;
	return {
		task: Array.from(taskIndex.subarray(fromIndex, toIndex), (index) => dataset.tasks[index] ?? ""),
		states: state.subarray(fromIndex * stateDim, toIndex * stateDim),
		actions: action.subarray(fromIndex * actionDim, toIndex * actionDim),
	};
}

async function* frames(
	{ dataset, reader, abort }: Source,
	episodeIndex: number,
	camera: string,
): AsyncGenerator<Uint8Array, void, undefined> {
	const length = dataset.episodes[episodeIndex]?.length ?? 0;
	for (let at = 0; at < length; at += READ_AT_ONCE) {
		const requests = Array.from({ length: Math.min(READ_AT_ONCE, length - at) }, (_, offset) => ({
			episodeIndex,
			frameIndex: at + offset,
			camera,
		}));
		for (const { rgb } of await reader.read(requests, abort)) yield rgb;
	}
}
