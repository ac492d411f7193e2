// The recordings that the viewer shows: what there is, one episode's joints, its videos and single pictures. Everything is
// asked for by the numbers and names of the dataset; a request never names a file.

import type { EpisodeView, RecordingsView } from "@zk0/dashboard/views";
import {
	createFrameReader,
	type EpisodeSplit,
	type FrameReader,
	type LeRobotDataset,
	type Rows,
} from "@zk0/dataset";
import { jointUnit } from "@zk0/finetune";
import { pngFile } from "@zk0/records/report";
import { jointNames } from "../evaluation/recorded-frames.ts";
import { HttpError } from "../http/http-error.ts";

/** Codecs that current browsers play; others are shown as single pictures, decoded here. */
const PLAYED = new Set(["av1", "h264", "vp8", "vp9"]);
/** Decoded pictures to keep: somebody who steps through an episode comes back to them. */
const PICTURE_CACHE_BYTES = 64 * 1024 * 1024;

/** A dataset as it is viewed. */
export interface ViewedDataset {
	readonly name: string;
	readonly dataset: LeRobotDataset;
	/** Null: nobody trains on it. */
	readonly split: EpisodeSplit | null;
}

/** Reads a dataset for the viewer; disposing it ends the decoders. */
export interface Recordings extends AsyncDisposable {
	readonly viewed: ViewedDataset;
	describe(): Omit<RecordingsView, "models">;
	/** The rows, read once. @throws DatasetError */
	rows(): Promise<Rows>;
	/** @throws HttpError not-found; DatasetError */
	episode(index: number): Promise<EpisodeView>;
	/** The file with an episode's video. @throws HttpError not-found */
	video(index: number, camera: string): { readonly path: string; readonly type: string };
	/** One picture as PNG. @throws HttpError not-found; DatasetError */
	picture(
		place: { readonly episode: number; readonly camera: string; readonly frame: number },
		signal: AbortSignal,
	): Promise<Uint8Array>;
}

/** The recordings of an open dataset. */
export function viewRecordings(viewed: ViewedDataset): Recordings {
	const { dataset } = viewed;
	let reader: FrameReader | undefined;
	let rows: Promise<Rows> | undefined;
	const readRows = (): Promise<Rows> => {
		rows ??= dataset.readRows().catch((error: unknown) => {
			rows = undefined;
			throw error;
		});
		return rows;
	};
	return {
		viewed,
		describe: () => describe(viewed),
		rows: readRows,
		episode: async (index) => episodeOf(dataset, await readRows(), index),
		video(index, camera) {
			const segment = episodeAt(dataset, index).videos.get(camera);
			if (segment === undefined)
				throw new HttpError("not-found", `no video of ${camera} in episode ${index}`);
			return { path: segment.path, type: "video/mp4" };
		},
		async picture({ episode, camera, frame }, signal) {
			const { length } = episodeAt(dataset, episode);
			if (!dataset.cameraKeys.includes(camera) || frame >= length)
				throw new HttpError("not-found", `no frame ${frame} of ${camera} in episode ${episode}`);
			reader ??= createFrameReader(dataset, { processes: 1, cacheBytes: PICTURE_CACHE_BYTES });
			const [image] = await reader.read([{ episodeIndex: episode, frameIndex: frame, camera }], { signal });
			if (image === undefined) throw new RangeError("picture: the reader gave none");
			return pngFile(image);
		},
		async [Symbol.asyncDispose]() {
			await reader?.[Symbol.asyncDispose]();
		},
	};
}

function episodeAt(dataset: LeRobotDataset, index: number): LeRobotDataset["episodes"][number] {
	const episode = dataset.episodes[index];
	if (episode !== undefined) return episode;
	throw new HttpError("not-found", `there is no episode ${index}; the last is ${dataset.numEpisodes - 1}`);
}

function describe({ name, dataset, split }: ViewedDataset): Omit<RecordingsView, "models"> {
	const held = new Set(split?.heldOut);
	const named = (vector: "action" | "state"): RecordingsView["actions"] =>
		jointNames(dataset, vector).map((joint) => ({ name: joint, unit: jointUnit(joint) }));
	return {
		dataset: name,
		fps: dataset.fps,
		robotType: dataset.robotType,
		cameras: dataset.cameraKeys.map((key) => cameraOf(dataset, key)),
		actions: named("action"),
		states: named("state"),
		episodes: dataset.episodes.map(({ index, recordedIndex, length, tasks }) => ({
			index,
			recordedIndex,
			frames: length,
			tasks: [...tasks],
			part: split === null ? null : held.has(index) ? "held out" : "train",
		})),
	};
}

function cameraOf({ features }: LeRobotDataset, key: string): RecordingsView["cameras"][number] {
	const feature = features[key];
	const codec = feature?.info?.["video.codec"];
	// Recordings name the codec, or not; a browser that cannot play it says so, and gets pictures.
	const isPlayed = feature?.dtype === "video" && (typeof codec !== "string" || PLAYED.has(codec));
	// LeRobot has written both orders; the channels tell them apart.
	const [first, second, third] = feature?.shape ?? [];
	const [height, width] = first === 3 && third !== 3 ? [second, third] : [first, second];
	return { key, kind: isPlayed ? "video" : "pictures", width: width ?? null, height: height ?? null };
}

function episodeOf(dataset: LeRobotDataset, rows: Rows, index: number): EpisodeView {
	const { fromIndex, length, videos } = episodeAt(dataset, index);
	const tracks = (values: Float32Array, dim: number): (number | null)[][] =>
		Array.from({ length: dim }, (_, joint) =>
			Array.from({ length }, (__, frame) =>
				shortest(values[(fromIndex + frame) * dim + joint] ?? Number.NaN),
			),
		);
	return {
		index,
		frames: length,
		task: dataset.tasks[rows.taskIndex[fromIndex] ?? 0] ?? "",
		videoFrom: Object.fromEntries([...videos].map(([camera, { fromTimestamp }]) => [camera, fromTimestamp])),
		state: tracks(rows.state, rows.stateDim),
		action: tracks(rows.action, rows.actionDim),
	};
}

/** Nine digits name a float32 exactly, and are half of what its double would be written with. Null: it is no number. */
function shortest(value: number): number | null {
	return Number.isFinite(value) ? Number(value.toPrecision(9)) : null;
}
