// Datasets made of others: rows, tasks, frames and statistics are those of the sources, compressed video is copied
// bit for bit where an episode can be cut out, and nothing is left behind. ffmpeg writes videos that cannot be cut.
// LeRobot itself reads the results where ZK0_LEROBOT_PYTHON names a Python that has it.
import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdirSync, readdirSync, renameSync } from "node:fs";
import { hostname } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type LeRobotDataset, openDataset } from "./dataset.ts";
import { computeStats } from "./dataset-stats.ts";
import {
	convertDataset,
	mergeDatasets,
	reencodeDataset,
	splitDataset,
	splitParts,
	subsetDataset,
} from "./edit.ts";
import { createFrameReader } from "./frame-reader.ts";
import { readParquet } from "./parquet/read.ts";
import { aggregateStats } from "./stats.ts";
import { CAMERAS, markerOf, readMarker, recordSynthetic, temporaryFolder } from "./testing/recordings.ts";
import { recordSyntheticV2, TASKS_V2 } from "./testing/recordings-v2.ts";
import { requireTool } from "./testing/require-tool.ts";

const folder = temporaryFolder();
const at = (name: string): string => join(folder.path, name);
const [TOP, WRIST] = CAMERAS.map(({ key }) => key);
const LENGTHS = [5, 18];
/** A Python with LeRobot, PyTorch and PyAV. */
const pythons = [process.env["ZK0_LEROBOT_PYTHON"] ?? []].flat();
let v21: LeRobotDataset;
let v30: LeRobotDataset;

beforeAll(async () => {
	await recordSyntheticV2(at("v21"), LENGTHS, {
		version: "v2.1",
		hasExtraColumns: true,
		hasLocalIndex: true,
	});
	await recordSynthetic(at("v30"), [6, 4, 7]);
	[v21, v30] = [await openDataset(at("v21")), await openDataset(at("v30"))];
});
afterAll(() => folder[Symbol.dispose]());

/** All frames of an episode, one camera, as one buffer. */
async function pixels(dataset: LeRobotDataset, episodeIndex: number, camera: string): Promise<Buffer> {
	await using reader = createFrameReader(dataset, { processes: 1 });
	const length = dataset.episodes[episodeIndex]?.length ?? 0;
	const requests = Array.from({ length }, (_, frameIndex) => ({ episodeIndex, frameIndex, camera }));
	return Buffer.concat((await reader.read(requests)).map(({ rgb }) => rgb));
}

async function samePixels(
	[a, episodeA]: [LeRobotDataset, number],
	[b, episodeB]: [LeRobotDataset, number],
	camera: string,
): Promise<boolean> {
	return (await pixels(a, episodeA, camera)).equals(await pixels(b, episodeB, camera));
}

const copied = (episodes: number, codec = "av1") => ({ codec, copied: episodes, encoded: 0, reason: null });

describe("convert", () => {
	test("v2.1 to v3.0: rows, tasks and further columns are equal, videos copied bit for bit", async () => {
		const done: number[] = [];
		const onEpisode = (numDone: number): void => void done.push(numDone);
		const written = await convertDataset(v21, at("converted"), { onEpisode });
		expect(written).toEqual({
			root: at("converted"),
			numEpisodes: 2,
			numFrames: 23,
			droppedFeatures: [],
			videos: { [TOP ?? ""]: copied(2), [WRIST ?? ""]: copied(2) },
		});
		expect(done).toEqual([1, 2]);
		const dataset = await openDataset(at("converted"));
		expect(dataset.info.codebase_version).toBe("v3.0");
		expect(await dataset.readRows()).toEqual(await v21.readRows());
		expect(dataset.tasks).toEqual(TASKS_V2);
		expect(dataset.episodes.map(({ tasks }) => tasks)).toEqual([TASKS_V2, TASKS_V2]);
		expect(dataset.features["action"]?.names).toEqual(["a", "b", "c"]);
		expect(dataset.features[TOP ?? ""]).toMatchObject({ shape: [64, 96, 3], info: { "video.codec": "av1" } });
		for (const camera of dataset.cameraKeys)
			for (const episode of [0, 1])
				expect(await samePixels([v21, episode], [dataset, episode], camera)).toBe(true);
		const table = await readParquet(dataset.episodes[0]?.dataPath ?? "", ["next.reward", "language"]);
		expect(table.column("next.reward")).toEqual(Array.from({ length: 23 }, () => 0.5));
		expect(table.column("language").slice(4, 7)).toEqual(["word 4", "word 0", "word 1"]);
		expect(dataset.storedStats?.["next.reward"]).toMatchObject({ mean: [0.5], count: 23 });
		expect(dataset.storedStats).not.toHaveProperty("language");
	});

	test("what v3.0 cannot hold is refused before anything is written", async () => {
		await recordSyntheticV2(at("v20"), [2], { version: "v2.0", isStateOnly: true, fps: 12.5 });
		const odd = await openDataset(at("v20"));
		await expect(convertDataset(odd, at("odd"))).rejects.toMatchObject({
			code: "not-convertible",
			file: at("v20"),
		});
		const stateless = { ...v30, stateDim: 0 };
		await expect(convertDataset(stateless, at("odd"))).rejects.toThrow("no observation.state");
		expect(existsSync(at("odd"))).toBe(false);
		await expect(convertDataset(v21, at("v30"))).rejects.toMatchObject({ code: "target-exists" });
	});
});

