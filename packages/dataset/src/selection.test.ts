// A selection reads as a dataset of its own, from the files that it needs, and the frames are the recorded ones.
import { cpSync, existsSync, mkdirSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { listDatasetFiles, openDataset } from "./dataset.ts";
import { computeStats } from "./dataset-stats.ts";
import { digestDataset } from "./fingerprint.ts";
import { createFrameReader } from "./frame-reader.ts";
import type { DatasetSelection } from "./selection.ts";
import { markerOf, readMarker, recordSynthetic, temporaryFolder } from "./testing/recordings.ts";
import { recordSyntheticV2 } from "./testing/recordings-v2.ts";

const LENGTHS = [4, 3, 5, 2];
const TOP = "observation.images.top";
const WRIST = "observation.images.wrist";
const folder = temporaryFolder();
const shared = join(folder.path, "shared");
const split = join(folder.path, "split");
const old = join(folder.path, "old");

beforeAll(async () => {
	await recordSynthetic(shared, LENGTHS, { codec: "h264" });
	await recordSynthetic(split, LENGTHS, {
		codec: "h264",
		limits: { videoFileSizeMb: 1e-6, dataFileSizeMb: 1e-6 },
	});
	await recordSyntheticV2(old, LENGTHS, { version: "v2.1" });
});
afterAll(() => folder[Symbol.dispose]());

/** A copy with the files of meta/ and those that the selection needs. */
async function part(dir: string, selection: DatasetSelection): Promise<string> {
	const target = `${dir}-part`;
	rmSync(target, { recursive: true, force: true });
	cpSync(join(dir, "meta"), join(target, "meta"), { recursive: true });
	for (const name of await listDatasetFiles(target, { selection })) {
		mkdirSync(dirname(join(target, name)), { recursive: true });
		cpSync(join(dir, name), join(target, name));
	}
	return target;
}

describe.each([
	["v3.0, shared files", shared, 3],
	["v3.0, a file per episode", split, 6],
	["v2.1", old, 6],
])("%s", (_, dir, numFiles) => {
	const selection = { episodes: [3, 1] };

	test("some episodes are renumbered; rows, statistics and frames are theirs", async () => {
		const root = await part(dir, selection);
		expect(await listDatasetFiles(root, { selection })).toHaveLength(numFiles);
		const whole = await openDataset(dir);
		const dataset = await openDataset(root, { selection });
		expect(dataset).toMatchObject({ numEpisodes: 2, numFrames: 5, storedStats: null, selection });
		const rows = await dataset.readRows();
		const all = await whole.readRows();
		expect([...rows.episodeIndex]).toEqual([0, 0, 0, 1, 1]);
		expect([...rows.frameIndex]).toEqual([0, 1, 2, 0, 1]);
		const actionsOf = (index: number): number[] => {
			const { fromIndex = 0, toIndex = 0 } = whole.episodes[index] ?? {};
			return [...all.action.subarray(fromIndex * 3, toIndex * 3)];
		};
		expect([...rows.action]).toEqual([...actionsOf(1), ...actionsOf(3)]);
		expect(await computeStats(dataset)).toEqual(await computeStats(whole, [1, 3]));
		const stored = await dataset.readEpisodeStats();
		expect(stored.get(1)).toEqual((await whole.readEpisodeStats()).get(3));
		await using reader = createFrameReader(dataset, { processes: 1 });
		const images = await reader.read([
			{ episodeIndex: 0, frameIndex: 2, camera: TOP },
			{ episodeIndex: 1, frameIndex: 1, camera: WRIST },
		]);
		expect(images.map(readMarker)).toEqual([markerOf(1, 2, 0), markerOf(3, 1, 1)]);
	});

	test("one camera, by the last part of its key", async () => {
		const cameras = { cameras: ["wrist"] };
		const root = await part(dir, cameras);
		expect(existsSync(join(root, `videos/${TOP}`))).toBe(false);
		const dataset = await openDataset(root, { selection: cameras });
		expect(dataset.cameraKeys).toEqual([WRIST]);
		expect(dataset.storedStats).not.toBeNull();
		expect((await dataset.readRows()).length).toBe(14);
		await expect(openDataset(root)).rejects.toThrow(/missing-file.*or leave out its camera/);
	});

	test("no camera at all", async () => {
		const dataset = await openDataset(await part(dir, { cameras: [] }), { selection: { cameras: [] } });
		expect(dataset.cameraKeys).toEqual([]);
	});
});

test("a fingerprint tells selections of the same files apart", async () => {
	const selections = [undefined, { episodes: [0] }, { episodes: [1] }, { cameras: ["top"] }];
	const prints = await Promise.all(
		selections.map(
			async (selection) => (await digestDataset(await openDataset(shared, { selection }))).fingerprint,
		),
	);
	expect(new Set(prints).size).toBe(4);
});

test.each(["meta/info.json", "meta/tasks.parquet", "videos/observation.images.top/chunk-000/file-000.mp4"])(
	"a Git LFS pointer in the place of %s is named",
	async (name) => {
		const root = join(folder.path, "pointers");
		cpSync(shared, root, { recursive: true });
		writeFileSync(
			join(root, name),
			`version https://git-lfs.github.com/spec/v1\noid sha256:${"0".repeat(64)}\nsize 9\n`,
		);
		await expect(openDataset(root)).rejects.toMatchObject({ code: "lfs-pointer", file: join(root, name) });
		rmSync(root, { recursive: true });
	},
);

test.each([
	[{ episodes: [4] }, /no episode 4; .* 0 to 3/],
	[{ cameras: ["front"] }, /"front" is not a camera of .*top, .*wrist/],
])("%j is refused", async (selection, message) => {
	await expect(openDataset(shared, { selection })).rejects.toMatchObject({ code: "bad-selection" });
	await expect(openDataset(shared, { selection })).rejects.toThrow(message);
});
