// Training samples of a dataset: pictures, state, task and a chunk of actions per frame, as LeRobot's
// delta_timestamps with the policy's chunk size give them (past the end of the episode the last action repeats
// and action_is_pad is 1).
import type { LeRobotDataset } from "./dataset.ts";
import { DatasetError } from "./errors.ts";
import { createFrameReader, type FrameReader } from "./frame-reader.ts";
import type { RgbImage } from "./image.ts";
import type { Rows } from "./rows.ts";
import type { Sampler } from "./sampler.ts";

/** What one frame teaches. Arrays may be views of the rows: do not modify them. */
export interface Sample {
	/** By dataset camera key; empty when read without pictures. */
	readonly images: ReadonlyMap<string, RgbImage>;
	/** [stateDim], raw units. */
	readonly state: Float32Array;
	readonly task: string;
	/** [chunkSize, actionDim], raw units. */
	readonly actions: Float32Array;
	/** [chunkSize], 1 where the action is past the end of the episode. */
	readonly actionIsPad: Uint8Array;
	readonly episodeIndex: number;
	readonly frameIndex: number;
}

/** What to read. */
export interface SampleSourceOptions {
	/** Episodes to draw from, e.g. the train part of a split. @default all */
	readonly episodes?: readonly number[];
	readonly chunkSize: number;
	/** Cameras to decode. @default all */
	readonly cameras?: readonly string[];
	/** Reader to use, which stays the caller's. @default an own one, disposed with the source */
	readonly reader?: FrameReader;
	/** Rows, when they are already read. */
	readonly rows?: Rows;
	readonly signal?: AbortSignal;
}

/** How to read samples. */
export interface ReadSampleOptions {
	/** False gives samples without pictures, and decodes nothing: for who keeps what pictures were encoded to. @default true */
	readonly images?: boolean;
	readonly signal?: AbortSignal;
}

/** How to prefetch batches. */
export interface BatchOptions {
	readonly sampler: Sampler;
	/** First position of the sampler's sequence. @default 0 */
	readonly from?: number;
	readonly batchSize: number;
	/** Batches to give. @default endless */
	readonly numBatches?: number;
	/** Batches decoded ahead of the consumer. @default 2 */
	readonly ahead?: number;
	readonly signal?: AbortSignal;
}

/** Samples by item: item i is the i-th frame of the chosen episodes in their order. */
export interface SampleSource extends AsyncDisposable {
	/** Frames to draw from. */
	readonly length: number;
	readonly rows: Rows;
	/** @throws RangeError for an item out of range; DatasetError as FrameReader.read. */
	frameAt(item: number, options?: ReadSampleOptions): Promise<Sample>;
	/** Several samples with one read; the order is kept. */
	framesAt(items: readonly number[], options?: ReadSampleOptions): Promise<Sample[]>;
	/** Batches in the sampler's order, decoded ahead; positions continue from `from`. */
	batches(options: BatchOptions): AsyncGenerator<Sample[], void, undefined>;
}

/**
 * Opens a source over some episodes.
 * @throws DatasetError "no-episodes" when there is nothing to draw from, "missing-feature" without state or action,
 *   or as readRows; RangeError for an unknown episode, camera or chunk size.
 * @example
 * await using source = await createSampleSource(dataset, { episodes: split.train, chunkSize: 16 });
 * const sampler = createSampler(source.length, [seed, site, "frames"]);
 * for await (const batch of source.batches({ sampler, from: position, batchSize: 8, numBatches: 50 })) train(batch);
 */
export async function createSampleSource(
	dataset: LeRobotDataset,
	options: SampleSourceOptions,
): Promise<SampleSource> {
	const {
		chunkSize,
		episodes = dataset.episodes.map(({ index }) => index),
		cameras = dataset.cameraKeys,
	} = options;
	if (!Number.isSafeInteger(chunkSize) || chunkSize < 1)
		throw new RangeError(`sample source: chunkSize is ${chunkSize}`);
	for (const camera of cameras) {
		if (!dataset.cameraKeys.includes(camera)) {
			throw new RangeError(
				`sample source: no camera "${camera}" in ${dataset.root} (${dataset.cameraKeys.join(", ")})`,
			);
		}
	}
	if (dataset.stateDim === 0 || dataset.actionDim === 0) {
		const lacking = dataset.stateDim === 0 ? "observation.state" : "action";
		throw new DatasetError("missing-feature", `${dataset.root} has no ${lacking}; a policy needs it`, {
			file: dataset.root,
		});
	}
	const items = itemRows(dataset, episodes);
	const rows =
		options.rows ?? (await dataset.readRows(options.signal === undefined ? {} : { signal: options.signal }));
	return new Source({ dataset, rows, items, chunkSize, cameras, reader: options.reader ?? null });
}

function itemRows(dataset: LeRobotDataset, episodes: readonly number[]): Uint32Array {
	const chosen = episodes.map((index) => {
		const episode = dataset.episodes[index];
		if (episode === undefined) {
			throw new RangeError(
				`sample source: no episode ${index} in ${dataset.root} (${dataset.numEpisodes} episodes)`,
			);
		}
		return episode;
	});
	const items = new Uint32Array(chosen.reduce((sum, { length }) => sum + length, 0));
	if (items.length === 0) {
		throw new DatasetError(
			"no-episodes",
			`${dataset.root}: no episode is left to draw from; record more episodes or hold out fewer`,
			{ file: dataset.root },
		);
	}
	let at = 0;
	for (const { fromIndex, length } of chosen) {
		for (let frame = 0; frame < length; frame++) items[at++] = fromIndex + frame;
	}
	return items;
}