describe("merge", () => {
	test("episodes follow each other, tasks are joined, statistics are those of LeRobot's formula", async () => {
		const other = { ...v30 };
		const written = await mergeDatasets([v30, other], at("merged"));
		expect(written).toMatchObject({ numEpisodes: 6, numFrames: 34, videos: { [TOP ?? ""]: copied(6) } });
		const dataset = await openDataset(at("merged"));
		expect(dataset.tasks).toEqual(v30.tasks);
		const [rows, part] = [await dataset.readRows(), await v30.readRows()];
		expect([...rows.action]).toEqual([...part.action, ...part.action]);
		expect([...rows.episodeIndex.subarray(17)]).toEqual([...part.episodeIndex].map((index) => index + 3));
		for (const camera of dataset.cameraKeys)
			expect(await samePixels([v30, 1], [dataset, 4], camera)).toBe(true);
		const stored = [...(await v30.readEpisodeStats()).values()];
		const joined = aggregateStats([aggregateStats(stored), aggregateStats(stored)]);
		for (const feature of ["action", "observation.state", ...dataset.cameraKeys]) {
			const found = dataset.storedStats?.[feature];
			expect(found).toMatchObject({ count: joined[feature]?.count, min: joined[feature]?.min });
			for (const key of ["mean", "std", "q01", "q99"] as const)
				for (const [dim, value] of (joined[feature]?.[key] ?? []).entries())
					expect(found?.[key]?.[dim]).toBeCloseTo(value, 9);
		}
		const computed = await computeStats(dataset, undefined, { images: "stored" });
		expect(computed["action"]?.mean[0]).toBeCloseTo(
			dataset.storedStats?.["action"]?.mean[0] ?? Number.NaN,
			9,
		);
	});

	test("sources that differ are refused, with what differs", async () => {
		for (const [change, message] of [
			[{ fps: 20 }, "fps differ (20 / 10)"],
			[{ robotType: "aloha" }, "robot type differ (aloha / so100_follower)"],
			[{ actionDim: 4 }, "dimensions of action differ"],
			[{ cameraKeys: [TOP ?? ""] }, `cameras differ (${TOP} / ${TOP}, ${WRIST})`],
		] as const) {
			const other = { ...v30, ...change, root: "/other" };
			await expect(mergeDatasets([v30, other], at("mixed"))).rejects.toMatchObject({
				code: "not-mergeable",
				file: "/other",
				message: expect.stringContaining(message),
			});
		}
		await expect(mergeDatasets([], at("mixed"))).rejects.toMatchObject({ code: "no-episodes" });
	});
});

describe("subset", () => {
	test("episodes in the wanted order, without a camera and a feature, tasks that occur", async () => {
		const written = await subsetDataset(v30, at("subset"), { episodes: [2, 0], cameras: [WRIST ?? ""] });
		expect(written).toMatchObject({ numEpisodes: 2, numFrames: 13, droppedFeatures: [TOP] });
		const dataset = await openDataset(at("subset"));
		expect(dataset.cameraKeys).toEqual([WRIST]);
		expect(dataset.tasks).toEqual(["Task 0"]);
		const [rows, all] = [await dataset.readRows(), await v30.readRows()];
		expect([...rows.state]).toEqual([...all.state.subarray(20, 34), ...all.state.subarray(0, 12)]);
		expect(await samePixels([v30, 2], [dataset, 0], WRIST ?? "")).toBe(true);
		const bare = await subsetDataset(v21, at("bare"), {
			episodes: [1],
			without: ["language", TOP ?? "", WRIST ?? ""],
		});
		expect(bare.droppedFeatures).toEqual([TOP, WRIST, "language"]);
		expect((await openDataset(at("bare"))).features).toHaveProperty(["next.reward"]);
		for (const wrong of [
			{ episodes: [3] },
			{ episodes: [0], cameras: ["nose"] },
			{ episodes: [0], without: ["action"] },
		])
			await expect(subsetDataset(v30, at("wrong"), wrong)).rejects.toMatchObject({ code: "bad-selection" });
	});
});

