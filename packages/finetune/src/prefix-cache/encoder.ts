// Observations to the keys and values that training, evaluation and sampling start from: read from the cache, or
// computed by two graphs, always one picture and one frame at a time. Results are the same bits with a cache of either
// level or none, cold or warm (with bfloat16 entries: rounded, but the same cold or warm).
import { type NamedArrays, type NdArray, ndArray } from "@zk0/arrays";
import { feedsOf, type Graph, outputsOf, type Runtime, type Session, type TensorType } from "@zk0/autodiff";
import {
	type BatchContext,
	buildImageTokensGraph,
	buildPrefixGraph,
	FEED,
	IMAGE_TOKENS,
	modelDims,
	type PolicyImage,
	type PolicyModel,
	type PrefixOptions,
	type Prompt,
	pictureFeed,
	prefixLayout,
	preparePrompts,
} from "@zk0/policy";
import { once } from "../once.ts";
import { withSignal } from "../signal-option.ts";
import { keepEntry, NUMBER_BYTES, readEntry } from "./entry-codec.ts";
import type { PrefixCache } from "./prefix-cache.ts";
import { type ColumnRuns, columnViews, validColumns, zeroBatch } from "./valid-columns.ts";

/** One moment as the policy is asked about it. */
export interface Observation extends Prompt {
	/** Content names of the pictures by policy camera; null for pictures that will not be seen again. */
	readonly pictureNames: ReadonlyMap<string, string> | null;
}

/** Pictures by policy camera. */
export type Pictures = ReadonlyMap<string, PolicyImage>;

/** How observations are turned into feeds. */
export interface ObserveOptions {
	/** Gives the pictures of some of the observations, by their numbers; asked only for what is not kept. */
	pictures(numbers: readonly number[]): Promise<readonly Pictures[]>;
	/** Told what was found. */
	readonly counts?: CacheCounts;
	readonly signal?: AbortSignal | undefined;
}

/** What became of observations; numbers only grow. */
export interface CacheCounts {
	/** Observations that needed no picture. */
	hits: number;
	/** Observations whose pictures were decoded and encoded. */
	misses: number;
	readBytes: number;
	writtenBytes: number;
}

/** Counts that start at zero. */
export function zeroCounts(): CacheCounts {
	return { hits: 0, misses: 0, readBytes: 0, writtenBytes: 0 };
}

/** A stage of one runtime: its types are known at once, its session is compiled when first needed. */
interface Stage {
	readonly feeds: ReadonlyMap<string, TensorType>;
	readonly outputs: ReadonlyMap<string, TensorType>;
	/** Names what it computes; null when nothing is kept under that name. */
	readonly computation: string | null;
	run(feeds: NamedArrays, signal: AbortSignal | undefined): Promise<Map<string, NdArray>>;
}

/** Encodes observations of one model with a frozen prefix. */
export interface PrefixEncoder {
	/**
	 * Feeds `[B, ...]` of the graphs that start from keys and values, for prompts that are feeds already (words,
	 * positions, state); `frames` says of each which pictures it has.
	 */
	encode(
		prompts: NamedArrays,
		frames: readonly Pick<Observation, "cameras" | "pictureNames">[],
		prefix: PrefixOptions,
		options: ObserveOptions,
	): Promise<Map<string, NdArray>>;
	/** Feeds `[B, ...]` of the graphs that start from keys and values. */
	observe(
		observations: readonly Observation[],
		context: BatchContext,
		options: ObserveOptions,
	): Promise<Map<string, NdArray>>;
}

/** An encoder on `runtime`, which stays the caller's; `cache` may be shared between encoders. */
export function createPrefixEncoder(
	runtime: Runtime,
	model: PolicyModel,
	cache: PrefixCache | null,
): PrefixEncoder {
	const stages = new Map<string, Promise<Stage>>();
	const encode: PrefixEncoder["encode"] = async (prompts, frames, prefix, options) => {
		const vision = await once(stages, "vision", () =>
			makeStage(runtime, buildImageTokensGraph(model), cache),
		);
		const { cameras, languageLength } = prefixLayout(
			model.config,
			modelDims(model.config, model.vlm),
			prefix,
		);
		const language = await once(stages, JSON.stringify([cameras, languageLength]), () =>
			// Only keys and values are named after this stage; its weights need not be read for anything else.
			makeStage(
				runtime,
				buildPrefixGraph(model, { cameras, languageLength }),
				cache?.level === "kv" ? cache : null,
			),
		);
		const parts = { model, cache, vision, language, cameras };
		return await new Batch(parts, prompts, frames, options).feeds();
	};
	return {
		encode,
		observe: (observations, context, options) =>
			encode(preparePrompts(observations, context), observations, context, options),
	};
}