/**
 * The chunk of actions from row `row` of an episode that ends before row `endRow`.
 * @returns actions [chunkSize, dim] and isPad [chunkSize].
 */
export function actionChunk(
	{ action, actionDim }: Pick<Rows, "action" | "actionDim">,
	{ row, endRow, chunkSize }: { row: number; endRow: number; chunkSize: number },
): { actions: Float32Array; actionIsPad: Uint8Array } {
	const actions = new Float32Array(chunkSize * actionDim);
	const actionIsPad = new Uint8Array(chunkSize);
	const numReal = Math.min(chunkSize, endRow - row);
	actions.set(action.subarray(row * actionDim, (row + numReal) * actionDim));
	const last = action.subarray((endRow - 1) * actionDim, endRow * actionDim);
	for (let step = numReal; step < chunkSize; step++) actions.set(last, step * actionDim);
	actionIsPad.fill(1, numReal);
	return { actions, actionIsPad };
}

class Source implements SampleSource {
	readonly rows: Rows;
	readonly #dataset: LeRobotDataset;
	readonly #items: Uint32Array;
	readonly #chunkSize: number;
	readonly #cameras: readonly string[];
	readonly #reader: FrameReader;
	readonly #ownsReader: boolean;

	constructor(parts: {
		dataset: LeRobotDataset;
		rows: Rows;
		items: Uint32Array;
		chunkSize: number;
		cameras: readonly string[];
		reader: FrameReader | null;
	}) {
		this.rows = parts.rows;
		this.#dataset = parts.dataset;
		this.#items = parts.items;
		this.#chunkSize = parts.chunkSize;
		this.#cameras = parts.cameras;
		this.#reader = parts.reader ?? createFrameReader(parts.dataset);
		this.#ownsReader = parts.reader === null;
	}

	get length(): number {
		return this.#items.length;
	}

	async frameAt(item: number, options: ReadSampleOptions = {}): Promise<Sample> {
		const [sample] = await this.framesAt([item], options);
		if (sample === undefined) throw new RangeError(`sample source: no item ${item}`);
		return sample;
	}

	async framesAt(
		items: readonly number[],
		{ images: withImages = true, ...options }: ReadSampleOptions = {},
	): Promise<Sample[]> {
		const places = items.map((item) => this.#place(item));
		const cameras = withImages ? this.#cameras : [];
		const requests = places.flatMap((place) => cameras.map((camera) => ({ ...place, camera })));
		const images = await this.#reader.read(requests, options);
		return places.map(({ row, episodeIndex, frameIndex }, position) => {
			const { stateDim, state } = this.rows;
			const endRow = this.#dataset.episodes[episodeIndex]?.toIndex ?? 0;
			const at = position * cameras.length;
			return {
				images: new Map(
					cameras.flatMap((camera, index) => {
						const image = images[at + index];
						return image === undefined ? [] : [[camera, image]];
					}),
				),
				state: state.subarray(row * stateDim, (row + 1) * stateDim),
				task: this.#dataset.tasks[this.rows.taskIndex[row] ?? 0] ?? "",
				...actionChunk(this.rows, { row, endRow, chunkSize: this.#chunkSize }),
				episodeIndex,
				frameIndex,
			};
		});
	}

	async *batches(options: BatchOptions): AsyncGenerator<Sample[], void, undefined> {
		const {
			sampler,
			from = 0,
			batchSize,
			numBatches = Number.POSITIVE_INFINITY,
			ahead = 2,
			signal,
		} = options;
		if (!Number.isSafeInteger(batchSize) || batchSize < 1)
			throw new RangeError(`batches: batchSize is ${batchSize}`);
		const underWay: Promise<Sample[]>[] = [];
		let next = 0;
		const stop = new AbortController();
		const combined = signal === undefined ? stop.signal : AbortSignal.any([signal, stop.signal]);
		try {
			for (let given = 0; given < numBatches; given++) {
				for (; next < numBatches && next <= given + ahead; next++) {
					const start = from + next * batchSize;
					const items = Array.from({ length: batchSize }, (_, index) => sampler(start + index));
					const batch = this.framesAt(items, { signal: combined });
					// Its failure is reported when its turn comes.
					batch.catch(() => undefined);
					underWay.push(batch);
				}
				const batch = underWay.shift();
				if (batch !== undefined) yield await batch;
			}
		} finally {
			stop.abort();
		}
	}

	async [Symbol.asyncDispose](): Promise<void> {
		if (this.#ownsReader) await this.#reader[Symbol.asyncDispose]();
	}

	#place(item: number): { row: number; episodeIndex: number; frameIndex: number } {
		const row = this.#items[item];
		if (row === undefined)
			throw new RangeError(`sample source: item ${item} is not in 0..${this.length - 1}`);
		return {
			row,
			episodeIndex: this.rows.episodeIndex[row] ?? 0,
			frameIndex: this.rows.frameIndex[row] ?? 0,
		};
	}
}