describe("split", () => {
	test("parts by share are disjoint stretches that cover everything", () => {
		fc.assert(
			fc.property(
				fc.integer({ min: 4, max: 400 }),
				fc.array(fc.integer({ min: 1, max: 9 }), { minLength: 1, maxLength: 4 }),
				(numEpisodes, weights) => {
					const sum = weights.reduce((a, b) => a + b);
					const parts = Object.fromEntries(weights.map((weight, part) => [`part-${part}`, weight / sum]));
					fc.pre(weights.every((weight) => (weight / sum) * numEpisodes >= 1));
					const dealt = [...splitParts(numEpisodes, parts).values()];
					expect(dealt.flat()).toEqual(Array.from({ length: numEpisodes }, (_, index) => index));
					for (const [part, weight] of weights.entries())
						expect(Math.abs((dealt[part]?.length ?? 0) - (weight / sum) * numEpisodes)).toBeLessThanOrEqual(
							1,
						);
				},
			),
		);
		expect(() => splitParts(5, { a: 0.7, b: 0.7 })).toThrow("sum to at most 1");
		expect(() => splitParts(5, { a: 0.01 })).toThrow("gets none");
		expect(() => splitParts(5, { a: [1, 5] })).toThrow("no episode 5");
		expect(() => splitParts(5, { a: [1], b: [1] })).toThrow('in "a" and "b"');
		expect(() => splitParts(5, { "../a": 1 })).toThrow("folder name");
	});

	test("writes each part, or nothing when one is there", async () => {
		const written = await splitDataset(v30, at("parts"), { parts: { train: [0, 2], val: [1] } });
		expect([...written].map(([name, { numFrames }]) => [name, numFrames])).toEqual([
			["train", 13],
			["val", 4],
		]);
		expect((await openDataset(at("parts/val"))).tasks).toEqual(["Task 1"]);
		await expect(splitDataset(v30, at("parts"), { parts: { more: 0.5, val: 0.5 } })).rejects.toMatchObject({
			code: "target-exists",
		});
		expect(existsSync(at("parts/more"))).toBe(false);
	});
});

describe("videos", () => {
	test("encoded again as asked", async () => {
		const options = { codec: "h264", encoder: { gop: 3, crf: 20 } } as const;
		const written = await reencodeDataset(v30, at("h264"), options);
		expect(written.videos[TOP ?? ""]).toEqual({
			codec: "h264",
			copied: 0,
			encoded: 3,
			reason: "it was asked for",
		});
		const dataset = await openDataset(at("h264"));
		expect(dataset.features[TOP ?? ""]?.info).toMatchObject({
			"video.codec": "h264",
			"video.g": 3,
			"video.crf": 20,
		});
		await using reader = createFrameReader(dataset, { processes: 1 });
		const [image] = await reader.read([{ episodeIndex: 2, frameIndex: 6, camera: TOP ?? "" }]);
		expect(image && readMarker(image)).toBe(markerOf(2, 6, 0));
		await expect(reencodeDataset(v30, at("worse"), { codec: "h264", encoder: { crf: 52 } })).rejects.toThrow(
			RangeError,
		);
		// What it was encoded with stays readable after a merge with AV1: the odd ones are encoded again, and it says so.
		const mixed = await mergeDatasets([v30, dataset], at("mixed-codecs"));
		expect(mixed.videos[TOP ?? ""]).toMatchObject({ codec: "av1", copied: 3, encoded: 3 });
		expect(mixed.videos[TOP ?? ""]?.reason).toContain("it is h264 yuv420p");
	});

	test.for([
		["only where keyframes allow", "250", "expr:eq(n,0)+eq(n,10)", { copied: 2, encoded: 1 }],
		["with frames decoded out of order", "250", "expr:eq(n,0)+eq(n,6)+eq(n,10)", { copied: 3, encoded: 0 }],
	] as const)("copied %s", { timeout: 60_000 }, async ([name, gop, keyframes, account], context) => {
		requireTool(context, "ffmpeg", ["-version"]);
		const dir = at(`b-frames ${name}`);
		await recordSynthetic(dir, [6, 4, 7], { cameras: CAMERAS.slice(0, 1), codec: "h264" });
		const path = join(dir, "videos", TOP ?? "", "chunk-000/file-000.mp4");
		renameSync(path, `${path}.mp4`);
		const flags = ["-c:v", "libx264", "-bf", "2", "-g", gop, "-force_key_frames", keyframes, "-crf", "18"];
		const { status } = spawnSync("ffmpeg", ["-v", "error", "-i", `${path}.mp4`, ...flags, path]);
		expect(status).toBe(0);
		const source = await openDataset(dir);
		const written = await convertDataset(source, `${dir} copy`);
		expect(written.videos[TOP ?? ""]).toMatchObject({ codec: "h264", ...account });
		const dataset = await openDataset(`${dir} copy`);
		for (const [episode, isCopied] of [account.copied > 0, account.encoded === 0, true].entries()) {
			await using reader = createFrameReader(dataset, { processes: 1 });
			const length = [6, 4, 7][episode] ?? 0;
			const requests = Array.from({ length }, (_, frameIndex) => ({
				episodeIndex: episode,
				frameIndex,
				camera: TOP ?? "",
			}));
			expect((await reader.read(requests)).map(readMarker)).toEqual(
				requests.map(({ frameIndex }) => markerOf(episode, frameIndex, 0)),
			);
			const isSame = await samePixels([source, episode], [dataset, episode], TOP ?? "");
			expect(isSame).toBe(isCopied);
		}
	});

	test("a damaged one is named", async () => {
		await recordSyntheticV2(at("damaged"), [4], { version: "v2.1" });
		const source = await openDataset(at("damaged"));
		const path = source.episodes[0]?.videos.get(TOP ?? "")?.path ?? "";
		renameSync(at("damaged/meta/info.json"), path);
		await expect(convertDataset(source, at("never"))).rejects.toMatchObject({
			code: "bad-video",
			file: path,
		});
		expect(existsSync(at("never"))).toBe(false);
	});
});

