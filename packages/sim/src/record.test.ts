import { mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { recordDataset } from "./record.ts";

test("records a dataset whose metadata says what was asked; the same options give the same files", async () => {
	const dir = await mkdtemp(join(tmpdir(), "zk0-sim-"));
	try {
		const options = {
			tasks: ["reach-red", "reach-blue"],
			episodes: 3,
			seed: 1,
			image: { height: 64, width: 96 },
			domain: "a",
			codec: "h264",
		} as const;
		const progress: number[] = [];
		const written = await recordDataset(join(dir, "one"), {
			...options,
			onEpisode: (done) => progress.push(done),
		});
		expect(progress).toEqual([1, 2, 3]);
		expect(written.numEpisodes).toBe(3);
		const info: unknown = JSON.parse(await readFile(join(dir, "one/meta/info.json"), "utf8"));
		expect(info).toMatchObject({
			codebase_version: "v3.0",
			robot_type: "so100_follower",
			fps: 10,
			total_episodes: 3,
			total_tasks: 2,
			total_frames: written.numFrames,
			features: {
				"observation.state": { shape: [6] },
				action: { shape: [6] },
				"observation.images.top": { dtype: "video", shape: [64, 96, 3] },
				"observation.images.wrist": { dtype: "video", shape: [64, 96, 3] },
			},
		});
		await recordDataset(join(dir, "two"), options);
		const files = (await readdir(join(dir, "one"), { recursive: true, withFileTypes: true }))
			.filter((entry) => entry.isFile())
			.map((entry) => join(entry.parentPath, entry.name));
		expect(files.length).toBeGreaterThanOrEqual(7);
		for (const file of files) {
			expect(await readFile(file.replace(join(dir, "one"), join(dir, "two")))).toEqual(await readFile(file));
		}
	} finally {
		await rm(dir, { recursive: true, force: true });
	}
});

test("an abort leaves nothing behind", async () => {
	const dir = await mkdtemp(join(tmpdir(), "zk0-sim-"));
	try {
		const controller = new AbortController();
		const recording = recordDataset(join(dir, "one"), {
			tasks: ["reach-red"],
			episodes: 50,
			seed: 1,
			image: { height: 64, width: 64 },
			codec: "h264",
			signal: controller.signal,
			onEpisode: () => controller.abort(),
		});
		await expect(recording).rejects.toThrow(/abort/i);
		expect(await readdir(dir)).toEqual([]);
	} finally {
		await rm(dir, { recursive: true, force: true });
	}
});
