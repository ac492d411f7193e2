// Datasets of the hub through the command line: only what is asked for is downloaded, revisions become commits, and
// refusals say what to do.
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { openDataset } from "@zk0/dataset";
import { type FakeHub, startFakeHub } from "@zk0/hub/testing";
import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import { COMMANDS } from "../commands/index.ts";
import { EXIT_CODES } from "../exit-codes.ts";
import { createOutput } from "../output.ts";
import { runCli } from "../run-cli.ts";
import { locatePlans } from "../simulation/site-plans.ts";
import { captureHost } from "../testing/capture-host.ts";
import { createDownloadReporter } from "./download-reporter.ts";
import { openData } from "./locate-data.ts";

const golden = fileURLToPath(new URL("../../../dataset/golden/pyarrow-v21", import.meta.url));
const folder = mkdtempSync(join(tmpdir(), "zk0-locate-"));
let hub: FakeHub;
let count = 0;
let home = "";

function filesOf(directory: string): Record<string, Uint8Array> {
	const names = readdirSync(directory, { recursive: true, encoding: "utf8" });
	const regular = names.filter((name) => statSync(join(directory, name)).isFile());
	return Object.fromEntries(regular.map((name) => [name, readFileSync(join(directory, name))]));
}

beforeAll(async () => {
	hub = await startFakeHub({
		"datasets/someone/arm": filesOf(golden),
		"datasets/someone/torn": { "meta/info.json": Buffer.from("{") },
	});
});
beforeEach(() => {
	hub.reset();
	home = join(folder, `home-${count++}`);
});
afterAll(async () => {
	await hub[Symbol.asyncDispose]();
	rmSync(folder, { recursive: true });
});

function host(more: Record<string, string> = {}) {
	return captureHost({ cwd: folder, env: { HF_HOME: home, HF_ENDPOINT: hub.endpoint, ...more } });
}

async function run(line: string, more: Record<string, string> = {}) {
	const own = host(more);
	const code = await runCli(line.split(" "), own, { commands: COMMANDS, version: "0" });
	return { code, out: own.out(), err: own.err() };
}

test("converts one episode of a dataset on the hub, downloading that and no camera", async () => {
	const { code, out } = await run("data convert hf:someone/arm?episodes=1&cameras= new --json");
	expect(code).toBe(EXIT_CODES.ok.code);
	expect(JSON.parse(out)).toMatchObject({ episodes: 1, frames: 3 });
	const fetched = hub.requests.filter((line) => line.includes("/resolve/") && !line.includes("/meta/"));
	expect(fetched).toEqual([
		`GET /datasets/someone/arm/resolve/${hub.commit}/data/chunk-000/episode_000001.parquet`,
	]);
	expect((await openDataset(join(folder, "new"))).numFrames).toBe(3);
});

test("a site's revision is recorded as a commit, which needs no network later", async () => {
	const plans = [{ name: "lab", uri: "hf:someone/arm?episodes=0", source: null }];
	const context = { host: host(), output: createOutput(host(), { json: false, quiet: true }) };
	const [plan] = await locatePlans(plans, context);
	expect(plan?.uri).toBe(`hf:someone/arm@${hub.commit}?episodes=0`);
	hub.requests.length = 0;
	const dataset = await openData(plan?.uri ?? "", context);
	expect([dataset.numEpisodes, hub.requests]).toEqual([1, []]);
});

test.each([
	["hf:someone/nothing", {}, EXIT_CODES.hub, "hub-not-found"],
	["hf:someone/arm@v9", {}, EXIT_CODES.hub, "hub-not-found"],
	["hf:someone/arm", { HF_HUB_OFFLINE: "1" }, EXIT_CODES.hub, "HF_HUB_OFFLINE"],
	["hf:someone/torn", {}, EXIT_CODES.dataset, "info.json"],
	["hf:someone/arm?episodes=9", {}, EXIT_CODES.usage, "its episodes are 0 to 1"],
	["hf:someone/arm?cameras=left", {}, EXIT_CODES.usage, "its cameras are"],
	["ftp:someone/arm", {}, EXIT_CODES.usage, "zk0 help data"],
])("%s with %j ends with the right exit code and a cure", async (uri, env, exit, text) => {
	const { code, err } = await run(`data convert ${uri} out`, env);
	expect([code, err]).toEqual([exit.code, expect.stringContaining(text)]);
	expect(existsSync(join(folder, "out"))).toBe(false);
});

test("a private dataset needs the token", async () => {
	hub.requiredToken = "hf_right";
	const refused = await run("data convert hf:someone/arm?cameras= out");
	expect([refused.code, refused.err]).toEqual([EXIT_CODES.hub.code, expect.stringContaining("HF_TOKEN")]);
	expect((await run("data convert hf:someone/arm?cameras= out", { HF_TOKEN: "hf_right" })).code).toBe(0);
});

test("a download is shown at every tenth of the way", () => {
	const own = host();
	const reporter = createDownloadReporter("a/b", own.stdout, own);
	for (let done = 0; done <= 100; done++) {
		reporter.progress({
			path: "x",
			bytesDone: done * 1e5,
			bytesTotal: 1e7,
			filesDone: done === 100 ? 2 : 1,
			filesTotal: 2,
		});
	}
	const lines = own.out().trimEnd().split("\n");
	expect(lines).toHaveLength(10);
	expect(lines[0]).toMatch(/^a\/b: 1\.0 MB of 10\.0 MB, file 2 of 2, .* left$/);
});
