// Small synthetic recordings whose frames carry their own number, so that a test can tell which frame it got.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { RgbImage } from "../image.ts";
import { createDatasetWriter, type DatasetWriterOptions, type EpisodeInput } from "../writer.ts";

/** Cameras of the synthetic recordings. */
export const CAMERAS = [
	{ key: "observation.images.top", height: 64, width: 96 },
	{ key: "observation.images.wrist", height: 64, width: 64 },
] as const;

/** Writer options of the synthetic recordings. */
export const OPTIONS: DatasetWriterOptions = {
	fps: 10,
	robotType: "so100_follower",
	stateNames: ["shoulder_pan.pos", "gripper.pos"],
	actionNames: ["shoulder_pan.pos", "elbow_flex.pos", "gripper.pos"],
	cameras: CAMERAS,
};

/** A temporary folder that `using` removes. */
export function temporaryFolder(): Disposable & { readonly path: string } {
	const path = mkdtempSync(join(tmpdir(), "zk0-dataset-"));
	return { path, [Symbol.dispose]: () => rmSync(path, { recursive: true, force: true }) };
}

/** Tells frames apart: unique for episodes below 8, frames below 64 and two cameras. */
export function markerOf(episodeIndex: number, frameIndex: number, camera: number): number {
	return (episodeIndex << 7) | (frameIndex << 1) | camera;
}

/** A soft gradient with 12 black or white blocks that spell `marker` in binary. */
export function markedImage(height: number, width: number, marker: number): Uint8Array {
	const rgb = new Uint8Array(height * width * 3);
	for (let row = 0; row < height; row++) {
		for (let column = 0; column < width; column++) {
			const at = (row * width + column) * 3;
			const bit = Math.floor(row / 16) * 4 + Math.floor(column / 16);
			const isBlock = row < 48 && column < 64;
			const block = (marker >> bit) & 1 ? 235 : 20;
			rgb[at] = isBlock ? block : 60 + column;
			rgb[at + 1] = isBlock ? block : 80 + row;
			rgb[at + 2] = isBlock ? block : 120;
		}
	}
	return rgb;
}

/** The marker that a decoded frame shows. */
export function readMarker({ width, rgb }: RgbImage): number {
	let marker = 0;
	for (let bit = 0; bit < 12; bit++) {
		const row = Math.floor(bit / 4) * 16 + 8;
		const column = (bit % 4) * 16 + 8;
		if ((rgb[(row * width + column) * 3] ?? 0) > 128) marker |= 1 << bit;
	}
	return marker;
}

/** Episode `episodeIndex` of `length` frames with values that tell where they belong. */
export function syntheticEpisode(
	episodeIndex: number,
	length: number,
	{
		task = `Task ${episodeIndex % 2}`,
		cameras = CAMERAS,
	}: { task?: string; cameras?: DatasetWriterOptions["cameras"] } = {},
): EpisodeInput {
	const states = Float32Array.from(
		{ length: length * 2 },
		(_, index) => Math.sin(index / 7 + episodeIndex) * 90,
	);
	const actions = Float32Array.from({ length: length * 3 }, (_, index) => index / 3 + 100 * episodeIndex);
	const images = new Map(
		cameras.map(({ key, height, width }, camera) => [
			key,
			Array.from({ length }, (_, frame) => markedImage(height, width, markerOf(episodeIndex, frame, camera))),
		]),
	);
	return { task, states, actions, images };
}

/** Records episodes of the given lengths at `dir` and returns what went in. */
export async function recordSynthetic(
	dir: string,
	lengths: readonly number[],
	overrides: Partial<DatasetWriterOptions> = {},
): Promise<EpisodeInput[]> {
	const options = { ...OPTIONS, ...overrides };
	const episodes = lengths.map((length, index) =>
		syntheticEpisode(index, length, { cameras: options.cameras }),
	);
	await using writer = await createDatasetWriter(dir, options);
	for (const episode of episodes) await writer.addEpisode(episode);
	await writer.finish();
	return episodes;
}
