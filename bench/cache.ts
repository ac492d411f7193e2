// Benchmark `cache`: full-size training steps from pixels, and from what a prefix cache of each level gives back, cold
// and warm: how much they differ, what an entry takes, and how long it takes to compute and to read.
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type NamedArrays, type NdArray, ndArray, rng, toFloat32 } from "@zk0/arrays";
import { feedsOf } from "@zk0/autodiff";
import { createOrtRuntime, type OrtRuntime } from "@zk0/autodiff/node";
import {
	type CacheLevel,
	createPrefixEncoder,
	type EntryDtype,
	openPrefixCache,
	zeroCounts,
} from "@zk0/finetune";
import {
	buildTrainGraph,
	FEED,
	modelDims,
	observationFeeds,
	type PolicyImage,
	type PrefixFeed,
	prefixLayout,
	resizeWithPad,
} from "@zk0/policy";
import { randomFeeds, round } from "./arithmetic.ts";
import { CAMERAS, type FullSizeModel, openFullSize } from "./full-size/model.ts";
import { randomWeights } from "./full-size/run.ts";

const NUM_FRAMES = 2;
/** Valid language tokens of each frame, of 48 slots. */
const NUM_WORDS = [11, 7];
const BUDGET_BYTES = 2 ** 30;

/** Pictures as cameras give them, and every feed of a batch but keys and values. */
interface Batch {
	readonly pictures: readonly ReadonlyMap<string, PolicyImage>[];
	/** With pixels. */
	readonly feeds: NamedArrays;
}

/** A step's loss and gradients. */
type Step = NamedArrays;

/** Runs the benchmark; it takes a few minutes. */
export async function runCacheBench({ checkpoint = randomWeights() } = {}): Promise<unknown> {
	using full = openFullSize(checkpoint);
	const batch = randomBatch(full);
	const dir = await mkdtemp(join(tmpdir(), "zk0-bench-cache-"));
	try {
		const rows: Record<string, unknown>[] = [];
		let expected: Step;
		{
			await using runtime = await createOrtRuntime({ threads: 2 });
			expected = await step(runtime, full, batch, "images", new Map());
		}
		const known = new Map<string, Step>();
		for (const { level, dtype, threads, states } of PASSES) {
			for (const state of states) {
				// A runtime for each pass: what the one before holds must not be in the way.
				await using runtime = await createOrtRuntime({ threads });
				const place = join(dir, `${level}-${dtype}-${threads}`);
				const { feeds, ...figures } = await encode(runtime, full, batch, { level, dtype, dir: place });
				const found = await step(runtime, full, batch, "prefixKv", feeds);
				const other = known.get(`${dtype} ${threads}`);
				known.set(`${dtype} ${threads}`, other ?? found);
				const row = {
					level,
					dtype,
					threads,
					state,
					...figures,
					lossDifference: lossDifference(found, expected),
					gradientDifference: gradientDifference(full, found, expected),
					sameBitsAsFirst: other === undefined ? null : isSame(found, other),
				};
				console.error(JSON.stringify(row));
				rows.push(row);
			}
		}
		const exact = rows.filter(({ dtype }) => dtype === "float32");
		const largest = (key: string): number => Math.max(...exact.map((row) => Number(row[key])));
		return {
			frames: NUM_FRAMES,
			lossDifference: largest("lossDifference"),
			gradientDifference: largest("gradientDifference"),
			rows,
		};
	} finally {
		await rm(dir, { recursive: true });
	}
}

interface Pass {
	readonly level: CacheLevel;
	readonly dtype: EntryDtype;
	readonly threads: number;
	readonly states: readonly ("cold" | "warm")[];
}

const PASSES: readonly Pass[] = [
	{ level: "kv", dtype: "float32", threads: 2, states: ["cold", "warm"] },
	{ level: "connector", dtype: "float32", threads: 2, states: ["cold", "warm"] },
	{ level: "kv", dtype: "float32", threads: 1, states: ["cold"] },
	{ level: "kv", dtype: "bfloat16", threads: 2, states: ["cold"] },
];

