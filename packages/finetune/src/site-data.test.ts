import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type LeRobotDataset, openDataset } from "@zk0/dataset";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { openSiteData, type SiteDataOptions } from "./site-data.ts";
import { recordTiny, tinyModel, tinyTokenizer } from "./testing/tiny-site.ts";

const policy = { ...tinyModel(), tokenizer: tinyTokenizer };
let dir = "";
let dataset: LeRobotDataset;

beforeAll(async () => {
	dir = await mkdtemp(join(tmpdir(), "zk0-site-data-"));
	await recordTiny(join(dir, "good"), { episodes: 6 });
	dataset = await openDataset(join(dir, "good"));
});
afterAll(() => rm(dir, { recursive: true }));

function open(change: Partial<SiteDataOptions> = {}) {
	return openSiteData({ name: "lab", dataset, policy, ...change });
}

describe("openSiteData", () => {
	test("splits by episode and takes statistics from the training part only", async () => {
		await using data = await open({ heldOut: 0.5 });
		const { rows } = data.source;
		const episodes = (items: Uint32Array) => [
			...new Set(Array.from(items, (item) => rows.episodeIndex[item] ?? -1)),
		];
		expect(data.trainItems.length + data.heldOutItems.length).toBe(dataset.numFrames);
		expect(episodes(data.trainItems)).toEqual(data.split.train);
		expect(episodes(data.heldOutItems)).toEqual(data.split.heldOut);
		const mean = [...data.trainItems].reduce((sum, item) => sum + (rows.action[item * 3] ?? 0), 0);
		expect(data.stats["action"]?.mean[0]).toBeCloseTo(mean / data.trainItems.length, 4);
	});

	test("takes held-out episodes, statistics and units from a profile", async () => {
		const selected = await openDataset(join(dir, "good"), { selection: { episodes: [1, 2, 4, 5] } });
		await using plain = await open();
		const units = { action: { scale: [1, -1, 0.5], offset: [0, 90, 0] } };
		await using data = await open({ dataset: selected, heldOut: [4], stats: plain.stats, units });
		expect(data.split).toEqual({ train: [0, 1, 3], heldOut: [2] });
		expect(data.stats).toBe(plain.stats);
		const { mean, std } = plain.context.stats["action"] ?? {};
		const [a = 0, b = 0, c = 0] = Array.from(std ?? []);
		expect(data.context.stats["action"]).toMatchObject({ mean, std: [a, -b, c] });
		expect(data.context.stats["observation.state"]).toEqual(plain.context.stats["observation.state"]);
		// Errors are reported in degrees, whatever was recorded.
		expect(data.actionScale).toEqual([1, 1, 0.5]);
	});

	test("knows joints by name and that actions aim at states", async () => {
		await using data = await open();
		expect(data.actionNames).toEqual(["pan.pos", "lift.pos", "gripper.pos"]);
		expect(data.actionsAreTargets).toBe(true);
		const nameless = { ...dataset.features, action: { dtype: "float32", shape: [3], names: null } };
		await using other = await open({ dataset: { ...dataset, features: nameless } });
		expect(other.actionNames).toEqual(["action_0", "action_1", "action_2"]);
		expect(other.actionsAreTargets).toBe(false);
	});

	test("reads joint names from LeRobot's older form", async () => {
		const motors = { motors: ["a", "b", "c"] };
		const features = { ...dataset.features, action: { dtype: "float32", shape: [3], names: motors } };
		await using data = await open({ dataset: { ...dataset, features } });
		expect(data.actionNames).toEqual(["a", "b", "c"]);
	});

	test("a camera map leads from the dataset's cameras to the policy's", async () => {
		const cameraMap = {
			"observation.images.top": "observation.images.wrist",
			"observation.images.wrist": "observation.images.top",
		};
		await using data = await open({ cameraMap });
		expect(data.context.cameras).toEqual(["observation.images.top", "observation.images.wrist"]);
		expect(data.cameraMap.get("observation.images.wrist")).toBe("observation.images.top");
	});

	test("another number of joints is refused with what to do", async () => {
		await recordTiny(join(dir, "two"), { episodes: 1, joints: ["pan.pos", "lift.pos"] });
		const two = await openDataset(join(dir, "two"));
		await expect(open({ dataset: two })).rejects.toMatchObject({ code: "dims-mismatch", site: "lab" });
		await expect(open({ dataset: two })).rejects.toThrow(/has 2 numbers, the policy takes 3/);
	});

	test("a missing camera is refused, unless the camera map leaves it dark", async () => {
		await recordTiny(join(dir, "one-eye"), { episodes: 1, cameras: ["observation.images.top"] });
		const oneEye = await openDataset(join(dir, "one-eye"));
		await expect(open({ dataset: oneEye })).rejects.toMatchObject({ code: "camera-missing" });
		const cameraMap = { "observation.images.top": "observation.images.top" };
		await using data = await open({ dataset: oneEye, cameraMap });
		expect(data.context.cameras).toEqual(["observation.images.top"]);
	});

	test.each([
		["an empty sentence", (good: LeRobotDataset) => ({ ...good, tasks: ["Go left", " "] }), "task-empty"],
		["no sentence", (good: LeRobotDataset) => ({ ...good, tasks: [] }), "task-empty"],
		["no episode", (good: LeRobotDataset) => ({ ...good, episodes: [] }), "no-train-episodes"],
	])("%s is refused", async (_, change, code) => {
		await expect(open({ dataset: change(dataset) })).rejects.toMatchObject({ code, site: "lab" });
	});
});
