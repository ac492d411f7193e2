// The golden batch as a prefix cache gives it back: written by one cache, read by another one that must find it all.
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { OrtRuntime } from "@zk0/autodiff/node";
import { type CacheLevel, createPrefixEncoder, openPrefixCache, zeroCounts } from "@zk0/finetune";
import { FEED } from "@zk0/policy";
import type { GoldenBatch } from "./feeds.ts";
import type { Reference } from "./reference.ts";

const BUDGET_BYTES = 2 ** 30;

/** The batch with keys and values, from a cache of `level`, in the place of pixels. */
export async function cachedBatch(
	{ model }: Reference,
	batch: GoldenBatch,
	runtime: OrtRuntime,
	level: CacheLevel,
): Promise<GoldenBatch> {
	const dir = await mkdtemp(join(tmpdir(), "zk0-golden-cache-"));
	const frames = batch.pictures.map((pictures, sample) => ({
		cameras: new Set(pictures.keys()),
		pictureNames: new Map([...pictures.keys()].map((camera) => [camera, `${sample} ${camera}`])),
	}));
	const pass = async () => {
		await using cache = await openPrefixCache({ model, level, dir, budgetBytes: BUDGET_BYTES });
		const counts = zeroCounts();
		const feeds = await createPrefixEncoder(runtime, model, cache).encode(
			new Map([...batch.feeds].filter(([name]) => name !== FEED.images)),
			frames,
			{ cameras: batch.layout.cameras, languageLength: batch.layout.languageLength },
			{ counts, pictures: async (numbers) => numbers.map((number) => batch.pictures[number] ?? new Map()) },
		);
		return { feeds, counts };
	};
	try {
		await pass();
		const { feeds, counts } = await pass();
		if (counts.misses > 0)
			throw new RangeError(`the cache lost ${counts.misses} of ${frames.length} samples`);
		return { ...batch, feeds, from: "prefixKv" };
	} finally {
		await rm(dir, { recursive: true });
	}
}
