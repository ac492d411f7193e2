// Frames are exact, in order, and survive the end of the process that decodes them.
import { readFileSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { type LeRobotDataset, openDataset } from "./dataset.ts";
import { DatasetError } from "./errors.ts";
import { createFrameReader, type FrameRequest } from "./frame-reader.ts";
import { CAMERAS, markerOf, readMarker, recordSynthetic, temporaryFolder } from "./testing/recordings.ts";

const handlesAtStart = handles();
const LENGTHS = [40, 30, 50];
const folder = temporaryFolder();
const dir = join(folder.path, "recordings");
let dataset: LeRobotDataset;

beforeAll(async () => {
	await recordSynthetic(dir, LENGTHS);
	dataset = await openDataset(dir);
});
afterAll(() => folder[Symbol.dispose]());

function allFrames(): FrameRequest[] {
	return LENGTHS.flatMap((length, episodeIndex) =>
		Array.from({ length }, (_, frameIndex) =>
			CAMERAS.map(({ key }) => ({ episodeIndex, frameIndex, camera: key })),
		).flat(),
	);
}

function markerOfRequest({ episodeIndex, frameIndex, camera }: FrameRequest): number {
	return markerOf(episodeIndex, frameIndex, camera === CAMERAS[0].key ? 0 : 1);
}

/** Every `step`-th frame, in an order that jumps between episodes and cameras. */
function shuffled(requests: readonly FrameRequest[]): FrameRequest[] {
	return requests
		.map((_, index) => requests[(index * 97) % requests.length])
		.filter((request) => request !== undefined);
}

describe("reading", () => {
	test("any order, any number of processes: the frame that was asked for", async () => {
		const requests = shuffled(allFrames());
		const results: Buffer[] = [];
		for (const processes of [1, 3]) {
			await using reader = createFrameReader(dataset, { processes });
			const images = await reader.read(requests);
			expect(images.map(readMarker)).toEqual(requests.map(markerOfRequest));
			results.push(Buffer.concat(images.map(({ rgb }) => rgb)));
			expect(reader.processIds.length).toBe(processes);
		}
		expect(results[1]?.equals(results[0] ?? Buffer.alloc(0))).toBe(true);
	});

	test("several reads at once, equal requests and an empty one", async () => {
		await using reader = createFrameReader(dataset, { processes: 2 });
		const requests = allFrames().slice(0, 20);
		const reads = await Promise.all([
			reader.read(requests),
			reader.read(requests.toReversed()),
			reader.read([]),
		]);
		expect(reads[0].map(readMarker)).toEqual(requests.map(markerOfRequest));
		expect(reads[1].map(readMarker)).toEqual(requests.map(markerOfRequest).toReversed());
		const [request = { episodeIndex: 0, frameIndex: 0, camera: "" }] = requests;
		const [a, b] = await reader.read([request, request]);
		expect(a).toBe(b);
	});

	test("a cache gives the same picture without decoding", async () => {
		await using reader = createFrameReader(dataset, { processes: 1, cacheBytes: 1 << 20 });
		const request = { episodeIndex: 1, frameIndex: 2, camera: CAMERAS[0].key };
		const [first] = await reader.read([request]);
		for (const pid of reader.processIds) process.kill(pid, "SIGSTOP");
		const [second] = await reader.read([request]);
		expect(second).toBe(first);
		for (const pid of reader.processIds) process.kill(pid, "SIGCONT");
	});

	test("frames that the dataset does not have are refused", async () => {
		await using reader = createFrameReader(dataset);
		const camera = CAMERAS[0].key;
		for (const wrong of [
			{ episodeIndex: 3, frameIndex: 0, camera },
			{ episodeIndex: 0, frameIndex: 40, camera },
			{ episodeIndex: 0, frameIndex: -1, camera },
			{ episodeIndex: 0, frameIndex: 0.5, camera },
			{ episodeIndex: 0, frameIndex: 0, camera: "nose" },
		]) {
			await expect(reader.read([wrong])).rejects.toThrow(RangeError);
		}
		expect(reader.processIds).toEqual([]);
		expect(() => createFrameReader(dataset, { processes: 0 })).toThrow(RangeError);
		expect(() => createFrameReader(dataset, { maxRetries: -1 })).toThrow(RangeError);
	});

	test("an abort ends a read, not the reader", async () => {
		await using reader = createFrameReader(dataset, { processes: 1 });
		const abort = new AbortController();
		const read = reader.read(allFrames(), { signal: abort.signal });
		abort.abort(new RangeError("enough"));
		await expect(read).rejects.toThrow("enough");
		const [image] = await reader.read(allFrames().slice(0, 1));
		expect(image && readMarker(image)).toBe(0);
	});
});

describe("a decoder process that ends", () => {
	test("by SIGSEGV in the middle of a read is replaced, and no frame is lost", async () => {
		await using reader = createFrameReader(dataset, { processes: 2 });
		const requests = allFrames();
		await reader.read(requests.slice(0, 1));
		const read = reader.read(requests);
		const killed = reader.processIds;
		for (const pid of killed) process.kill(pid, "SIGSEGV");
		expect((await read).map(readMarker)).toEqual(requests.map(markerOfRequest));
		expect(reader.quarantined).toEqual([]);
		for (const pid of killed) expect(reader.processIds).not.toContain(pid);
	});

	test("before it has started is replaced, too", async () => {
		await using reader = createFrameReader(dataset, { processes: 1 });
		const read = reader.read(allFrames().slice(0, 4));
		for (const pid of reader.processIds) process.kill(pid, "SIGSEGV");
		expect((await read).map(readMarker)).toEqual([0, 1, 2, 3]);
	});

	test("again and again costs the frame it is at, with a typed error, and no other", async () => {
		await using reader = createFrameReader(dataset, { processes: 1, maxRetries: 0 });
		const requests = allFrames();
		await reader.read(requests.slice(0, 1));
		const read = reader.read(requests);
		for (const pid of reader.processIds) process.kill(pid, "SIGSEGV");
		const error = await read.then(
			() => null,
			(cause: unknown) => cause,
		);
		expect(error).toBeInstanceOf(DatasetError);
		expect(error).toMatchObject({ code: "frame-quarantined", file: expect.stringContaining(".mp4") });
		expect(reader.quarantined).toHaveLength(1);
		const [lost] = reader.quarantined;
		const others = requests.filter((request) => JSON.stringify(request) !== JSON.stringify(lost));
		expect((await reader.read(others)).map(readMarker)).toEqual(others.map(markerOfRequest));
		await expect(reader.read(lost === undefined ? [] : [lost])).rejects.toBe(error);
	});

	test("or hangs is killed after a while and replaced", async () => {
		await using reader = createFrameReader(dataset, { processes: 1, stallTimeoutMs: 1000, maxRetries: 5 });
		await reader.read(allFrames().slice(0, 1));
		for (const pid of reader.processIds) process.kill(pid, "SIGSTOP");
		const images = await reader.read(allFrames().slice(0, 10));
		expect(images.map(readMarker)).toEqual(allFrames().slice(0, 10).map(markerOfRequest));
	});

	test("is gone after disposal, with all handles", async () => {
		const reader = createFrameReader(dataset, { processes: 2 });
		await reader.read(allFrames().slice(0, 60));
		const pids = reader.processIds;
		expect(pids).toHaveLength(2);
		await reader[Symbol.asyncDispose]();
		await reader[Symbol.asyncDispose]();
		for (const pid of pids) expect(() => process.kill(pid, 0)).toThrow("ESRCH");
		await vi.waitFor(() => expect(handles()).toEqual(handlesAtStart));
		await expect(reader.read(allFrames().slice(0, 1))).rejects.toThrow(TypeError);
	});

	test("by disposal in the middle of a read fails that read", async () => {
		const reader = createFrameReader(dataset, { processes: 1 });
		const read = reader.read(allFrames());
		const [result] = await Promise.allSettled([read, reader[Symbol.asyncDispose]()]);
		expect(result).toMatchObject({ status: "rejected", reason: { code: "decoder-crashed" } });
	});
});

function handles(): string[] {
	return process.getActiveResourcesInfo().filter((name) => /Process|Pipe|FSReq/.test(name));
}

describe.each(["av1", "h264"] as const)("a damaged %s video gives a typed error in time", (codec) => {
	const damages: [string, (path: string) => void][] = [
		["is cut in half", (path) => truncateSync(path, readFileSync(path).length >> 1)],
		["is empty", (path) => truncateSync(path, 0)],
		[
			"is noise",
			(path) =>
				writeFileSync(
					path,
					new Uint8Array(5000).map((_, at) => (at * 7919) >> 3),
				),
		],
		["has zeros for pictures", blankPictures],
		["is a text", (path) => writeFileSync(path, "#EXTM3U\nhttp://127.0.0.1:9/x\n")],
	];
	test.each(damages)("%s", async (_, damage) => {
		using folder = temporaryFolder();
		const dir = join(folder.path, "recordings");
		await recordSynthetic(dir, [12], { codec });
		const broken = await openDataset(dir);
		const path = broken.episodes[0]?.videos.get(CAMERAS[0].key)?.path ?? "";
		damage(path);
		await using reader = createFrameReader(broken, { processes: 1 });
		const [healthy] = await reader.read([{ episodeIndex: 0, frameIndex: 3, camera: CAMERAS[1].key }]);
		expect(healthy && readMarker(healthy)).toBe(markerOf(0, 3, 1));
		const start = performance.now();
		await expect(
			reader.read([{ episodeIndex: 0, frameIndex: 3, camera: CAMERAS[0].key }]),
		).rejects.toMatchObject({
			code: "bad-video",
			file: path,
			episodeIndex: 0,
			frameIndex: 3,
			camera: CAMERAS[0].key,
		});
		expect(performance.now() - start).toBeLessThan(2000);
		expect(reader.processIds).toHaveLength(1);
	});
});

/** Zeroes everything between the file's header and its index. */
function blankPictures(path: string): void {
	const bytes = readFileSync(path);
	writeFileSync(path, bytes.fill(0, bytes.indexOf("mdat") + 4, bytes.indexOf("moov") - 4));
}

test("a video that ends before its episode gives a typed error", async () => {
	const [episode] = dataset.episodes;
	if (episode === undefined) throw new RangeError("no episode");
	const longer = { ...dataset, episodes: [{ ...episode, length: 1000 }] };
	await using reader = createFrameReader(longer, { processes: 1 });
	const request = { episodeIndex: 0, frameIndex: 500, camera: CAMERAS[0].key };
	await expect(reader.read([request])).rejects.toMatchObject({ code: "frame-timestamp", frameIndex: 500 });
	const shifted = { ...longer, fps: 9.7 };
	await using other = createFrameReader(shifted, { processes: 1 });
	await expect(other.read([{ ...request, frameIndex: 7 }])).rejects.toMatchObject({
		code: "frame-timestamp",
	});
});
