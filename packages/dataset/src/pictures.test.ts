// A v2.1 dataset written by pyarrow and `datasets`, with pictures in its rows and videos that are not what info.json
// says (golden/make-pyarrow-v21.py), reads right; damaged pictures are named.
import { cpSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parquetWriteBuffer } from "hyparquet-writer";
import { expect, test } from "vitest";
import { z } from "zod";
import { type LeRobotDataset, openDataset } from "./dataset.ts";
import { computeStats } from "./dataset-stats.ts";
import { createFrameReader, type FrameRequest } from "./frame-reader.ts";
import { readParquet } from "./parquet/read.ts";
import { recordSynthetic, temporaryFolder } from "./testing/recordings.ts";

const golden = fileURLToPath(new URL("../golden/pyarrow-v21", import.meta.url));
const WRIST = "observation.images.wrist";
const LENGTHS = [4, 3];
const pictureSchema = z.object({ bytes: z.instanceof(Uint8Array) });
const infoSchema = z.looseObject({ features: z.record(z.string(), z.unknown()) });

function grey({ episodeIndex, frameIndex }: FrameRequest): number {
	return 20 + 60 * episodeIndex + 15 * frameIndex;
}

function framesOf(camera: string): FrameRequest[] {
	return LENGTHS.flatMap((length, episodeIndex) =>
		Array.from({ length }, (_, frameIndex) => ({ episodeIndex, frameIndex, camera })),
	);
}

test("rows: fixed-size lists, a scalar action, several tasks, unknown columns, a doubled line", async () => {
	const dataset = await openDataset(golden);
	expect(dataset).toMatchObject({
		stateDim: 7,
		actionDim: 1,
		fps: 15,
		tasks: ["Fold the cloth", "Wait – then let go"],
		cameraKeys: ["observation.images.hevc", "observation.images.mpeg4", WRIST],
	});
	const rows = await dataset.readRows();
	expect([...rows.action]).toEqual([0, 1, 2, 3, 100, 101, 102]);
	expect([...rows.state.subarray(28, 35)]).toEqual([1, 0, -1, -2, -3, -4, -5]);
	expect([...rows.taskIndex]).toEqual([0, 0, 1, 1, 0, 0, 1]);
	const computed = await computeStats(dataset);
	expect(computed["observation.state"]?.mean[6]).toBeCloseTo(
		dataset.storedStats?.["observation.state"]?.mean[6] ?? Number.NaN,
		9,
	);
});

test.each(["observation.images.hevc", "observation.images.mpeg4"])(
	"%s: the container says the codec",
	async (camera) => {
		await using reader = createFrameReader(await openDataset(golden), { processes: 1 });
		const requests = framesOf(camera).reverse();
		const images = await reader.read(requests);
		for (const [index, { height, width, rgb }] of images.entries()) {
			expect([height, width]).toEqual([48, 64]);
			const request = requests[index];
			expect(Math.abs((rgb[3000] ?? 0) - (request === undefined ? 0 : grey(request)))).toBeLessThan(6);
		}
	},
);

test("pictures: PNG exactly, JPEG nearly", async () => {
	await using reader = createFrameReader(await openDataset(golden), { processes: 2 });
	const requests = framesOf(WRIST).reverse();
	const images = await reader.read(requests);
	for (const [index, { height, width, rgb }] of images.entries()) {
		expect([height, width]).toEqual([48, 64]);
		const request = requests[index];
		if (request === undefined) continue;
		const left = rgb.subarray((24 * 64 + 10) * 3, (24 * 64 + 10) * 3 + 3);
		const right = rgb.subarray((24 * 64 + 54) * 3, (24 * 64 + 54) * 3 + 3);
		const value = grey(request);
		const pixels = [...left, ...right];
		const expected = [value, value, value, 255, 0, 0];
		const tolerance = request.episodeIndex === 0 ? 0 : 3;
		for (const [at, pixel] of pixels.entries())
			expect(Math.abs(pixel - (expected[at] ?? 0))).toBeLessThanOrEqual(tolerance);
	}
	const stats = await computeStats(await openDataset(golden), [0], { images: reader });
	expect(stats[WRIST]?.max).toEqual([1, 65 / 255, 65 / 255].map((value) => expect.closeTo(value, 9)));
});

/** A copy whose wrist pictures of episode 1 are `values`. */
async function withPictures(dir: string, values: readonly unknown[]): Promise<LeRobotDataset> {
	cpSync(golden, dir, { recursive: true });
	const path = join(dir, "data/chunk-000/episode_000001.parquet");
	const buffer = parquetWriteBuffer({
		columnData: [{ name: WRIST, data: [...values], type: "BYTE_ARRAY" }],
	});
	writeFileSync(path, new Uint8Array(buffer));
	return await openDataset(dir);
}

test("damaged pictures are errors that name file and frame, the others still come", async () => {
	using folder = temporaryFolder();
	const header = [0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a, 0, 0, 0, 13, 0x49, 0x48, 0x44, 0x52];
	const huge = Uint8Array.from([...header, 0x7f, 0xff, 0xff, 0xff, 0x7f, 0xff, 0xff, 0xff, 8, 2, 0, 0, 0]);
	const dir = join(folder.path, "damaged");
	const values = [Uint8Array.from([1, 2, 3]), huge, Uint8Array.from([0xff, 0xd8, 0xff, 0xe0, 0, 16])];
	const dataset = await withPictures(dir, values);
	await using reader = createFrameReader(dataset, { processes: 1 });
	for (const frameIndex of [0, 1, 2]) {
		const start = performance.now();
		await expect(reader.read([{ episodeIndex: 1, frameIndex, camera: WRIST }])).rejects.toMatchObject({
			code: "bad-image",
			file: join(dir, "data/chunk-000/episode_000001.parquet"),
			frameIndex,
		});
		expect(performance.now() - start).toBeLessThan(2000);
	}
	const [good] = await reader.read([{ episodeIndex: 0, frameIndex: 2, camera: WRIST }]);
	expect(good?.rgb[0]).toBe(50);
});

test("v3.0: pictures of several episodes in one file are found by row", async () => {
	using folder = temporaryFolder();
	const dir = join(folder.path, "v3");
	await recordSynthetic(dir, LENGTHS, { cameras: [] });
	const tables = await Promise.all(
		[0, 1].map((episode) =>
			readParquet(join(golden, `data/chunk-000/episode_00000${episode}.parquet`), [WRIST], {
				keepsBytes: true,
			}),
		),
	);
	const pictures = tables
		.flatMap((table) => table.column(WRIST))
		.map((value) => pictureSchema.parse(value).bytes);
	const buffer = parquetWriteBuffer({ columnData: [{ name: WRIST, data: pictures, type: "BYTE_ARRAY" }] });
	writeFileSync(join(dir, "data/chunk-000/file-000.parquet"), new Uint8Array(buffer));
	const info = infoSchema.parse(JSON.parse(readFileSync(join(dir, "meta/info.json"), "utf8")));
	const feature = { dtype: "image", shape: [48, 64, 3], names: null };
	const features = { ...info.features, [WRIST]: feature };
	writeFileSync(join(dir, "meta/info.json"), JSON.stringify({ ...info, features }));
	await using reader = createFrameReader(await openDataset(dir), { processes: 1 });
	const requests = framesOf(WRIST);
	const images = await reader.read(requests);
	expect(images.map(({ rgb }) => Math.round((rgb[30] ?? 0) / 5) * 5)).toEqual(requests.map(grey));
});
