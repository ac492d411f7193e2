// Benchmark `reader`: how fast frames and rows of a recorded dataset come. The dataset is recorded first
// (480x640 AV1 as LeRobot encodes it, and the small preset's size); decoding runs in child processes, page cache warm.
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { rng } from "@zk0/arrays";
import { createFrameReader, openDataset } from "@zk0/dataset";
import { recordDataset } from "@zk0/sim";

const NUM_RANDOM_READS = 100;

/** Figures of one dataset. */
export interface ReaderFigure {
	readonly size: string;
	readonly frames: number;
	readonly openMs: number;
	readonly rowsMs: number;
	/** Sequential frames per second over all cameras. */
	readonly fps: number;
	readonly randomFrameP50Ms: number;
}

function median(values: readonly number[]): number {
	return [...values].sort((a, b) => a - b)[values.length >> 1] ?? Number.NaN;
}

async function measure(dir: string, size: string): Promise<ReaderFigure> {
	const openedMs = performance.now();
	const dataset = await openDataset(dir);
	const rowsFromMs = performance.now();
	await dataset.readRows();
	const rowsMs = performance.now() - rowsFromMs;
	await using reader = createFrameReader(dataset, { processes: 2 });
	const all = dataset.cameraKeys.flatMap((camera) =>
		dataset.episodes.flatMap(({ index, length }) =>
			Array.from({ length }, (_, frameIndex) => ({ episodeIndex: index, frameIndex, camera })),
		),
	);
	await reader.read(all.slice(0, 4));
	const startMs = performance.now();
	for (let from = 0; from < all.length; from += 64) await reader.read(all.slice(from, from + 64));
	const seconds = (performance.now() - startMs) / 1000;
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
		size,
		frames: all.length,
		openMs: Math.round(rowsFromMs - openedMs),
		rowsMs: Math.round(rowsMs),
		fps: Math.round(all.length / seconds),
		randomFrameP50Ms: Number(median(randomMs).toFixed(2)),
	};
}

/** Records, then measures. */
export async function runReaderBench(): Promise<ReaderFigure[]> {
	const root = await mkdtemp(join(tmpdir(), "zk0-bench-reader-"));
	try {
		const figures: ReaderFigure[] = [];
		for (const [height, width] of [
			[96, 96],
			[480, 640],
		] as const) {
			const dir = join(root, `${height}x${width}`);
			await recordDataset(dir, {
				tasks: ["reach-red"],
				episodes: 8,
				seed: 1,
				image: { height, width },
				codec: "av1",
			});
			figures.push(await measure(dir, `${height}x${width}`));
		}
		return figures;
	} finally {
		await rm(root, { recursive: true });
	}
}
