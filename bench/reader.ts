// Benchmark `reader`: what a dataset costs to open, its rows, its frames, and how long a training step waits for
// data. Everything is recorded first: 50 small episodes with two cameras, a million rows of state and action, and
// videos of 480x640 as LeRobot encodes them (SVT-AV1, g=2). Decoding runs in two child processes, page cache warm.
import { spawnSync } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { rng } from "@zk0/arrays";
import { createOrtRuntime } from "@zk0/autodiff/node";
import { createDatasetWriter, createFrameReader, type FrameRequest, openDataset } from "@zk0/dataset";
import {
	createPolicyEngine,
	createPool,
	createSite,
	defaultLearning,
	openPrefixCache,
	trainOnSite,
} from "@zk0/finetune";
import { openCheckpoint, trainableNames } from "@zk0/policy";
import { recordDataset } from "@zk0/sim";
import { z } from "zod";

const NUM_RANDOM_READS = 200;
const NUM_REPEATS = 3;
/** Frames of one read, and reads under way: as training asks for them. */
const READ_AT_ONCE = 32;
const READS_UNDER_WAY = 2;

/** Result; best of three repeats for `rowsMs` and `av1Fps`. */
export interface ReaderFigures {
	readonly openMs: number;
	readonly rowsMs: number;
	/** Peak memory of a process that does nothing but reading the rows. */
	readonly rowsRssMb: number;
	/** Sequential frames per second, two decoder processes. */
	readonly av1Fps: number;
	readonly randomFrameP50Ms: number;
	/** Share of a training step with cached observations that waits for its batch; small preset, batch 16. */
	readonly dataWaitShare: number;
	/** Rows read and frames decoded. */
	readonly rows: number;
	readonly frames: number;
}

function median(values: readonly number[]): number {
	return [...values].sort((a, b) => a - b)[values.length >> 1] ?? Number.NaN;
}

/** Runs the benchmark. */
export async function runReaderBench(): Promise<ReaderFigures> {
	const root = await mkdtemp(join(tmpdir(), "zk0-bench-reader-"));
	try {
		await recordEpisodes(join(root, "episodes"));
		const startMs = performance.now();
		await openDataset(join(root, "episodes"));
		const openMs = performance.now() - startMs;
		const video = join(root, "video");
		const image = { height: 480, width: 640 };
		await recordDataset(video, { tasks: ["reach-red"], episodes: 8, seed: 1, image, codec: "av1" });
		return {
			openMs: Math.round(openMs),
			...(await measureRows(join(root, "rows"))),
			...(await measureFrames(video)),
			dataWaitShare: await measureWaiting(join(root, "site")),
		};
	} finally {
		await rm(root, { recursive: true });
	}
}

async function recordEpisodes(dir: string): Promise<void> {
	const cameras = ["top", "wrist"].map((name) => ({
		key: `observation.images.${name}`,
		height: 64,
		width: 64,
	}));
	const names = Array.from({ length: 6 }, (_, joint) => `joint_${joint}.pos`);
	const options = { fps: 30, robotType: "so100", stateNames: names, actionNames: names, cameras };
	await using writer = await createDatasetWriter(dir, { ...options, codec: "h264" });
	const length = 20;
	const frames = Array.from({ length }, (_, frame) => new Uint8Array(64 * 64 * 3).fill(frame * 9));
	for (let episode = 0; episode < 50; episode++) {
		const values = Float32Array.from({ length: length * 6 }, (_, index) => Math.sin(index + episode));
		const images = new Map(cameras.map(({ key }) => [key, frames]));
		await writer.addEpisode({ task: `Task ${episode % 5}`, states: values, actions: values, images });
	}
	await writer.finish();
}

const rowsFigures = z.object({ ms: z.number(), rssMb: z.number(), rows: z.number() });

/** Plain Node on the built packages, so that the memory is the reader's. */
const READ_ROWS = `import { openDataset } from "@zk0/dataset";
const dataset = await openDataset(process.argv[1]);
const startMs = performance.now();
const { length } = await dataset.readRows();
const ms = performance.now() - startMs;
console.log(JSON.stringify({ ms, rssMb: process.resourceUsage().maxRSS / 1024, rows: length }));`;

