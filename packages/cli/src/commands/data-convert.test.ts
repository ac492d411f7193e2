// `zk0 data convert` through the command line, from the dataset package's golden v2.1 dataset.
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

test("writes a v3.0 dataset with equal rows and says what it left out", async () => {
	const { code, out } = await run("data convert old new --json");
	expect(code).toBe(EXIT_CODES.ok.code);
	expect(JSON.parse(out)).toMatchObject({
		dir: join(folder, "new"),
		from: "v2.1",
		to: "v3.0",
		episodes: 2,
		frames: 7,
		droppedFeatures: ["next.done", "comment"],
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