test("after kill -9 the target is not there, and the next run removes what is left", async () => {
	const script = `import { mergeDatasets, openDataset } from "@zk0/dataset";
const source = await openDataset(process.argv[1]);
await mergeDatasets([source, source], process.argv[2], { codec: "av1", onEpisode: () => console.log("episode") });`;
	const child = spawn(process.execPath, ["--input-type=module", "-e", script, at("v30"), at("killed")], {
		stdio: ["ignore", "pipe", "inherit"],
	});
	await once(child.stdout, "data");
	child.kill("SIGKILL");
	await once(child, "exit");
	const left = (): string[] => readdirSync(folder.path).filter((name) => name.startsWith(".killed.partial-"));
	expect(existsSync(at("killed"))).toBe(false);
	expect(left()).toHaveLength(1);
	// That of a process that runs stays.
	const running = `.killed.partial-${hostname().replaceAll(/[^\w.]/g, "_")}-${process.ppid}-x`;
	mkdirSync(at(running));
	await mergeDatasets([v30, v30], at("killed"));
	expect(left()).toEqual([running]);
	expect((await openDataset(at("killed"))).numEpisodes).toBe(6);
});

const READ_WITH_LEROBOT = `import sys
from lerobot.datasets.lerobot_dataset import LeRobotDataset
for root in sys.argv[1:]:
    data = LeRobotDataset("zk0/edited", root=root, video_backend="pyav")
    markers = []
    for row in data:
        blocks = row["${WRIST}"][0, 8:48:16, 8:64:16].flatten() > 0.5
        markers.append(int(sum(int(bit) << index for index, bit in enumerate(blocks))))
    print(len(data), data.num_episodes, data[0]["task"], markers)`;

test.for(pythons)(
	"LeRobot itself opens what was converted, merged and split (%s)",
	{ timeout: 120_000 },
	async (python) => {
		await convertDataset(v21, at("for-lerobot-1"));
		await mergeDatasets([v30, v30], at("for-lerobot-2"));
		await splitDataset(v30, at("for-lerobot-3"), { parts: { a: [2, 0] } });
		const roots = ["for-lerobot-1", "for-lerobot-2", "for-lerobot-3/a"].map(at);
		const { status, stdout, stderr } = spawnSync(python, ["-c", READ_WITH_LEROBOT, ...roots], {
			encoding: "utf8",
		});
		expect([status, status === 0 ? "" : stderr]).toEqual([0, ""]);
		const markers = (lengths: [number, number][]): string =>
			`[${lengths.flatMap(([episode, length]) => Array.from({ length }, (_, frame) => markerOf(episode, frame, 1))).join(", ")}]`;
		expect(stdout.trim().split("\n").slice(-3)).toEqual([
			`23 2 ${TASKS_V2[0]} ${markers([
				[0, 5],
				[1, 18],
			])}`,
			`34 6 Task 0 ${markers([
				[0, 6],
				[1, 4],
				[2, 7],
				[0, 6],
				[1, 4],
				[2, 7],
			])}`,
			`13 2 Task 0 ${markers([
				[2, 7],
				[0, 6],
			])}`,
		]);
	},
);
