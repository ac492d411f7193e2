import { spawnSync } from "node:child_process";
import { mkdir, mkdtemp, readdir, readFile, rm, truncate, writeFile } from "node:fs/promises";
import { homedir, hostname, tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { cacheDirectory, cachedRecording } from "./recording-cache.ts";

let cacheDir = "";
beforeEach(async () => {
	cacheDir = await mkdtemp(join(tmpdir(), "zk0-cache-"));
});
afterEach(() => rm(cacheDir, { recursive: true }));

async function write(dir: string, text = "frames"): Promise<void> {
	await mkdir(join(dir, "videos"), { recursive: true });
	await writeFile(join(dir, "videos", "file.mp4"), text);
}

const request = (make: (dir: string) => Promise<void>, recipe = "sim:reach-red") => ({
	cacheDir,
	recipe,
	make,
});
const never = (): Promise<void> => Promise.reject(new RangeError("recorded again"));

describe("cachedRecording", () => {
	test("records once per recipe", async () => {
		const first = await cachedRecording(request((dir) => write(dir)));
		expect(first.isNew).toBe(true);
		expect(await cachedRecording(request(never))).toEqual({ dir: first.dir, isNew: false });
		expect((await cachedRecording(request((dir) => write(dir), "sim:other"))).dir).not.toBe(first.dir);
	});

	test("a failed recording leaves nothing", async () => {
		await expect(cachedRecording(request(never))).rejects.toThrow("recorded again");
		expect(await readdir(join(cacheDir, "tmp"))).toEqual([]);
		expect(await readdir(cacheDir)).toEqual(["tmp"]);
	});

	test("a damaged entry is recorded again", async () => {
		const { dir } = await cachedRecording(request((target) => write(target)));
		await truncate(join(dir, "videos", "file.mp4"), 3);
		expect((await cachedRecording(request((target) => write(target)))).isNew).toBe(true);
		expect(await readFile(join(dir, "videos", "file.mp4"), "utf8")).toBe("frames");
		await rm(join(dir, "..", "recording.json"));
		expect((await cachedRecording(request((target) => write(target)))).isNew).toBe(true);
	});

	test("of two that record at the same time one wins and both get a whole recording", async () => {
		const results = await Promise.all(
			["a", "b", "c"].map((text) => cachedRecording(request((dir) => write(dir, text)))),
		);
		expect(new Set(results.map(({ dir }) => dir)).size).toBe(1);
		expect(await cachedRecording(request(never))).toMatchObject({ isNew: false });
		expect(await readdir(join(cacheDir, "tmp"))).toEqual([]);
	});

	test("what a killed process left is removed, what living ones and other machines make is not", async () => {
		const { pid } = spawnSync(process.execPath, ["--version"]);
		const kept = [`${hostname()}.${process.pid}.aa`, `elsewhere.${pid}.bb`];
		for (const name of [...kept, `${hostname()}.${pid}.cc`])
			await mkdir(join(cacheDir, "tmp", name), { recursive: true });
		await cachedRecording(request((dir) => write(dir)));
		expect((await readdir(join(cacheDir, "tmp"))).sort()).toEqual(kept.sort());
	});
});

describe("cacheDirectory", () => {
	test("ZK0_CACHE_DIR, then XDG, then the home directory", () => {
		expect(cacheDirectory({ ZK0_CACHE_DIR: "/a", XDG_CACHE_HOME: "/b" })).toBe("/a");
		expect(cacheDirectory({ XDG_CACHE_HOME: "/b" })).toBe("/b/zk0");
		expect(cacheDirectory({})).toBe(join(homedir(), ".cache", "zk0"));
	});
});
