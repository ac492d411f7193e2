// Write, read back, compare: values exactly, pictures within what the codec may lose.
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { openDataset } from "./dataset.ts";
import { computeStats } from "./dataset-stats.ts";
import { DECODER, digestDataset } from "./fingerprint.ts";
import { createFrameReader } from "./frame-reader.ts";
import {
	CAMERAS,
	markedImage,
	markerOf,
	OPTIONS,
	readMarker,
	recordSynthetic,
	syntheticEpisode,
	temporaryFolder,
} from "./testing/recordings.ts";
import { createDatasetWriter, type EpisodeInput } from "./writer.ts";

const LENGTHS = [7, 12, 5];

function psnr(a: Uint8Array, b: Uint8Array): number {
	const sum = a.reduce((total, value, at) => total + (value - (b[at] ?? 0)) ** 2, 0);
	return 10 * Math.log10(255 ** 2 / (sum / a.length));
}

describe.each(["av1", "h264"] as const)("round trip in %s", (codec) => {
	test("rows are equal, every frame is the right one and looks like it did", async () => {
		using folder = temporaryFolder();
		const dir = join(folder.path, "recordings");
		const episodes = await recordSynthetic(dir, LENGTHS, { codec });
		const dataset = await openDataset(dir);
		expect(dataset).toMatchObject({ numEpisodes: 3, numFrames: 24, fps: 10, stateDim: 2, actionDim: 3 });
		expect(dataset.robotType).toBe("so100_follower");
		expect(dataset.tasks).toEqual(["Task 0", "Task 1"]);
		expect(dataset.cameraKeys).toEqual(CAMERAS.map(({ key }) => key));

		const rows = await dataset.readRows();
		expect(rows.state).toEqual(Float32Array.from(episodes.flatMap(({ states }) => [...states])));
		expect(rows.action).toEqual(Float32Array.from(episodes.flatMap(({ actions }) => [...actions])));
		expect([...rows.taskIndex]).toEqual(LENGTHS.flatMap((length, index) => Array(length).fill(index % 2)));
		expect(rows.timestamp.slice(7, 10)).toEqual(Float32Array.of(0, 0.1, 0.2));

		await using reader = createFrameReader(dataset, { processes: 1 });
		for (const [episodeIndex, length] of LENGTHS.entries()) {
			for (const [number, { key, height, width }] of CAMERAS.entries()) {
				const requests = Array.from({ length }, (_, frameIndex) => ({
					episodeIndex,
					frameIndex,
					camera: key,
				}));
				for (const [frameIndex, image] of (await reader.read(requests)).entries()) {
					const marker = markerOf(episodeIndex, frameIndex, number);
					expect({ height: image.height, width: image.width }).toEqual({ height, width });
					expect(readMarker(image)).toBe(marker);
					expect(psnr(image.rgb, markedImage(height, width, marker))).toBeGreaterThan(30);
				}
			}
		}
	});

	test("the same episodes give the same bytes", async () => {
		using folder = temporaryFolder();
		const names = ["first", "second"];
		for (const name of names) await recordSynthetic(join(folder.path, name), LENGTHS, { codec });
		const [first, second] = await Promise.all(
			names.map(async (name) => await digestDataset(await openDataset(join(folder.path, name)))),
		);
		expect(first?.fingerprint).toBe(second?.fingerprint);
		const picture = { episodeIndex: 1, frameIndex: 2, camera: "observation.images.top" };
		expect(first?.pictureName(picture)).toBe(second?.pictureName(picture));
		const others = [
			{ ...picture, frameIndex: 1 },
			{ ...picture, episodeIndex: 0 },
		];
		const pictures = [picture, ...others].map((request) => first?.pictureName(request));
		expect(new Set(pictures).size).toBe(3);
		expect(() => first?.pictureName({ ...picture, frameIndex: 1000 })).toThrow(RangeError);
	});
});

test("a picture's name tells the decoder's version, since another one may give other pixels", () => {
	const { optionalDependencies } = JSON.parse(
		readFileSync(new URL("../package.json", import.meta.url), "utf8"),
	) as {
		optionalDependencies: Record<string, string>;
	}; // Our own manifest.
	expect(DECODER).toBe(`node-av ${optionalDependencies["node-av"]}`);
});