async function measureRows(dir: string): Promise<Pick<ReaderFigures, "rowsMs" | "rowsRssMb" | "rows">> {
	const names = Array.from({ length: 6 }, (_, joint) => `joint_${joint}.pos`);
	const options = { fps: 30, robotType: "so100", stateNames: names, actionNames: names, cameras: [] };
	{
		await using writer = await createDatasetWriter(dir, options);
		const stream = rng("bench", "rows");
		for (let episode = 0; episode < 50; episode++) {
			const walk = (): Float32Array => {
				const values = new Float32Array(20_000 * 6);
				for (let at = 6; at < values.length; at++) values[at] = (values[at - 6] ?? 0) + stream.normal() / 10;
				return values;
			};
			await writer.addEpisode({ task: "Walk", states: walk(), actions: walk(), images: new Map() });
		}
		await writer.finish();
	}
	const runs = Array.from({ length: NUM_REPEATS }, () => {
		const { stdout, stderr } = spawnSync(process.execPath, ["--input-type=module", "-e", READ_ROWS, dir], {
			encoding: "utf8",
		});
		if (stdout === "") throw new RangeError(`bench reader: reading the rows failed: ${stderr}`);
		return rowsFigures.parse(JSON.parse(stdout));
	});
	return {
		rowsMs: Math.round(Math.min(...runs.map(({ ms }) => ms))),
		rowsRssMb: Math.round(Math.max(...runs.map(({ rssMb }) => rssMb))),
		rows: runs[0]?.rows ?? 0,
	};
}

async function measureFrames(
	dir: string,
): Promise<Pick<ReaderFigures, "av1Fps" | "randomFrameP50Ms" | "frames">> {
	const dataset = await openDataset(dir);
	await using reader = createFrameReader(dataset, { processes: 2 });
	const all = dataset.cameraKeys.flatMap((camera) =>
		dataset.episodes.flatMap(({ index, length }) =>
			Array.from({ length }, (_, frameIndex): FrameRequest => ({ episodeIndex: index, frameIndex, camera })),
		),
	);
	const batches: FrameRequest[][] = [];
	for (let at = 0; at < all.length; at += READ_AT_ONCE) batches.push(all.slice(at, at + READ_AT_ONCE));
	let bestFps = 0;
	for (let repeat = -1; repeat < NUM_REPEATS; repeat++) {
		const startMs = performance.now();
		const underWay: Promise<unknown>[] = [];
		for (const batch of batches) {
			underWay.push(reader.read(batch));
			if (underWay.length >= READS_UNDER_WAY) await underWay.shift();
		}
		await Promise.all(underWay);
		if (repeat >= 0) bestFps = Math.max(bestFps, (1000 * all.length) / (performance.now() - startMs));
	}
	const stream = rng("bench", "reader");
	const randomMs: number[] = [];
	for (let read = 0; read < NUM_RANDOM_READS; read++) {
		const request = all[stream.below(all.length)];
		if (request === undefined) continue;
		const readMs = performance.now();
		await reader.read([request]);
		randomMs.push(performance.now() - readMs);
	}
	return {
		av1Fps: Math.round(bestFps),
		randomFrameP50Ms: Number(median(randomMs).toFixed(2)),
		frames: all.length,
	};
}

/** Trains on a site for two epochs, of which the second finds its observations in the prefix cache. */
async function measureWaiting(dir: string): Promise<number> {
	await recordDataset(dir, {
		tasks: ["reach-red"],
		episodes: 8,
		seed: 1,
		image: { height: 96, width: 96 },
		codec: "h264",
	});
	using base = await openCheckpoint("packages/policy/assets/small-base");
	const learning = { ...defaultLearning(base.config), batchSize: 16 };
	const policy = { ...base.model, tokenizer: base.tokenizer };
	await using site = await createSite({ name: "bench", dataset: await openDataset(dir), policy });
	await using cache = await openPrefixCache({
		dir: `${dir}-cache`,
		budgetBytes: 4e9,
		model: base.model,
		level: "kv",
	});
	await using engine = createPolicyEngine(await createOrtRuntime({ threads: 2 }), base.model, cache);
	const pool = createPool([engine]);
	const weights = new Map(
		trainableNames(base.config, base.model.vlm).map((name) => [name, base.model.tensors.read(name)]),
	);
	const numSteps = Math.ceil(site.data.trainItems.length / learning.batchSize);
	let dataWaitShare: number | null = null;
	// The first epoch fills the cache.
	for (const epoch of [0, 1]) {
		const samplesConsumed = epoch * numSteps * learning.batchSize;
		({ dataWaitShare } = await trainOnSite(site, pool, {
			weights,
			learning,
			numSteps,
			globalStep: 0,
			totalSteps: numSteps,
			from: { samplesConsumed, optimizer: null },
			proximalMu: 0,
			seed: 1,
		}));
	}
	return Number((dataWaitShare ?? Number.NaN).toFixed(4));
}
