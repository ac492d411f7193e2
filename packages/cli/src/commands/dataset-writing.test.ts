// The commands that write datasets, through the command line, from the dataset package's golden v2.1 dataset.
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { openDataset } from "@zk0/dataset";
import { afterAll, beforeAll, expect, test } from "vitest";
import { z } from "zod";
import { EXIT_CODES } from "../exit-codes.ts";
import { runCli } from "../run-cli.ts";
import { captureHost } from "../testing/capture-host.ts";
import { COMMANDS } from "./index.ts";

const golden = fileURLToPath(new URL("../../../dataset/golden/pyarrow-v21", import.meta.url));
const infoSchema = z.looseObject({ features: z.record(z.string(), z.unknown()) });
let folder: string;

beforeAll(() => {
	folder = mkdtempSync(join(tmpdir(), "zk0-convert-"));
	const dir = join(folder, "old");
	cpSync(golden, dir, { recursive: true });
	// Its cameras are smaller than the video encoders take.
	const path = join(dir, "meta/info.json");
	const info = infoSchema.parse(JSON.parse(readFileSync(path, "utf8")));
	const features = Object.entries(info.features).filter(([key]) => !key.startsWith("observation.images."));
	writeFileSync(path, JSON.stringify({ ...info, features: Object.fromEntries(features) }));
});
afterAll(() => rmSync(folder, { recursive: true }));

async function run(line: string) {
	const host = captureHost({ cwd: folder });
	const code = await runCli(line.split(" "), host, { commands: COMMANDS, version: "0" });
	return { code, out: host.out(), err: host.err() };
}

test("writes a v3.0 dataset with equal rows", async () => {
	const { code, out } = await run("data convert old new --json");
	expect(code).toBe(EXIT_CODES.ok.code);
	expect(JSON.parse(out)).toMatchObject({
		dir: join(folder, "new"),
		from: "v2.1",
		to: "v3.0",
		episodes: 2,
		frames: 7,
		droppedFeatures: [],
	});
	const rows = await (await openDataset(join(folder, "old"))).readRows();
	expect(await (await openDataset(join(folder, "new"))).readRows()).toEqual(rows);
});

test("does not overwrite, and names a dataset that is not there or cannot be written", async () => {
	const again = await run("data convert old old");
	expect(again.code).toBe(EXIT_CODES.storage.code);
	expect(again.err).toContain("target-exists");
	expect((await run("data convert nowhere out")).err).toContain(join(folder, "nowhere"));
	cpSync(golden, join(folder, "small"), { recursive: true });
	const small = await run("data convert small out");
	expect(small.code).toBe(EXIT_CODES.dataset.code);
	expect(small.err).toContain("48x64");
});

test("merge, subset, split: what was written, in words and as JSON", async () => {
	const merged = await run("data merge old old old merged --json --remove-features next.done");
	expect(merged.err).toContain("episode 6/6");
	expect(JSON.parse(merged.out)).toMatchObject({
		dir: join(folder, "merged"),
		episodes: 6,
		frames: 21,
		droppedFeatures: ["next.done"],
	});
	const subset = await run("data subset merged few --delete-episodes 0-2,5");
	expect(subset.out).toMatch(new RegExp(`^kept 2 episodes, 7 frames in .*: ${join(folder, "few")}$`, "m"));
	const split = await run("data split merged parts --part train=0.5 --part val=50%");
	expect(split.out).toContain("val: 3 episodes, 10 frames");
	const lists = await run("data split merged lists --part a=5,0 --part b=1-2 --json");
	expect(JSON.parse(lists.out)).toMatchObject({
		parts: { a: { episodes: 2 }, b: { episodes: 2, frames: 7 } },
	});
	const again = await run("data reencode few again --codec h264 --crf 30");
	expect(again.out).toContain("encoded 2 episodes");
});

test.each([
	["data merge old merged-2", "missing <dataset> <dataset>…"],
	["data subset old x --episodes 0-1 --delete-episodes 0", "say the same thing twice"],
	["data subset old x --delete-episodes 2", "has no episode 2"],
	["data subset old x --episodes 7", "has no episode 7"],
	["data subset old x --episodes 3-1", '"3-1" is not an episode or a range'],
	["data subset old x --cameras nose", '"nose" is not a camera or feature'],
	["data split old x", "no part is named"],
	["data split old x --part a=many", "nor a share like 0.8"],
	["data split old x --part a=0.9 --part b=0.9", "sum to at most 1"],
	["data convert old x --codec h264 --crf 60", "h264 takes 0 to 51"],
])("%s: refused as a wrong command line", async (line, message) => {
	const { code, err } = await run(line);
	expect(err).toContain(message);
	expect(code).toBe(EXIT_CODES.usage.code);
});

test("the commands of docs/datasets.md work as they stand there", async () => {
	const text = readFileSync(new URL("../../../../docs/datasets.md", import.meta.url), "utf8");
	const blocks = [...text.matchAll(/```sh\n(.*?)```/gs)].flatMap(([, block = ""]) =>
		block.trim().split("\n"),
	);
	expect(blocks.length).toBeGreaterThan(8);
	for (const day of ["monday", "tuesday"])
		cpSync(join(folder, "old"), join(folder, "data", day), { recursive: true });
	for (const shown of blocks) {
		// The page names a further column as it could be called; that of this dataset has another name.
		const line = shown.replace("next.reward", "next.done");
		const { code, err } = await run(line.replace(/^zk0 /, ""));
		expect([line, code, err.includes("Error")]).toEqual([line, EXIT_CODES.ok.code, false]);
	}
	expect((await openDataset(join(folder, "data/parts/train"))).numEpisodes).toBe(3);
});