test("size limits spread episodes over files and chunk folders", async () => {
	using folder = temporaryFolder();
	const dir = join(folder.path, "recordings");
	const limits = { dataFileSizeMb: 1e-6, videoFileSizeMb: 1e-6, filesPerChunk: 2 };
	await recordSynthetic(dir, LENGTHS, { limits });
	const files = readdirSync(join(dir, "data"), { recursive: true, encoding: "utf8" });
	expect(new Set(files.filter((name) => name.endsWith(".parquet")))).toEqual(
		new Set(["chunk-000/file-000.parquet", "chunk-000/file-001.parquet", "chunk-001/file-000.parquet"]),
	);
	const dataset = await openDataset(dir);
	expect(dataset.info).toMatchObject({ chunks_size: 2 });
	expect(dataset.episodes[2]?.videos.get("observation.images.wrist")?.path).toBe(
		join(dir, "videos/observation.images.wrist/chunk-001/file-000.mp4"),
	);
	expect((await dataset.readRows()).length).toBe(24);
	await using reader = createFrameReader(dataset, { processes: 1 });
	const [image] = await reader.read([{ episodeIndex: 2, frameIndex: 4, camera: CAMERAS[1].key }]);
	expect(image && readMarker(image)).toBe(markerOf(2, 4, 1));
});

test("a dataset without cameras and with one-dimensional vectors", async () => {
	using folder = temporaryFolder();
	const dir = join(folder.path, "recordings");
	const options = { ...OPTIONS, cameras: [], stateNames: ["a"], actionNames: ["b"] };
	await using writer = await createDatasetWriter(dir, options);
	const values = Float32Array.of(1, 2, 3);
	await writer.addEpisode({ task: "Wait", states: values, actions: values, images: new Map() });
	expect(await writer.finish()).toEqual({ root: dir, numEpisodes: 1, numFrames: 3 });
	const rows = await (await openDataset(dir)).readRows();
	expect([...rows.state, ...rows.action]).toEqual([1, 2, 3, 1, 2, 3]);
});

test("stored statistics are those of the rows, and of the pictures before encoding", async () => {
	using folder = temporaryFolder();
	const dir = join(folder.path, "recordings");
	await recordSynthetic(dir, LENGTHS);
	const dataset = await openDataset(dir);
	const { storedStats } = dataset;
	const computed = await computeStats(dataset, undefined, { images: "stored" });
	for (const [key, stats] of Object.entries(computed)) expect(storedStats?.[key]).toEqual(stats);
	await using reader = createFrameReader(dataset, { processes: 1 });
	const decoded = await computeStats(dataset, undefined, { images: reader });
	for (const { key } of CAMERAS) {
		expect(decoded[key]?.count).toBe(24);
		for (const channel of [0, 1, 2]) {
			expect(decoded[key]?.mean[channel]).toBeCloseTo(storedStats?.[key]?.mean[channel] ?? 0, 1);
		}
	}
	expect(Object.keys(storedStats ?? {}).sort()).toEqual(Object.keys(dataset.features).sort());
});