async function makeStage(runtime: Runtime, graph: Graph, cache: PrefixCache | null): Promise<Stage> {
	const sessions = new Map<string, Promise<Session>>();
	return {
		feeds: feedsOf(graph),
		outputs: outputsOf(graph),
		computation: cache === null ? null : await cache.computation(graph, runtime.arithmetic),
		async run(feeds, signal) {
			const session = await once(sessions, "", () => runtime.compile(graph));
			return await session.run(feeds, withSignal(signal));
		},
	};
}

interface BatchParts {
	readonly model: PolicyModel;
	readonly cache: PrefixCache | null;
	readonly vision: Stage;
	readonly language: Stage;
	readonly cameras: readonly string[];
}

/** One call of `observe`. */
class Batch {
	readonly #parts: BatchParts;
	readonly #observations: readonly Pick<Observation, "cameras" | "pictureNames">[];
	readonly #options: ObserveOptions;
	readonly #prompts: NamedArrays;
	readonly #keyValues: Map<string, NdArray<"float32">>;

	constructor(
		parts: BatchParts,
		prompts: NamedArrays,
		observations: readonly Pick<Observation, "cameras" | "pictureNames">[],
		options: ObserveOptions,
	) {
		this.#parts = parts;
		this.#observations = observations;
		this.#options = options;
		this.#prompts = prompts;
		this.#keyValues = zeroBatch(parts.language.outputs, observations.length);
	}

	async feeds(): Promise<Map<string, NdArray>> {
		const numbers = this.#observations.map((_, number) => number);
		const missing = await this.#absent(numbers, (number) => this.#readFrame(number));
		const tokens = new Map(missing.map((number) => [number, this.#emptyTokens()]));
		const unseen = await this.#absent(missing, (number) => this.#readPictures(number, tokens.get(number)));
		const { counts } = this.#options;
		if (counts !== undefined) {
			counts.misses += unseen.length;
			counts.hits += numbers.length - unseen.length;
		}
		const pictures = unseen.length === 0 ? [] : await this.#options.pictures(unseen);
		for (const [index, number] of unseen.entries()) {
			await this.#encodePictures(number, pictures[index] ?? new Map(), tokens.get(number));
		}
		for (const [number, given] of tokens) await this.#encodeFrame(number, given);
		const forPrefixOnly: readonly string[] = [FEED.languageIds, FEED.prefixPositions];
		return new Map([
			...[...this.#prompts].filter(([name]) => !forPrefixOnly.includes(name)),
			...this.#keyValues,
		]);
	}

	/** Those of `numbers` that `read` does not find, after a second look at what other processes wrote meanwhile. */
	async #absent(
		numbers: readonly number[],
		read: (number: number) => Promise<boolean>,
	): Promise<readonly number[]> {
		const { cache } = this.#parts;
		if (cache === null) return numbers;
		const look = async (wanted: readonly number[]): Promise<readonly number[]> => {
			const found = await Promise.all(wanted.map(read));
			return wanted.filter((_, index) => found[index] !== true);
		};
		const first = await look(numbers);
		if (first.length === 0) return first;
		await cache.store.refresh();
		return await look(first);
	}

	async #readFrame(number: number): Promise<boolean> {
		const { cache } = this.#parts;
		const key = this.#frameKey(number);
		if (cache?.level !== "kv" || key === null) return false;
		return await this.#read(cache, key, columnViews(this.#keyValues, number, this.#columns(number)));
	}

	async #readPictures(number: number, tokens: NdArray<"float32"> | undefined): Promise<boolean> {
		const { cache, cameras } = this.#parts;
		if (cache?.level !== "connector" || tokens === undefined) return false;
		const found = await Promise.all(
			cameras.map(async (camera, index) => {
				if (this.#observations[number]?.cameras.has(camera) !== true) return true;
				const key = this.#pictureKey(number, camera);
				return key !== null && (await this.#read(cache, key, [this.#tokensOf(tokens, index)]));
			}),
		);
		return found.every(Boolean);
	}

	async #read(cache: PrefixCache, key: string, views: readonly Float32Array[]): Promise<boolean> {
		const isFound = await readEntry(cache.store, cache.dtype, key, views);
		const { counts } = this.#options;
		if (isFound && counts !== undefined) counts.readBytes += entryBytes(cache, views);
		return isFound;
	}

	async #keep(cache: PrefixCache, key: string, views: readonly Float32Array[]): Promise<void> {
		const isKept = await keepEntry(cache.store, cache.dtype, key, views);
		const { counts } = this.#options;
		if (isKept && counts !== undefined) counts.writtenBytes += entryBytes(cache, views);
	}

	async #encodePictures(
		number: number,
		pictures: Pictures,
		tokens: NdArray<"float32"> | undefined,
	): Promise<void> {
		const { model, cache, cameras, vision } = this.#parts;
		const { signal } = this.#options;
		if (tokens === undefined) throw new RangeError(`observe: no tokens for observation ${number}`);
		for (const [index, camera] of cameras.entries()) {
			signal?.throwIfAborted();
			const picture = pictures.get(camera);
			if (picture === undefined) continue;
			const images = pictureFeed(picture, modelDims(model.config, model.vlm));
			const outputs = await vision.run(new Map([[FEED.images, images]]), signal);
			const view = this.#tokensOf(tokens, index);
			view.set(floats(outputs, IMAGE_TOKENS));
			const key = cache?.level === "connector" ? this.#pictureKey(number, camera) : null;
			if (cache !== null && key !== null) await this.#keep(cache, key, [view]);
		}
	}

