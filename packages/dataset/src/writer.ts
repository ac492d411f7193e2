// Writes a LeRobotDataset v3.0, episode by episode: data rows to parquet as they come, frames to an encoder
// process, metadata at the end. Everything goes to a temporary folder beside the target, which `finish` renames:
// the target appears whole or not at all. The same episodes give the same bytes.
import { mkdirSync } from "node:fs";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";
import { DatasetError } from "./errors.ts";
import { type CameraSpec, DEFAULT_LIMITS, type Feature, VIDEO_PATH } from "./info.ts";
import { aggregateStats, collectImageStats, type FeatureStats, sampledFrames } from "./stats.ts";
import { encodeStats } from "./stats-json.ts";
import { codecSettings, type EncoderChoice, type VideoCodec } from "./video/codec.ts";
import type { CutSpec, EpisodeVideo } from "./video/encode-protocol.ts";
import { type EncoderProcess, startEncoder } from "./video/encoder-process.ts";
import {
	badEpisode,
	checkEpisode,
	checkOptions,
	checkTarget,
	datasetFeatures,
	iterate,
	moveIntoPlace,
	partialPrefix,
	removeStalePartials,
	writeFailed,
} from "./writer-checks.ts";
import { episodeRows, infoJson } from "./writer-content.ts";
import {
	createDataFiles,
	type DataFiles,
	type EpisodeRecord,
	writeEpisodes,
	writeTasks,
} from "./writer-tables.ts";

/** What a new dataset holds. */
export interface DatasetWriterOptions {
	/** Frames per second, a positive integer. */
	readonly fps: number;
	/** LeRobot's robot type, e.g. `so100_follower`. */
	readonly robotType: string | null;
	/** Names of the dimensions of `observation.state`, e.g. `shoulder_pan.pos`. */
	readonly stateNames: readonly string[];
	/** Names of the dimensions of `action`. */
	readonly actionNames: readonly string[];
	readonly cameras: readonly CameraSpec[];
	/** Sentences to number first, from task_index 0 on; others follow as they come. @default none */
	readonly tasks?: readonly string[];
	/** @default "av1" */
	readonly codec?: VideoCodec;
	/** Keyframe distance and quality of what is encoded. @default LeRobot's for av1 */
	readonly encoder?: EncoderChoice;
	/** Further columns by feature key: numbers, truth values or texts of shape [D]. @default none */
	readonly extraFeatures?: Readonly<Record<string, Feature>>;
	/** Size limits of files and folders. @default LeRobot's: 100 MB data, 200 MB video, 1000 files per chunk */
	readonly limits?: Partial<typeof DEFAULT_LIMITS>;
	/** Aborts the writer: nothing is left on disk and every call rejects with the signal's reason. */
	readonly signal?: AbortSignal;
}

/** Frames of one camera, each [height, width, 3] uint8; a frame's memory may be reused once the next is asked for. */
export type FrameSequence = Iterable<Uint8Array> | AsyncIterable<Uint8Array>;

/** An episode's stretch of an existing video, whose compressed frames are copied as they are. */
export interface VideoCut {
	readonly path: string;
	/** Seconds in the file. */
	readonly fromTimestamp: number;
	/** Largest accepted distance of a frame from its multiple of 1 / fps, seconds. */
	readonly toleranceS: number;
	/** Statistics of its pictures. */
	readonly stats: FeatureStats;
}

/** One recorded episode. */
export interface EpisodeInput {
	/** The sentence that tells the robot what to do, or one for each of the `length` rows. */
	readonly task: string | readonly string[];
	/** [length, stateDim] in the robot's units. */
	readonly states: Float32Array;
	/** [length, actionDim] in the robot's units. */
	readonly actions: Float32Array;
	/** `length` frames for every camera key, or the video that has them. */
	readonly images: ReadonlyMap<string, FrameSequence | VideoCut>;
	/** `length` values for every extra feature: lists where its shape is not [1]. @default none */
	readonly columns?: Readonly<Record<string, readonly unknown[]>>;
}

/** What was written. */
export interface WrittenDataset {
	readonly root: string;
	readonly numEpisodes: number;
	readonly numFrames: number;
}

/** A dataset being recorded. Disposing before `finish` removes everything. */
export interface DatasetWriter extends AsyncDisposable {
	/**
	 * Adds an episode; calls must not overlap. Resolves when its frames are handed to the encoder (at most about
	 * 32 MB wait there), so recording the next episode overlaps encoding this one.
	 * @throws DatasetError "bad-episode" (nothing of it is kept and the writer is aborted), "encoder-failed", "write-failed".
	 */
	addEpisode(episode: EpisodeInput): Promise<void>;
	/** Ids of the running encoder processes. */
	readonly processIds: readonly number[];
	/**
	 * Writes metadata and moves the dataset to its place.
	 * @throws DatasetError "no-episodes" when nothing was added, "target-exists", "encoder-failed", "write-failed".
	 */
	finish(): Promise<WrittenDataset>;
}