function randomBatch({ model, trained }: FullSizeModel): Batch {
	const dims = modelDims(model.config, model.vlm);
	const layout = prefixLayout(model.config, dims, { cameras: CAMERAS });
	const { imageHeight: height, imageWidth: width } = dims.vision;
	const stride = 3 * height * width;
	const images = new Float32Array(NUM_FRAMES * CAMERAS.length * stride);
	const pictures = Array.from({ length: NUM_FRAMES }, (_, frame) => {
		const seen = CAMERAS.map((camera, index): [string, PolicyImage] => {
			const stream = rng("bench", frame, camera);
			const rgb = Uint8Array.from({ length: 480 * 640 * 3 }, () => stream.below(256));
			const picture = { height: 480, width: 640, rgb };
			const slot = frame * CAMERAS.length + index;
			resizeWithPad(picture, { height, width }, images.subarray(slot * stride, (slot + 1) * stride));
			return [camera, picture];
		});
		return new Map(seen);
	});
	const words = rng("bench", "words");
	const length = layout.languageLength;
	const ids = BigInt64Array.from({ length: NUM_FRAMES * length }, () => BigInt(words.below(1000)));
	const mask = Uint8Array.from({ length: NUM_FRAMES * length }, (_, index) =>
		index % length < (NUM_WORDS[Math.floor(index / length)] ?? 0) ? 1 : 0,
	);
	const states = rng("bench", "state");
	const observed = observationFeeds(
		{
			images,
			cameraMask: new Uint8Array(NUM_FRAMES * CAMERAS.length).fill(1),
			language: { ids: ndArray("int64", [NUM_FRAMES, length], ids), mask },
			state: Float32Array.from({ length: NUM_FRAMES * dims.maxStateDim }, () => states.normal()),
		},
		layout,
		dims,
	);
	const graph = buildTrainGraph(model, { batchSize: NUM_FRAMES, cameras: CAMERAS });
	const random = randomFeeds(graph, new Set([...trained, ...observed.keys()]));
	random.set(FEED.valid, ones(random.get(FEED.valid)));
	return { pictures, feeds: new Map([...random, ...observed]) };
}

function ones(array: NdArray | undefined): NdArray {
	if (array === undefined) throw new RangeError("cache bench: the graph takes no mask of valid actions");
	return ndArray("float32", array.shape, new Float32Array(array.data.length).fill(1));
}

async function encode(
	runtime: OrtRuntime,
	{ model }: FullSizeModel,
	{ pictures, feeds }: Batch,
	where: { readonly level: CacheLevel; readonly dtype: EntryDtype; readonly dir: string },
) {
	const startMs = performance.now();
	await using cache = await openPrefixCache({ model, budgetBytes: BUDGET_BYTES, ...where });
	const encoder = createPrefixEncoder(runtime, model, cache);
	const counts = zeroCounts();
	const run = () =>
		encoder.encode(
			new Map([...feeds].filter(([name]) => name !== FEED.images)),
			pictures.map((seen, frame) => ({
				cameras: new Set(seen.keys()),
				pictureNames: new Map([...seen.keys()].map((camera) => [camera, `${frame} ${camera}`])),
			})),
			{ cameras: CAMERAS },
			{ counts, pictures: async (numbers) => numbers.map((number) => pictures[number] ?? new Map()) },
		);
	const encoded = await run();
	const firstMs = performance.now() - startMs;
	const { misses } = counts;
	const againMs = performance.now();
	await run();
	return {
		feeds: encoded,
		misses,
		entryBytes: Math.round((counts.writtenBytes + counts.readBytes) / NUM_FRAMES / 2),
		/** With opening the cache, reading the weights for their names, and compiling what is needed. */
		firstMsPerFrame: round(firstMs / NUM_FRAMES, 1),
		againMsPerFrame: round((performance.now() - againMs) / NUM_FRAMES, 1),
	};
}

async function step(
	runtime: OrtRuntime,
	{ model, file, trained }: FullSizeModel,
	batch: Batch,
	from: PrefixFeed,
	prefix: NamedArrays,
): Promise<Step> {
	const graph = buildTrainGraph(model, { batchSize: NUM_FRAMES, cameras: CAMERAS, from });
	const feeds = new Map<string, NdArray>([...batch.feeds, ...prefix]);
	for (const name of trained) feeds.set(name, file.readFloat32(name));
	const wanted = feedsOf(graph);
	await using session = await runtime.compile(graph);
	return await session.run(new Map([...feeds].filter(([name]) => wanted.has(name))));
}

function floats(found: Step, name: string): Float32Array {
	const array = found.get(name);
	if (array === undefined) throw new RangeError(`cache bench: no output ${name}`);
	return toFloat32(array);
}

function lossDifference(found: Step, expected: Step): number {
	const [loss = Number.NaN] = floats(found, "loss");
	const [wanted = Number.NaN] = floats(expected, "loss");
	return Math.abs(loss - wanted) / Math.abs(wanted);
}

/** Largest relative L2 difference of a tensor's gradient; one below 1e-5 of the total norm is measured against that. */
function gradientDifference({ trained }: FullSizeModel, found: Step, expected: Step): number {
	const norms = trained.map((name) => norm(floats(expected, `grad:${name}`)));
	const floor = 1e-5 * Math.hypot(...norms);
	return Math.max(
		...trained.map((name, index) => {
			const wanted = floats(expected, `grad:${name}`);
			const difference = floats(found, `grad:${name}`).map((value, at) => value - (wanted[at] ?? Number.NaN));
			return norm(difference) / Math.max(norms[index] ?? 0, floor);
		}),
	);
}

function isSame(found: Step, other: Step): boolean {
	return [...found.keys()].every((name) => {
		const [mine, theirs] = [floats(found, name), floats(other, name)];
		return mine.every((value, index) => value === theirs[index]);
	});
}

function norm(values: Float32Array): number {
	let sum = 0;
	for (const value of values) sum += value * value;
	return Math.sqrt(sum);
}