	async #encodeFrame(number: number, tokens: NdArray<"float32">): Promise<void> {
		const { language, cache } = this.#parts;
		const { signal } = this.#options;
		const feeds = new Map<string, NdArray>([[IMAGE_TOKENS, tokens]]);
		for (const [name, type] of language.feeds)
			if (name !== IMAGE_TOKENS) feeds.set(name, this.#prompt(name, number, type));
		const outputs = await language.run(feeds, signal);
		const columns = this.#columns(number);
		const views = columnViews(this.#keyValues, number, columns);
		for (const [index, view] of columnViews(outputs, 0, columns).entries()) views[index]?.set(view);
		const key = cache?.level === "kv" ? this.#frameKey(number) : null;
		if (cache !== null && key !== null) await this.#keep(cache, key, views);
	}

	/** One observation's part of a prompt feed, `[1, ...]`. */
	#prompt(name: string, number: number, { shape }: Pick<TensorType, "shape">): NdArray {
		const array = this.#prompts.get(name);
		if (array === undefined) throw new RangeError(`observe: no feed ${name}`);
		const stride = array.data.length / this.#observations.length;
		const [from, to] = [number * stride, (number + 1) * stride];
		if (array.data instanceof BigInt64Array) return ndArray("int64", shape, array.data.subarray(from, to));
		if (array.data instanceof Float32Array) return ndArray("float32", shape, array.data.subarray(from, to));
		throw new TypeError(`observe: a feed of ${array.dtype}, expected float32 or int64`);
	}

	#columns(number: number): ColumnRuns {
		const { data } = this.#prompt(FEED.prefixBias, number, { shape: this.#biasShape() });
		if (!(data instanceof Float32Array)) throw new TypeError("observe: the prefix bias is not float32");
		return validColumns(data);
	}

	#biasShape(): readonly number[] {
		return [1, ...(this.#prompts.get(FEED.prefixBias)?.shape.slice(1) ?? [])];
	}

	#emptyTokens(): NdArray<"float32"> {
		const { shape } = this.#parts.language.feeds.get(IMAGE_TOKENS) ?? { shape: [] };
		return ndArray("float32", shape, new Float32Array(shape.reduce((product, size) => product * size, 1)));
	}

	#tokensOf(tokens: NdArray<"float32">, cameraIndex: number): Float32Array {
		const stride = tokens.data.length / this.#parts.cameras.length;
		return tokens.data.subarray(cameraIndex * stride, (cameraIndex + 1) * stride);
	}

	#pictureKey(number: number, camera: string): string | null {
		const { cache, vision } = this.#parts;
		const name = this.#observations[number]?.pictureNames?.get(camera);
		if (cache === null || vision.computation === null || name === undefined) return null;
		return cache.pictureKey(vision.computation, name);
	}

	#frameKey(number: number): string | null {
		const { cache, cameras, language } = this.#parts;
		const observation = this.#observations[number];
		if (cache === null || language.computation === null || observation?.pictureNames == null) return null;
		const pictures = cameras.map((camera) =>
			observation.cameras.has(camera) ? this.#pictureKey(number, camera) : null,
		);
		const prompt = [...language.feeds]
			.filter(([name]) => name !== IMAGE_TOKENS)
			.map(([name, type]) => this.#prompt(name, number, type));
		return cache.frameKey(language.computation, { pictures, prompt });
	}
}

function entryBytes({ dtype }: PrefixCache, views: readonly Float32Array[]): number {
	return NUMBER_BYTES[dtype] * views.reduce((sum, { length }) => sum + length, 0);
}

function floats(outputs: ReadonlyMap<string, NdArray>, name: string): Float32Array {
	const array = outputs.get(name);
	if (array?.data instanceof Float32Array) return array.data;
	throw new TypeError(`observe: the graph returned no float32 "${name}"`);
}