describe("a recording that cannot be kept leaves nothing behind", () => {
	const bad: [string, (episode: EpisodeInput) => EpisodeInput][] = [
		["a value is not finite", (episode) => ({ ...episode, states: episode.states.with(3, Number.NaN) })],
		["actions are missing", (episode) => ({ ...episode, actions: episode.actions.slice(3) })],
		["the task is empty", (episode) => ({ ...episode, task: " " })],
		["a camera is missing", (episode) => ({ ...episode, images: new Map([...episode.images].slice(1)) })],
		[
			"a camera has a frame too many",
			(episode) => withFrames(episode, (frames) => [...frames, ...frames.slice(0, 1)]),
		],
		["a camera has a frame too few", (episode) => withFrames(episode, (frames) => frames.slice(1))],
		[
			"a frame has the wrong size",
			(episode) => withFrames(episode, (frames) => frames.map((rgb) => rgb.subarray(3))),
		],
		["there is no frame", (episode) => ({ ...episode, states: new Float32Array(0) })],
	];
	test.each(bad)("%s", async (_, damage) => {
		using folder = temporaryFolder();
		await using writer = await createDatasetWriter(join(folder.path, "recordings"), OPTIONS);
		await writer.addEpisode(syntheticEpisode(0, 4));
		await expect(writer.addEpisode(damage(syntheticEpisode(1, 4)))).rejects.toMatchObject({
			code: "bad-episode",
			episodeIndex: 1,
		});
		expect(readdirSync(folder.path)).toEqual([]);
		await expect(writer.finish()).rejects.toThrow(TypeError);
	});

	test("it is aborted", async () => {
		using folder = temporaryFolder();
		const abort = new AbortController();
		await using writer = await createDatasetWriter(join(folder.path, "recordings"), {
			...OPTIONS,
			signal: abort.signal,
		});
		await writer.addEpisode(syntheticEpisode(0, 4));
		abort.abort(new RangeError("enough"));
		await expect(writer.addEpisode(syntheticEpisode(1, 4))).rejects.toThrow("enough");
		await writer[Symbol.asyncDispose]();
		expect(readdirSync(folder.path)).toEqual([]);
	});

	test("it is disposed early", async () => {
		using folder = temporaryFolder();
		{
			await using writer = await createDatasetWriter(join(folder.path, "recordings"), OPTIONS);
			await writer.addEpisode(syntheticEpisode(0, 4));
		}
		expect(readdirSync(folder.path)).toEqual([]);
	});

	test("its encoder process ends by SIGSEGV", async () => {
		using folder = temporaryFolder();
		await using writer = await createDatasetWriter(join(folder.path, "recordings"), OPTIONS);
		await writer.addEpisode(syntheticEpisode(0, 4));
		for (const pid of writer.processIds) process.kill(pid, "SIGSEGV");
		await expect(writer.finish()).rejects.toMatchObject({ code: "encoder-failed" });
		expect(readdirSync(folder.path)).toEqual([]);
		expect(writer.processIds).toEqual([]);
	});

	test.each(["videos", "data"])("its folder %s cannot be made", async (name) => {
		using folder = temporaryFolder();
		await using writer = await createDatasetWriter(join(folder.path, "recordings"), OPTIONS);
		writeFileSync(join(folder.path, readdirSync(folder.path)[0] ?? "", name), "in the way");
		const recording = writer.addEpisode(syntheticEpisode(0, 4)).then(() => writer.finish());
		const code = name === "videos" ? "encoder-failed" : "write-failed";
		await expect(recording).rejects.toMatchObject({ code, file: expect.stringContaining("recordings") });
		expect(readdirSync(folder.path)).toEqual([]);
	});

	test("its place is taken meanwhile", async () => {
		using folder = temporaryFolder();
		const dir = join(folder.path, "recordings");
		await using writer = await createDatasetWriter(dir, OPTIONS);
		await writer.addEpisode(syntheticEpisode(0, 4));
		mkdirSync(dir);
		writeFileSync(join(dir, "other"), "kept");
		await expect(writer.finish()).rejects.toMatchObject({ code: "target-exists", file: dir });
		expect(readdirSync(folder.path, { recursive: true })).toEqual(["recordings", "recordings/other"]);
	});

	test("it has no episode", async () => {
		using folder = temporaryFolder();
		await using writer = await createDatasetWriter(join(folder.path, "recordings"), OPTIONS);
		await expect(writer.finish()).rejects.toMatchObject({ code: "no-episodes" });
		expect(readdirSync(folder.path)).toEqual([]);
	});
});

test("an existing dataset is never touched", async () => {
	using folder = temporaryFolder();
	const dir = join(folder.path, "recordings");
	await recordSynthetic(dir, [3]);
	const before = readFileSync(join(dir, "meta/info.json"));
	await expect(createDatasetWriter(dir, OPTIONS)).rejects.toMatchObject({ code: "target-exists", file: dir });
	expect(readFileSync(join(dir, "meta/info.json"))).toEqual(before);
	expect(readdirSync(folder.path)).toEqual(["recordings"]);
});

test("options that no dataset can have are refused at once", async () => {
	using folder = temporaryFolder();
	const [camera] = CAMERAS;
	for (const wrong of [
		{ fps: 0 },
		{ fps: 29.97 },
		{ actionNames: [] },
		{ cameras: [{ ...camera, key: "../top" }] },
		{ cameras: [{ ...camera, height: 65 }] },
		{ cameras: [{ ...camera, width: 32 }] },
		{ cameras: [camera, camera] },
	]) {
		await expect(createDatasetWriter(join(folder.path, "x"), { ...OPTIONS, ...wrong })).rejects.toThrow(
			RangeError,
		);
	}
	expect(readdirSync(folder.path)).toEqual([]);
});

function withFrames(episode: EpisodeInput, change: (frames: Uint8Array[]) => Uint8Array[]): EpisodeInput {
	const [first] = episode.images.keys();
	const images = [...episode.images].map(([key, frames]): [string, Uint8Array[]] => {
		const list = Symbol.iterator in frames ? [...frames] : [];
		return [key, key === first ? change(list) : list];
	});
	return { ...episode, images: new Map(images) };
}
