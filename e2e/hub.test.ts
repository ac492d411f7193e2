// Datasets of the hub when processes are killed or work side by side: nothing is fetched twice, nothing half is used.
import { readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { type FakeHub, startFakeHub } from "@zk0/hub/testing";
import { afterAll, afterEach, beforeAll, expect, test } from "vitest";
import { jsonOf, startZk0, workplace, zk0 } from "./zk0.ts";

const golden = fileURLToPath(new URL("../packages/dataset/golden/pyarrow-v21", import.meta.url));
const WORDS = ["data", "convert", "hf:someone/arm?cameras="] as const;
const FILE = "data/chunk-000/episode_000001.parquet";

let place: Awaited<ReturnType<typeof workplace>>;
let hub: FakeHub;
beforeAll(async () => {
	place = await workplace();
	const names = readdirSync(golden, { recursive: true, encoding: "utf8" });
	const files = names.filter((name) => statSync(join(golden, name)).isFile());
	hub = await startFakeHub({
		"datasets/someone/arm": Object.fromEntries(files.map((name) => [name, readFileSync(join(golden, name))])),
	});
});
afterEach(() => hub.reset());
afterAll(async () => {
	await hub[Symbol.asyncDispose]();
	await place[Symbol.asyncDispose]();
});

function env(home: string): Record<string, string> {
	return { HF_HOME: join(place.dir, home), HF_ENDPOINT: hub.endpoint, HF_TOKEN: "" };
}

function blobs(home: string): string[] {
	return readdirSync(join(place.dir, home, "lerobot/hub/datasets--someone--arm/blobs"));
}

async function until(holds: () => boolean): Promise<void> {
	while (!holds()) await new Promise((resolve) => setTimeout(resolve, 20));
}

test("after SIGKILL in the middle of a file the next process goes on there", async () => {
	hub.misbehave(/episode_000001.parquet$/, "stall", 1);
	const run = startZk0([...WORDS, "killed"], { cwd: place.dir, env: env("a") });
	const half = statSync(join(golden, FILE)).size >> 1;
	const partial = (): string | undefined =>
		blobs("a").find(
			(name) => statSync(join(place.dir, "a/lerobot/hub/datasets--someone--arm/blobs", name)).size === half,
		);
	await until(() => hub.requests.some((line) => line.endsWith(FILE)) && partial() !== undefined);
	run.child.kill("SIGKILL");
	expect((await run.finished).code).toBe("SIGKILL");
	expect(partial()).toMatch(/\.incomplete$/);
	const converted = jsonOf(await zk0([...WORDS, "killed", "--json"], place.dir, env("a")));
	expect(converted).toMatchObject({ episodes: 2, frames: 7 });
	expect(hub.ranges).toEqual([`bytes=${half}-`]);
	expect(blobs("a").filter((name) => name.endsWith(".incomplete"))).toEqual([]);
});

test("two processes that want the same files both get them, and only one downloads", async () => {
	hub.misbehave(/episode_000001.parquet$/, "stall", 1);
	const slow = { ...env("b"), HF_HUB_DOWNLOAD_TIMEOUT: "3" };
	const first = zk0([...WORDS, "one", "--json"], place.dir, slow);
	await until(() => hub.requests.some((line) => line.endsWith(FILE)));
	const second = zk0([...WORDS, "two", "--json"], place.dir, slow);
	for (const done of [await first, await second]) expect(jsonOf(done)).toMatchObject({ frames: 7 });
	expect(hub.requests.filter((line) => line.endsWith(FILE))).toHaveLength(2); // the first, and its second try
	expect(blobs("b").filter((name) => name.endsWith(".incomplete"))).toEqual([]);
});
