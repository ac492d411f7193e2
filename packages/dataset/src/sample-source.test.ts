// Samples against brute force, batches in the sampler's order, and what is refused.
import { join } from "node:path";
import fc from "fast-check";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type LeRobotDataset, openDataset } from "./dataset.ts";
import { createFrameReader } from "./frame-reader.ts";
import { actionChunk, createSampleSource, type Sample } from "./sample-source.ts";
import { createSampler } from "./sampler.ts";
import { CAMERAS, markerOf, readMarker, recordSynthetic, temporaryFolder } from "./testing/recordings.ts";
import type { EpisodeInput } from "./writer.ts";

const LENGTHS = [6, 3, 9];
const folder = temporaryFolder();
let dataset: LeRobotDataset;
let recorded: EpisodeInput[];

beforeAll(async () => {
	recorded = await recordSynthetic(join(folder.path, "recordings"), LENGTHS);
	dataset = await openDataset(join(folder.path, "recordings"));
});
afterAll(() => folder[Symbol.dispose]());

test("a chunk is the next actions; past the end the last one repeats and is marked", () => {
	const sizes = fc.record({
		length: fc.integer({ min: 1, max: 20 }),
		before: fc.nat(10),
		chunkSize: fc.integer({ min: 1, max: 30 }),
		actionDim: fc.integer({ min: 1, max: 4 }),
		frame: fc.nat(19),
	});
	fc.assert(
		fc.property(sizes, ({ length, before, chunkSize, actionDim, frame: wanted }) => {
			const frame = wanted % length;
			const numRows = before + length + 3;
			const action = Float32Array.from({ length: numRows * actionDim }, (_, index) => index);
			const endRow = before + length;
			const chunk = actionChunk({ action, actionDim }, { row: before + frame, endRow, chunkSize });
			for (let step = 0; step < chunkSize; step++) {
				const row = Math.min(before + frame + step, endRow - 1);
				expect(chunk.actionIsPad[step]).toBe(frame + step >= length ? 1 : 0);
				for (let at = 0; at < actionDim; at++) {
					expect(chunk.actions[step * actionDim + at]).toBe(action[row * actionDim + at]);
				}
			}
		}),
	);
});

function checkSample(sample: Sample, cameras: readonly string[]): void {
	const { episodeIndex, frameIndex } = sample;
	const episode = recorded[episodeIndex];
	expect(sample.task).toBe(episode?.task);
	expect(sample.state).toEqual(episode?.states.slice(frameIndex * 2, frameIndex * 2 + 2));
	expect(sample.actions.slice(0, 3)).toEqual(episode?.actions.slice(frameIndex * 3, frameIndex * 3 + 3));
	expect([...sample.images.keys()]).toEqual(cameras);
	for (const [camera, image] of sample.images) {
		const number = CAMERAS.findIndex(({ key }) => key === camera);
		expect(readMarker(image)).toBe(markerOf(episodeIndex, frameIndex, number));
	}
}

test("items are the frames of the chosen episodes in order", async () => {
	await using source = await createSampleSource(dataset, { episodes: [2, 0], chunkSize: 4 });
	expect(source.length).toBe(15);
	const samples = await source.framesAt(Array.from({ length: 15 }, (_, item) => item));
	expect(samples.map(({ episodeIndex, frameIndex }) => [episodeIndex, frameIndex])).toEqual(
		[2, 0].flatMap((index) => Array.from({ length: LENGTHS[index] ?? 0 }, (_, frame) => [index, frame])),
	);
	for (const sample of samples)
		checkSample(
			sample,
			CAMERAS.map(({ key }) => key),
		);
	expect(samples[8]?.actionIsPad).toEqual(Uint8Array.of(0, 1, 1, 1));
	await expect(source.frameAt(15)).rejects.toThrow(RangeError);
});

test("without pictures nothing is decoded and all else is the same", async () => {
	await using reader = createFrameReader(dataset);
	await using source = await createSampleSource(dataset, { chunkSize: 4, reader });
	const bare = await source.framesAt([7, 2], { images: false });
	expect(reader.processIds).toEqual([]);
	expect(bare.map(({ images }) => images.size)).toEqual([0, 0]);
	const whole = await source.framesAt([7, 2]);
	expect(whole.map((sample) => ({ ...sample, images: new Map() }))).toEqual(bare);
});

test("batches follow the sampler from any position, whatever is decoded ahead", async () => {
	await using reader = createFrameReader(dataset, { processes: 2 });
	const cameras = [CAMERAS[1].key];
	await using source = await createSampleSource(dataset, { chunkSize: 2, cameras, reader });
	const sampler = createSampler(source.length, ["batches"]);
	for (const ahead of [0, 3]) {
		let position = 5;
		for await (const batch of source.batches({ sampler, from: 5, batchSize: 4, numBatches: 6, ahead })) {
			for (const sample of batch) {
				const episodeStart = LENGTHS.slice(0, sample.episodeIndex).reduce((sum, length) => sum + length, 0);
				expect(episodeStart + sample.frameIndex).toBe(sampler(position++));
				checkSample(sample, cameras);
			}
		}
		expect(position).toBe(5 + 24);
	}
	// A batch larger than the dataset spans epochs.
	for await (const batch of source.batches({ sampler, batchSize: 20, numBatches: 1 })) {
		expect(new Set(batch.map(({ episodeIndex, frameIndex }) => `${episodeIndex}/${frameIndex}`)).size).toBe(
			18,
		);
	}
	// The consumer may leave an endless sequence, or be aborted.
	for await (const batch of source.batches({ sampler, batchSize: 2 })) {
		expect(batch).toHaveLength(2);
		break;
	}
	const signal = AbortSignal.abort(new RangeError("enough"));
	await expect(source.batches({ sampler, batchSize: 2, signal }).next()).rejects.toThrow("enough");
	// The caller's reader outlives the source.
	await source[Symbol.asyncDispose]();
	expect(await reader.read([{ episodeIndex: 0, frameIndex: 0, camera: CAMERAS[0].key }])).toHaveLength(1);
});

test("nothing to draw from is an error with a code", async () => {
	await expect(createSampleSource(dataset, { episodes: [], chunkSize: 2 })).rejects.toMatchObject({
		code: "no-episodes",
	});
	const stateless = { ...dataset, stateDim: 0 };
	await expect(createSampleSource(stateless, { chunkSize: 2 })).rejects.toMatchObject({
		code: "missing-feature",
	});
	await expect(createSampleSource(dataset, { episodes: [3], chunkSize: 2 })).rejects.toThrow(RangeError);
	await expect(createSampleSource(dataset, { chunkSize: 0 })).rejects.toThrow(RangeError);
	await expect(createSampleSource(dataset, { chunkSize: 2, cameras: ["nose"] })).rejects.toThrow(RangeError);
});
