// What frozen stages gave for a picture or a frame, kept for every later step, run and site of this machine. A cache
// belongs to one model; the store under it is shared by all. An entry's name says everything that its bits depend on:
// the computation with its weights, the arithmetic, the picture's content, the words and the masks.
import { bytesOf, type NdArray } from "@zk0/arrays";
import { sha256Hex } from "@zk0/arrays/node";
import type { Graph } from "@zk0/autodiff";
import type { PolicyModel } from "@zk0/policy";
import { once } from "../once.ts";
import { structureDigest, weightsDigest } from "./computation.ts";
import type { EntryDtype } from "./entry-codec.ts";
import { openStore, type Store, type StoreOptions } from "./store.ts";

/** What is kept: the connector's image tokens of a picture, or keys and values of every layer for a frame. */
export type CacheLevel = "connector" | "kv";

/** Part of every entry's name; changes when pictures are resized or entries are laid out differently. */
const FORMAT = "zk0 prefix 1";

/** Options of {@link openPrefixCache}. */
export interface PrefixCacheOptions extends StoreOptions {
	/** Its `train_expert_only` must be true: anything else would change what is kept. */
	readonly model: PolicyModel;
	readonly level: CacheLevel;
	/** bfloat16 halves the entries and rounds what is used. @default "float32" */
	readonly dtype?: EntryDtype;
}

/** A cache for one model; disposing it closes the store. */
export interface PrefixCache extends AsyncDisposable {
	readonly level: CacheLevel;
	readonly dtype: EntryDtype;
	readonly store: Store;
	/** Names what `graph` computes under `arithmetic`; weights are read once per graph. */
	computation(graph: Graph, arithmetic: string): Promise<string>;
	/** Names a picture's image tokens. */
	pictureKey(computation: string, pictureName: string): string;
	/** Names a frame's keys and values; a camera without a picture is null. */
	frameKey(computation: string, frame: FrameInputs): string;
}

/** What a frame's keys and values depend on besides the computation. */
export interface FrameInputs {
	/** Picture keys of the cameras in token order. */
	readonly pictures: readonly (string | null)[];
	/** int64 and float32 feeds of one frame: words, positions, masks. */
	readonly prompt: readonly NdArray[];
}

/** Opens a cache. @throws the file system's error when its directory cannot be made or read */
export async function openPrefixCache(options: PrefixCacheOptions): Promise<PrefixCache> {
	const { model, level, dtype = "float32" } = options;
	const store = await openStore(options);
	const weightDigests = new Map<string, Promise<string>>();
	return {
		level,
		dtype,
		store,
		async computation(graph, arithmetic) {
			const structure = structureDigest(graph);
			const weights = await once(weightDigests, structure, () => weightsDigest(graph, model.tensors));
			return `${structure} ${weights} ${arithmetic}`;
		},
		pictureKey: (computation, pictureName) =>
			sha256Hex(JSON.stringify([FORMAT, dtype, computation, pictureName])),
		frameKey: (computation, { pictures, prompt }) =>
			sha256Hex(
				JSON.stringify([
					FORMAT,
					dtype,
					computation,
					pictures,
					prompt.map(({ data }) => sha256Hex(bytesOf(data))),
				]),
			),
		[Symbol.asyncDispose]: () => store[Symbol.asyncDispose](),
	};
}
