import { mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseSimUri } from "@zk0/sim";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { CliError } from "../cli-error.ts";
import { recordSites, type SimulatedSite } from "./record-sites.ts";

let dir = "";
beforeEach(async () => {
	dir = await mkdtemp(join(tmpdir(), "zk0-record-"));
});
afterEach(() => rm(dir, { recursive: true }));

function sites(query: string): SimulatedSite[] {
	return ["reach-red", "above-green"].map((task) => ({
		site: task,
		source: parseSimUri(`sim:${task}?${query}`),
	}));
}

function record(query: string, options: { cacheDir?: string; controller?: AbortController } = {}) {
	const episodes: string[] = [];
	const { cacheDir = dir, controller = new AbortController() } = options;
	const done = recordSites(sites(query), {
		cacheDir,
		codec: "h264",
		onEpisode: (site, numDone, numEpisodes) => {
			episodes.push(`${site} ${numDone}/${numEpisodes}`);
			if (numDone === 1) controller.signal.dispatchEvent(new Event("episode"));
		},
		signal: controller.signal,
	});
	return { done, episodes };
}

describe("recordSites", () => {
	test("records every site once, then finds them", async () => {
		const first = record("episodes=1&size=64x64");
		const dirs = await first.done;
		expect([...dirs.keys()].sort()).toEqual(["above-green", "reach-red"]);
		expect(first.episodes.sort()).toEqual([
			"above-green 0/1",
			"above-green 1/1",
			"reach-red 0/1",
			"reach-red 1/1",
		]);
		for (const found of dirs.values()) expect(await readdir(found)).toEqual(["data", "meta", "videos"]);
		const second = record("episodes=1&size=64x64");
		expect(await second.done).toEqual(dirs);
		expect(second.episodes).toEqual([]);
	});

	test("a stop kills the children and leaves nothing", async () => {
		const controller = new AbortController();
		controller.signal.addEventListener("episode", () =>
			controller.abort(new CliError("interrupted", "stop")),
		);
		await expect(record("episodes=500&size=64x64", { controller }).done).rejects.toMatchObject({
			code: "interrupted",
		});
		expect(await readdir(join(dir, "tmp"))).toEqual([]);
	});

	test("a cache that cannot be written is a storage error", async () => {
		await writeFile(join(dir, "file"), "");
		await expect(record("episodes=1", { cacheDir: join(dir, "file") }).done).rejects.toMatchObject({
			code: "ENOTDIR",
		});
	});
});
