// Downloads against a hub on 127.0.0.1 that can refuse, lie, stall, redirect and break off.
import { existsSync, lstatSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { mkdtemp } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { HubError } from "./errors.ts";
import { hubSettings } from "./settings.ts";
import { type DownloadProgress, openSnapshot, type Snapshot } from "./snapshot.ts";
import { type FakeHub, startFakeHub } from "./testing/fake-hub.ts";

const VERSIONS = ["v3.0", "v2.1", "main"] as const;
const VIDEO = "videos/top/file-000.mp4";
const ROWS = "data/file-000.parquet";
const video = Uint8Array.from({ length: 200_000 }, (_, index) => (index * 7919) >> 3);
const files = {
	"meta/info.json": Buffer.from("{}"),
	[ROWS]: Buffer.from("rows"),
	"empty.txt": new Uint8Array(0),
	[VIDEO]: video,
};
let root = "";
let home = "";
let hub: FakeHub;
let waits: number[] = [];

beforeAll(async () => {
	root = await mkdtemp(join(tmpdir(), "zk0-snapshot-"));
	hub = await startFakeHub({ "datasets/someone/arm": files });
});
beforeEach(async () => {
	hub.reset();
	hub.repositories.get("datasets/someone/arm")?.tags.clear();
	home = await mkdtemp(join(root, "home-"));
	waits = [];
});
afterAll(async () => {
	await hub[Symbol.asyncDispose]();
	rmSync(root, { recursive: true });
});

interface Options {
	readonly env?: Record<string, string>;
	readonly revision?: string;
	readonly signal?: AbortSignal;
	readonly onProgress?: (progress: DownloadProgress) => void;
}

async function open({ env = {}, revision, signal, onProgress }: Options = {}): Promise<Snapshot> {
	const settings = await hubSettings({ HF_HOME: home, HF_ENDPOINT: hub.endpoint, ...env });
	return await openSnapshot(
		{
			kind: "dataset",
			reference: { repo: "someone/arm", revision: revision ?? null },
			defaultRevisions: VERSIONS,
		},
		{
			settings,
			signal,
			onProgress,
			wait: (ms) => {
				waits.push(ms);
				return new Promise((resolve) => void setTimeout(resolve, 5));
			},
		},
	);
}

async function fetched(paths: readonly string[], options: Options = {}): Promise<Snapshot> {
	const snapshot = await open(options);
	await snapshot.fetch(paths);
	return snapshot;
}

async function codeOf(work: Promise<unknown>): Promise<string> {
	try {
		await work;
	} catch (error) {
		if (error instanceof HubError) return error.code;
		throw error;
	}
	return "no error";
}

function isSame(directory: string, path: string, bytes: Uint8Array): boolean {
	return Buffer.compare(readFileSync(join(directory, path)), bytes) === 0;
}

function repoDir(): string {
	return join(home, "lerobot", "hub", "datasets--someone--arm");
}

function leftovers(): string[] {
	return readdirSync(join(repoDir(), "blobs")).filter((name) => name.endsWith(".incomplete"));
}

describe("a snapshot", () => {
	test("has the files that were asked for and no others, in LeRobot's cache", async () => {
		const snapshot = await fetched(["meta/info.json", VIDEO, "empty.txt"]);
		expect(snapshot.directory).toBe(join(repoDir(), "snapshots", hub.commit));
		expect([...snapshot.paths].sort()).toEqual(Object.keys(files).sort());
		expect(isSame(snapshot.directory, VIDEO, video)).toBe(true);
		expect(isSame(snapshot.directory, "empty.txt", new Uint8Array(0))).toBe(true);
		expect(lstatSync(join(snapshot.directory, VIDEO)).isSymbolicLink()).toBe(true);
		expect(existsSync(join(snapshot.directory, ROWS))).toBe(false);
		expect(leftovers()).toEqual([]);
		expect(snapshot.revision).toBe("main");
	});

	test("is the newest version tag that is known, else main; a commit is taken as it is", async () => {
		hub.repositories.get("datasets/someone/arm")?.tags.set("v2.1", hub.commit).set("v9.0", hub.commit);
		expect((await open()).revision).toBe("v2.1");
		expect((await open({ revision: hub.commit })).commit).toBe(hub.commit);
		expect(await codeOf(open({ revision: "v7" }))).toBe("hub-not-found");
	});

	test("needs no request for a commit, nor anything offline, once it is there", async () => {
		await fetched([VIDEO]);
		hub.requests.length = 0;
		await fetched([VIDEO], { revision: hub.commit });
		await fetched([VIDEO], { env: { HF_HUB_OFFLINE: "1" } });
		expect(hub.requests).toEqual([]);
		expect(await codeOf(fetched([ROWS], { env: { HF_HUB_OFFLINE: "1" } }))).toBe("hub-offline");
	});

	test("lists the commit as huggingface_hub does, and a damaged list is asked for again", async () => {
		await fetched([VIDEO]);
		const path = join(repoDir(), "trees", `${hub.commit}.json`);
		const tree = JSON.parse(readFileSync(path, "utf8"));
		expect(tree.format_version).toBe(1);
		expect(tree.files[VIDEO]).toEqual({
			size: video.length,
			blob_id: expect.stringMatching(/^[0-9a-f]{40}$/),
			lfs_sha256: expect.stringMatching(/^[0-9a-f]{64}$/),
			lfs_size: video.length,
		});
		expect(tree.files["empty.txt"]).toEqual({ size: 0, blob_id: "e69de29bb2d1d6434b8b29ae775ad8c2e48c5391" });
		for (const damaged of ["{", "[]", '{"format_version":2,"files":{}}']) {
			writeFileSync(path, damaged);
			expect((await open({ revision: hub.commit })).paths).toHaveLength(4);
		}
	});

	test("that Python brought is used offline, from the hub's own cache, too", async () => {
		const python = join(home, "hub", "datasets--someone--arm");
		mkdirSync(join(python, "refs"), { recursive: true });
		mkdirSync(join(python, "snapshots", hub.commit, "meta"), { recursive: true });
		writeFileSync(join(python, "refs", "v3.0"), hub.commit);
		writeFileSync(join(python, "snapshots", hub.commit, "meta/info.json"), "{}");
		const snapshot = await fetched(["meta/info.json"], { env: { HF_HUB_OFFLINE: "1" } });
		expect(snapshot.paths).toEqual(["meta/info.json"]);
		expect(snapshot.directory.startsWith(python)).toBe(true);
	});

	test("reports bytes and files", async () => {
		const seen: DownloadProgress[] = [];
		await fetched([VIDEO, ROWS], { onProgress: (progress) => seen.push(progress) });
		expect(seen.at(-1)).toMatchObject({
			bytesDone: 200_004,
			bytesTotal: 200_004,
			filesDone: 2,
			filesTotal: 2,
		});
	});

	test("does not ask for a path that the commit lacks", async () => {
		expect(await codeOf(fetched(["nothing.txt"]))).toBe("hub-not-found");
	});
});

describe("a download that breaks off", () => {
	test("goes on where it stopped", async () => {
		hub.misbehave(/mp4$/, "cut", 2);
		const { directory } = await fetched([VIDEO]);
		expect(isSame(directory, VIDEO, video)).toBe(true);
		const starts = hub.ranges.map((range) => Number(/\d+/.exec(range)?.[0]));
		expect(starts).toHaveLength(2);
		expect(starts[0]).toBeGreaterThan(0);
		expect(starts[1]).toBeGreaterThan(starts[0] ?? 0);
		expect(hub.bytesSent).toBeLessThan(2 * video.length);
		expect([...hub.encodings]).toEqual(["identity"]);
	});

	test("is kept when all tries fail, and goes on in the next call", async () => {
		hub.misbehave(/mp4$/, "cut", 1);
		hub.misbehave(/mp4$/, "broken");
		expect(await codeOf(fetched([VIDEO]))).toBe("hub-unreachable");
		expect(leftovers()).toHaveLength(1);
		hub.reset();
		const { directory } = await fetched([VIDEO]);
		expect(hub.ranges).toEqual([expect.stringMatching(/^bytes=[1-9]\d*-$/)]);
		expect(isSame(directory, VIDEO, video)).toBe(true);
		expect(leftovers()).toEqual([]);
	});

	test("begins anew when the server ignores ranges, and when the kept bytes are wrong", async () => {
		hub.misbehave(/mp4$/, "cut", 1);
		hub.misbehave(/mp4$/, "whole", 1);
		expect(isSame((await fetched([VIDEO])).directory, VIDEO, video)).toBe(true);
		rmSync(repoDir(), { recursive: true });
		hub.misbehave(/mp4$/, "cut", 1);
		hub.misbehave(/mp4$/, "broken");
		await codeOf(fetched([VIDEO]));
		const [partial = ""] = leftovers();
		writeFileSync(join(repoDir(), "blobs", partial), new Uint8Array(1000));
		hub.reset();
		expect(isSame((await fetched([VIDEO])).directory, VIDEO, video)).toBe(true);
		expect(hub.ranges).toEqual(["bytes=1000-"]);
	});

	test("is tried again when nothing comes any more", async () => {
		hub.misbehave(/mp4$/, "stall", 1);
		const { directory } = await fetched([VIDEO], { env: { HF_HUB_DOWNLOAD_TIMEOUT: "0.1" } });
		expect(isSame(directory, VIDEO, video)).toBe(true);
		expect(hub.ranges).toEqual([expect.stringMatching(/^bytes=[1-9]\d*-$/)]);
	});

	test("by an interrupt keeps the reason and the bytes", async () => {
		hub.misbehave(/mp4$/, "stall");
		const stop = new AbortController();
		const onProgress = ({ bytesDone }: DownloadProgress): void => {
			if (bytesDone > 0) stop.abort(new DOMException("stop", "AbortError"));
		};
		await expect(fetched([VIDEO], { signal: stop.signal, onProgress })).rejects.toMatchObject({
			name: "AbortError",
		});
		expect(leftovers()).toHaveLength(1);
	});
});

describe("wrong bytes", () => {
	test("are fetched once more, then refused", async () => {
		hub.misbehave(/mp4$/, "wrong-hash", 1);
		expect(await codeOf(fetched([VIDEO]))).toBe("no error");
		rmSync(repoDir(), { recursive: true });
		hub.misbehave(/mp4$/, "wrong-hash");
		expect(await codeOf(fetched([VIDEO]))).toBe("hub-corrupt");
		expect(readdirSync(join(repoDir(), "blobs"))).toEqual([]);
	});

	test("of a small file are refused by its git hash", async () => {
		hub.misbehave(/info.json$/, "wrong-hash");
		expect(await codeOf(fetched(["meta/info.json"]))).toBe("hub-corrupt");
	});
});

describe("a refusal", () => {
	test("429 is waited for as long as the hub asks", async () => {
		hub.misbehave(/\/tree\//, "rate-limited", 2);
		expect(await codeOf(fetched([ROWS]))).toBe("no error");
		expect(waits).toEqual([7000, 7000]);
	});

	test("429 and 5xx end as errors of their own after five tries", async () => {
		hub.misbehave(/\/resolve\//, "rate-limited", 5);
		expect(await codeOf(fetched([ROWS]))).toBe("hub-rate-limited");
		hub.misbehave(/\/resolve\//, "broken");
		expect(await codeOf(fetched([ROWS]))).toBe("hub-unreachable");
		expect(waits.slice(4)).toEqual([300, 600, 1200, 2400]);
	});

	test.each([
		["gated", {}, "hub-gated"],
		["private, without a token", { HF_TOKEN: "" }, "hub-unauthorized"],
		["private, with a wrong token", { HF_TOKEN: "hf_wrong" }, "hub-unauthorized"],
	])("%s is not tried again", async (what, env, code) => {
		if (what === "gated") hub.misbehave(/./, "gated");
		else hub.requiredToken = "hf_right";
		expect(await codeOf(open({ env }))).toBe(code);
		expect(waits).toEqual([]);
	});

	test("the hub cannot be reached", async () => {
		expect(await codeOf(open({ env: { HF_ENDPOINT: "http://127.0.0.1:9" } }))).toBe("hub-unreachable");
	});
});

test("what does not fit on the disk is not begun", async () => {
	hub.misbehave(/\/tree\//, "huge");
	expect(await codeOf(fetched([VIDEO]))).toBe("disk-full");
	expect(hub.requests.filter((line) => line.includes("/resolve/"))).toEqual([]);
});

describe("a token", () => {
	test("goes to the hub, and not to the host that it redirects to", async () => {
		hub.requiredToken = "hf_secret";
		hub.redirects = true;
		const { directory } = await fetched([VIDEO], { env: { HF_TOKEN: "hf_secret" } });
		expect(isSame(directory, VIDEO, video)).toBe(true);
		expect([...hub.tokens]).toEqual(["Bearer hf_secret"]);
		expect([...hub.cdnTokens]).toEqual([undefined]);
	});

	test("is read from the file that HF_TOKEN_PATH names", async () => {
		hub.requiredToken = "hf_secret";
		writeFileSync(join(home, "my-token"), "hf_secret\n");
		expect(await codeOf(open({ env: { HF_TOKEN_PATH: join(home, "my-token") } }))).toBe("no error");
	});
});

test("a path that leads out of the cache is not believed", async () => {
	await using evil = await startFakeHub({
		"datasets/someone/arm": { "../../../evil.txt": Buffer.from("x") },
	});
	expect(await codeOf(open({ env: { HF_ENDPOINT: evil.endpoint } }))).toBe("hub-unreachable");
	expect(existsSync(join(home, "evil.txt"))).toBe(false);
});
