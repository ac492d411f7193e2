// Frames of a dataset's cameras (videos, or pictures in the rows) by episode and frame, decoded exactly in child processes (decoder-pool).
// Results do not depend on the number of processes or on which of them decodes what.
import { availableParallelism } from "node:os";
import type { LeRobotDataset } from "./dataset.ts";
import { deferred } from "./deferred.ts";
import { DatasetError } from "./errors.ts";
import { createFrameCache, type FrameCache } from "./frame-cache.ts";
import { type FramePlace, framePlaces } from "./frame-place.ts";
import type { RgbImage } from "./image.ts";
import { DecoderPool } from "./video/decoder-pool.ts";
import type { PendingFrame } from "./video/frame-queue.ts";

/** One frame of one camera. */
export interface FrameRequest {
	readonly episodeIndex: number;
	/** Frame within the episode, 0-based. */
	readonly frameIndex: number;
	/** Dataset camera key. */
	readonly camera: string;
}

/** How a reader works. */
export interface FrameReaderOptions {
	/** Decoder processes. @default 2, or 1 on a single core */
	readonly processes?: number;
	/** How often a frame is tried again after its process ended. @default 2 */
	readonly maxRetries?: number;
	/** Time without a frame after which a busy process counts as hung, milliseconds. @default 10000 */
	readonly stallTimeoutMs?: number;
	/** Bytes of decoded frames to keep for later reads. @default 0 */
	readonly cacheBytes?: number;
}

/** Reads frames; dispose it to end the processes. */
export interface FrameReader extends AsyncDisposable {
	/**
	 * Decodes frames; results are in the order of the requests and must not be modified (equal requests share one
	 * picture). Memory holds all of them: ask for a batch at a time.
	 * @throws RangeError for a request that the dataset does not have; TypeError after disposal; DatasetError
	 *   "bad-video", "bad-image", "frame-timestamp", "frame-quarantined", "decoder-crashed" for the first frame (in the order of
	 *   requests) that cannot be had.
	 */
	read(requests: readonly FrameRequest[], options?: { signal?: AbortSignal }): Promise<RgbImage[]>;
	/** Frames given up after repeated crashes; reading one fails at once. */
	readonly quarantined: readonly FrameRequest[];
	/** Ids of the running decoder processes. */
	readonly processIds: readonly number[];
}

/**
 * A reader for the videos of `dataset`; processes start with the first read.
 * @throws RangeError for options out of range.
 * @example
 * await using reader = createFrameReader(dataset);
 * const [image] = await reader.read([{ episodeIndex: 0, frameIndex: 12, camera: "observation.images.top" }]);
 */
export function createFrameReader(dataset: LeRobotDataset, options: FrameReaderOptions = {}): FrameReader {
	return new PooledReader(dataset, options);
}

class PooledReader implements FrameReader {
	readonly #pool: DecoderPool;
	readonly #cache: FrameCache;
	readonly #placeOf: (request: FrameRequest) => FramePlace;
	readonly #quarantined = new Map<string, { readonly request: FrameRequest; readonly error: DatasetError }>();
	#disposed = false;

	constructor(dataset: LeRobotDataset, options: FrameReaderOptions) {
		const {
			processes = Math.min(2, availableParallelism()),
			maxRetries = 2,
			stallTimeoutMs = 10_000,
		} = options;
		if (!Number.isSafeInteger(processes) || processes < 1 || processes > 64) {
			throw new RangeError(`frame reader: processes is ${processes}, not in 1..64`);
		}
		if (!Number.isSafeInteger(maxRetries) || maxRetries < 0) {
			throw new RangeError(`frame reader: maxRetries is ${maxRetries}, not a non-negative integer`);
		}
		this.#placeOf = framePlaces(dataset);
		this.#pool = new DecoderPool({
			processes,
			maxRetries,
			stallTimeoutMs,
			toleranceS: dataset.toleranceS,
		});
		this.#cache = createFrameCache(options.cacheBytes ?? 0);
	}

	get quarantined(): readonly FrameRequest[] {
		return [...this.#quarantined.values()].map(({ request }) => request);
	}

	get processIds(): readonly number[] {
		return this.#pool.processIds;
	}

	async read(
		requests: readonly FrameRequest[],
		{ signal }: { signal?: AbortSignal } = {},
	): Promise<RgbImage[]> {
		if (this.#disposed) throw new TypeError("frame reader: it was disposed");
		signal?.throwIfAborted();
		const wanted = new Map(requests.map((request) => [frameKey(request), request]));
		const results = new Map<string, RgbImage | DatasetError>();
		const pending: PendingFrame[] = [];
		const done = deferred<undefined>();
		for (const [key, request] of wanted) {
			const known = this.#cache.get(key) ?? this.#quarantined.get(key)?.error;
			if (known !== undefined) {
				results.set(key, known);
				continue;
			}
			const settle = (result: RgbImage | DatasetError): void => {
				results.set(key, result);
				this.#remember(key, request, result);
				if (results.size === wanted.size) done.resolve(undefined);
			};
			pending.push({ ...request, ...this.#placeOf(request), crashes: 0, settle });
		}
		if (pending.length > 0) {
			const onAbort = (): void => {
				this.#pool.forget(new Set(pending));
				done.resolve(undefined);
			};
			signal?.addEventListener("abort", onAbort, { once: true });
			this.#pool.decode(pending);
			await done.promise;
			signal?.removeEventListener("abort", onAbort);
			signal?.throwIfAborted();
		}
		return requests.map((request) => {
			const result = results.get(frameKey(request));
			if (result === undefined) throw new TypeError("frame reader: it was disposed while reading");
			if (result instanceof DatasetError) throw result;
			return result;
		});
	}

	async [Symbol.asyncDispose](): Promise<void> {
		this.#disposed = true;
		await this.#pool[Symbol.asyncDispose]();
	}

	#remember(key: string, request: FrameRequest, result: RgbImage | DatasetError): void {
		if (!(result instanceof DatasetError)) this.#cache.set(key, result);
		else if (result.code === "frame-quarantined") this.#quarantined.set(key, { request, error: result });
	}
}

function frameKey({ episodeIndex, frameIndex, camera }: FrameRequest): string {
	return `${episodeIndex}/${frameIndex}/${camera}`;
}
