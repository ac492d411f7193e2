// What the folder picker tells of a machine, and what it must not.
import { mkdir, mkdtemp, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { findDatasets } from "./find-datasets.ts";

const { signal } = new AbortController();
let dir: string;
let root: string;

async function put(path: string, info: string): Promise<void> {
	await mkdir(join(dir, path, "meta"), { recursive: true });
	await writeFile(join(dir, path, "meta", "info.json"), info);
}

beforeAll(async () => {
	dir = await mkdtemp(join(tmpdir(), "zk0-find-"));
	root = join(dir, "home");
	await put("home/arm/drawer", '{"total_episodes":12,"total_frames":3600,"fps":30,"robot_type":"so100"}');
	await put("home/odd", '{"total_episodes":"many","secret":"do not tell"}');
	await put("home/broken", "{");
	await put("home/.cache/hidden", "{}");
	await put("home/a/b/c/d/e/f/deep", "{}");
	await put("outside/private", "{}");
	await writeFile(join(root, "notes.txt"), "do not tell");
	await symlink(join(dir, "outside"), join(root, "link"));
});
afterAll(() => rm(dir, { recursive: true }));

test("datasets are listed with what they count, and nothing else of any file", async () => {
	const found = await findDatasets(null, [root, join(dir, "not-there")], signal);
	expect(found).toEqual({
		folders: [root],
		isComplete: true,
		datasets: [
			{
				path: join(root, "odd"),
				name: "odd",
				numEpisodes: null,
				numFrames: null,
				fps: null,
				robotType: null,
			},
			{
				path: join(root, "arm", "drawer"),
				name: join("arm", "drawer"),
				numEpisodes: 12,
				numFrames: 3600,
				fps: 30,
				robotType: "so100",
			},
		],
	});
	expect(JSON.stringify(found)).not.toContain("do not tell");
	expect((await findDatasets("arm", [root], signal)).datasets).toHaveLength(1);
});

test("no way leads out of the folders that the page was started for", async () => {
	const out = [
		"..",
		"../outside",
		"arm/../../outside",
		join(dir, "outside"),
		"link",
		"link/private",
		"/",
		"/etc/passwd",
		"not-there",
		"\0",
	];
	for (const folder of out)
		await expect(findDatasets(folder, [root], signal)).rejects.toMatchObject({ code: "bad-data-uri" });
	// A file within has no folders.
	expect((await findDatasets("arm/drawer/meta/info.json", [root], signal)).datasets).toEqual([]);
	// A neighbour whose name begins alike is another folder.
	await mkdir(join(dir, "home-of-another"), { recursive: true });
	await expect(findDatasets("../home-of-another", [root], signal)).rejects.toMatchObject({
		code: "bad-data-uri",
	});
});