/**
 * Opens a writer for a dataset at `dir`, which must not exist or be empty.
 * @throws RangeError for options out of range; DatasetError "target-exists", "write-failed".
 * @example
 * await using writer = await createDatasetWriter("data/reach", { fps: 30, robotType: null, stateNames, actionNames, cameras: [] });
 * await writer.addEpisode({ task: "Reach the red cube", states, actions, images: new Map() });
 * await writer.finish();
 */
export async function createDatasetWriter(
	dir: string,
	options: DatasetWriterOptions,
): Promise<DatasetWriter> {
	checkOptions(options);
	options.signal?.throwIfAborted();
	const root = resolve(dir);
	await checkTarget(root);
	let temporary: string;
	try {
		mkdirSync(dirname(root), { recursive: true });
		await removeStalePartials(root);
		temporary = await mkdtemp(join(dirname(root), partialPrefix(root)));
		mkdirSync(join(temporary, "meta"));
	} catch (cause) {
		throw writeFailed(root, cause);
	}
	return new Recording(root, temporary, options);
}

class Recording implements DatasetWriter {
	readonly #root: string;
	readonly #temporary: string;
	readonly #options: DatasetWriterOptions;
	readonly #features: Readonly<Record<string, Feature>>;
	readonly #limits: typeof DEFAULT_LIMITS;
	readonly #data: DataFiles;
	readonly #encoder: EncoderProcess | null;
	readonly #tasks: string[];
	readonly #episodes: Omit<EpisodeRecord, "videos">[] = [];
	readonly #videos: Promise<readonly EpisodeVideo[]>[] = [];
	readonly #onAbort = (): void => {
		// The running or next call waits for the same clean-up and reports its failure.
		this[Symbol.asyncDispose]().catch(() => undefined);
	};
	#cleanUp: Promise<void> | null = null;
	#numFrames = 0;
	#state: "open" | "busy" | "closed" = "open";

	constructor(root: string, temporary: string, options: DatasetWriterOptions) {
		this.#root = root;
		this.#temporary = temporary;
		this.#options = options;
		this.#tasks = [...(options.tasks ?? [])];
		this.#limits = { ...DEFAULT_LIMITS, ...options.limits };
		this.#features = datasetFeatures(options);
		this.#data = createDataFiles(temporary, this.#features, this.#limits);
		this.#encoder =
			options.cameras.length === 0
				? null
				: startEncoder({
						kind: "setup",
						root: temporary,
						pathTemplate: VIDEO_PATH,
						fps: options.fps,
						codec: codecSettings(options.codec ?? "av1", options.encoder),
						fileSizeBytes: this.#limits.videoFileSizeMb * 1024 * 1024,
						filesPerChunk: this.#limits.filesPerChunk,
						cameras: options.cameras,
					});
		options.signal?.addEventListener("abort", this.#onAbort, { once: true });
	}

	get processIds(): readonly number[] {
		return [this.#encoder?.pid ?? []].flat();
	}

	async addEpisode(episode: EpisodeInput): Promise<void> {
		await this.#exclusive(async () => {
			const episodeIndex = this.#episodes.length;
			const length = checkEpisode(episode, episodeIndex, this.#options);
			const fromIndex = this.#numFrames;
			const imageStats = await this.#encode(episode, episodeIndex, length);
			const tasks = [...new Set([episode.task].flat())];
			this.#tasks.push(...tasks.filter((task) => !this.#tasks.includes(task)));
			const place = { episodeIndex, fromIndex, length, tasks: this.#tasks, fps: this.#options.fps };
			const { rows, stats } = episodeRows(episode, place, this.#options.extraFeatures ?? {});
			const data = this.#data.append(rows, length);
			this.#episodes.push({
				episodeIndex,
				tasks,
				length,
				fromIndex,
				data,
				stats: { ...stats, ...imageStats },
			});
			this.#numFrames += length;
		}, "open");
	}

	async finish(): Promise<WrittenDataset> {
		return await this.#exclusive(async () => {
			if (this.#episodes.length === 0) {
				throw new DatasetError(
					"no-episodes",
					`no episode was added to ${this.#root}; a dataset needs at least one`,
				);
			}
			const videos = await Promise.all(this.#videos);
			await this.#encoder?.finish();
			this.#data.finish();
			const episodes = this.#episodes.map((episode, index) => ({ ...episode, videos: videos[index] ?? [] }));
			const counts = {
				numEpisodes: episodes.length,
				numFrames: this.#numFrames,
				numTasks: this.#tasks.length,
			};
			writeTasks(this.#temporary, this.#tasks);
			writeEpisodes(this.#temporary, episodes);
			await writeFile(
				join(this.#temporary, "meta/info.json"),
				infoJson(this.#options, this.#features, this.#limits, counts),
			);
			await writeFile(
				join(this.#temporary, "meta/stats.json"),
				encodeStats(aggregateStats(episodes.map(({ stats }) => stats))),
			);
			this.#options.signal?.throwIfAborted();
			await moveIntoPlace(this.#temporary, this.#root);
			return { root: this.#root, numEpisodes: episodes.length, numFrames: this.#numFrames };
		}, "closed");
	}

	async [Symbol.asyncDispose](): Promise<void> {
		this.#cleanUp ??= this.#close();
		await this.#cleanUp;
	}

	async #close(): Promise<void> {
		this.#state = "closed";
		this.#options.signal?.removeEventListener("abort", this.#onAbort);
		this.#data[Symbol.dispose]();
		await this.#encoder?.[Symbol.asyncDispose]();
		await rm(this.#temporary, { recursive: true, force: true });
	}

	/** Runs one operation at a time; any failure aborts the whole recording. */
	async #exclusive<T>(operation: () => Promise<T>, next: "open" | "closed"): Promise<T> {
		this.#options.signal?.throwIfAborted();
		if (this.#state !== "open") {
			throw new TypeError(
				`dataset writer: the previous call ${this.#state === "busy" ? "has not finished" : "ended it"}`,
			);
		}
		this.#state = "busy";
		try {
			const result = await operation();
			this.#options.signal?.throwIfAborted();
			if (next === "closed") await this[Symbol.asyncDispose]();
			this.#state = next;
			return result;
		} catch (cause) {
			await this[Symbol.asyncDispose]();
			this.#options.signal?.throwIfAborted();
			throw cause instanceof DatasetError || cause instanceof TypeError
				? cause
				: writeFailed(this.#root, cause);
		}
	}

	/** Sends an episode's frames to the encoder, camera by camera in step, and measures the sampled ones. */
	async #encode(
		episode: EpisodeInput,
		episodeIndex: number,
		length: number,
	): Promise<Record<string, FeatureStats>> {
		const encoder = this.#encoder;
		if (encoder === null) {
			this.#videos.push(Promise.resolve([]));
			return {};
		}
		const sampled = new Set(sampledFrames(length));
		const { fps } = this.#options;
		const images = this.#options.cameras.map((camera) => ({
			camera,
			given: episode.images.get(camera.key) ?? [],
		}));
		const cuts = images.map(({ given }): CutSpec | null => {
			if (!isCut(given)) return null;
			const { path, fromTimestamp, toleranceS } = given;
			return { path, fromTimestamp, toleranceS, numFrames: length, fps };
		});
		const cameras = images.flatMap(({ camera, given }, number) =>
			isCut(given) ? [] : [{ number, camera, frames: iterate(given), stats: collectImageStats() }],
		);
		encoder.begin(length, cuts);
		for (let frameIndex = 0; frameIndex <= length; frameIndex++) {
			for (const { number, camera, frames, stats } of cameras) {
				const next = await frames.next();
				if ((next.done ?? false) !== (frameIndex === length)) {
					const count = next.done ? String(frameIndex) : `more than ${length}`;
					throw badEpisode(
						episodeIndex,
						`${camera.key} has ${count} frames but the episode has ${length} states`,
					);
				}
				if (next.done) continue;
				if (next.value.length !== camera.height * camera.width * 3) {
					throw badEpisode(
						episodeIndex,
						`frame ${frameIndex} of ${camera.key} has ${next.value.length} bytes, not ${camera.height}x${camera.width}x3`,
					);
				}
				if (sampled.has(frameIndex)) {
					stats.add({ height: camera.height, width: camera.width, rgb: next.value });
				}
				await encoder.frame(number, next.value);
			}
		}
		this.#videos.push(encoder.end());
		const measured = new Map(cameras.map(({ camera, stats }) => [camera.key, stats.finish()]));
		return Object.fromEntries(
			images.flatMap(({ camera: { key }, given }) => {
				const stats = isCut(given) ? given.stats : measured.get(key);
				return stats === undefined ? [] : [[key, stats]];
			}),
		);
	}
}

function isCut(images: FrameSequence | VideoCut): images is VideoCut {
	return "fromTimestamp" in images;
}
