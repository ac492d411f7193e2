// The viewer's routes on a real socket: who gets in, ranges of videos, what is recorded, what is not there.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { episodeViewSchema, recordingsViewSchema } from "@zk0/dashboard/views";
import { type LeRobotDataset, openDataset, type Rows } from "@zk0/dataset";
import { decode } from "fast-png";
import { afterAll, beforeAll, expect, test } from "vitest";
import {
	markerOf,
	readMarker,
	recordSynthetic,
	temporaryFolder,
} from "../../../dataset/src/testing/recordings.ts";
import type { StreamMessage } from "../http/route.ts";
import { clientHome, makePrivateFolder } from "../network/home.ts";
import { writePrivateJson } from "../network/private-file.ts";
import { createOutput } from "../output.ts";
import { captureHost } from "../testing/capture-host.ts";
import { namedModel } from "./models.ts";
import { viewRecordings } from "./recordings.ts";
import { serveViewer } from "./serve-viewer.ts";
import { createSiteViewer } from "./site-viewer.ts";
import { openViewer } from "./viewer.ts";

/** A v2.1 dataset with pictures in its rows, and videos that browsers do not play. */
const GOLDEN = fileURLToPath(new URL("../../../dataset/golden/pyarrow-v21", import.meta.url));
const LENGTHS = [6, 5, 4];
const TOP = encodeURIComponent("observation.images.top");

/** A viewer that somebody has signed in to. */
interface Opened extends AsyncDisposable {
	readonly dataset: LeRobotDataset;
	readonly rows: Rows;
	/** Asks as the one who signed in; null: as nobody. */
	ask(path: string, headers?: Record<string, string> | null): Promise<Response>;
}

const folder = temporaryFolder();
const faults: unknown[] = [];
let videos: Opened;
let pictures: Opened;

async function open(dir: string): Promise<Opened> {
	const dataset = await openDataset(dir);
	const host = captureHost({ cwd: folder.path, env: { ZK0_CACHE_DIR: join(folder.path, "cache") } });
	const viewer = openViewer({
		name: "kitchen",
		data: { dataset, profile: null },
		models: async () => [namedModel("models/absent")],
		heldOut: { wanted: [1], seed: 7 },
		camera: undefined,
		every: null,
		seed: 42,
		threads: 1,
		device: "cpu",
		host,
	});
	let served: Promise<void> = Promise.resolve();
	const link = await new Promise<string>((onReady, reject) => {
		served = serveViewer(viewer, { port: 0, host, onReady, onFault: (error) => faults.push(error) });
		served.catch(reject);
	});
	const { origin, hash } = new URL(link);
	const signIn = (secret: string | null): Promise<Response> =>
		fetch(`${origin}/api/session`, {
			method: "POST",
			headers: { "content-type": "application/json" },
			body: JSON.stringify({ secret }),
		});
	expect((await signIn("a guess")).status).toBe(401);
	const answer = await signIn(new URLSearchParams(hash.slice(1)).get("code"));
	const [cookie = ""] = (answer.headers.get("set-cookie") ?? "").split(";");
	return {
		dataset,
		rows: await dataset.readRows(),
		ask: (path, headers = {}) =>
			fetch(origin + path, headers === null ? {} : { headers: { cookie, ...headers } }),
		async [Symbol.asyncDispose]() {
			host.interrupt(new DOMException("stopped", "AbortError"));
			await served;
			await viewer[Symbol.asyncDispose]();
		},
	};
}

beforeAll(async () => {
	await recordSynthetic(join(folder.path, "videos"), LENGTHS);
	[videos, pictures] = await Promise.all([open(join(folder.path, "videos")), open(GOLDEN)]);
});
afterAll(async () => {
	await videos[Symbol.asyncDispose]();
	await pictures[Symbol.asyncDispose]();
	folder[Symbol.dispose]();
});

test.each([
	"/api/recordings",
	"/api/episodes/0",
	`/api/episodes/0/videos/${TOP}`,
	`/api/episodes/0/pictures/${TOP}/0`,
	"/api/predictions",
	"/api/predictions/model/0",
])("%s tells nothing to nobody", async (path) => {
	expect((await videos.ask(path, null)).status).toBe(401);
});

test("the recordings: cameras, names with units, episodes with the part that training sees", async () => {
	const found = recordingsViewSchema.parse(await (await videos.ask("/api/recordings")).json());
	expect(found).toMatchObject({
		dataset: "kitchen",
		fps: 10,
		cameras: [
			{ key: "observation.images.top", kind: "video", width: 96, height: 64 },
			{ key: "observation.images.wrist", kind: "video", width: 64, height: 64 },
		],
		states: [
			{ name: "shoulder_pan.pos", unit: "deg" },
			{ name: "gripper.pos", unit: "percent" },
		],
		models: [{ id: "model", label: "models/absent", round: null }],
	});
	expect(found.episodes.map(({ index, frames, part }) => [index, frames, part])).toEqual([
		[0, 6, "train"],
		[1, 5, "held out"],
		[2, 4, "train"],
	]);
	const { cameras } = recordingsViewSchema.parse(await (await pictures.ask("/api/recordings")).json());
	// Its videos are not what info.json says: the browser finds that out, and asks for pictures.
	expect(cameras.map(({ kind }) => kind)).toEqual(["video", "video", "pictures"]);
});

test.each([
	[() => videos, 1],
	[() => videos, 2],
	[() => pictures, 1],
] as const)("joint tracks are the rows, number by number (%#)", async (opened, index) => {
	const { dataset, rows, ...viewer } = opened();
	const found = episodeViewSchema.parse(await (await viewer.ask(`/api/episodes/${index}`)).json());
	const episode = dataset.episodes[index];
	if (episode === undefined) throw new RangeError("no episode");
	const { fromIndex, toIndex } = episode;
	expect(found.frames).toBe(toIndex - fromIndex);
	const flat = (tracks: readonly (readonly (number | null)[])[]): Float32Array =>
		Float32Array.from({ length: found.frames * tracks.length }, (_, at) => {
			const value = tracks[at % tracks.length]?.[Math.floor(at / tracks.length)];
			return value ?? Number.NaN;
		});
	expect(flat(found.state)).toEqual(rows.state.slice(fromIndex * rows.stateDim, toIndex * rows.stateDim));
	expect(flat(found.action)).toEqual(rows.action.slice(fromIndex * rows.actionDim, toIndex * rows.actionDim));
	for (const [camera, { fromTimestamp }] of episode.videos)
		expect(found.videoFrom[camera]).toBe(fromTimestamp);
});

test("what was recorded and is no number is a gap, and the rest of its episode is there", async () => {
	const { dataset, rows } = videos;
	const state = Float32Array.from(rows.state).fill(Number.NaN, 1, 2);
	const readRows = async (): Promise<Rows> => ({ ...rows, state });
	const own = Object.create(dataset, { readRows: { value: readRows } });
	await using recordings = viewRecordings({ name: "kitchen", dataset: own, split: null });
	const shown = episodeViewSchema.parse(JSON.parse(JSON.stringify(await recordings.episode(0))));
	expect(shown.state.map(([first]) => first)).toEqual([rows.state[0], null]);
});

test("a video comes whole or in the range that is asked for", async () => {
	const { path = "" } = videos.dataset.episodes[1]?.videos.get("observation.images.top") ?? {};
	const file = readFileSync(path);
	const size = file.length;
	const cases: readonly (readonly [string | null, number, number, number])[] = [
		[null, 200, 0, size],
		["bytes=0-", 206, 0, size],
		["bytes=10-19", 206, 10, 20],
		[`bytes=10-${size * 2}`, 206, 10, size],
		["bytes=-7", 206, size - 7, size],
		[`bytes=-${size * 2}`, 206, 0, size],
		["bytes=20-10", 200, 0, size],
		["bytes=0-1,4-5", 200, 0, size],
		["frames=0-1", 200, 0, size],
		["bytes=-", 200, 0, size],
		[`bytes=${size}-`, 416, 0, 0],
		["bytes=-0", 416, 0, 0],
	];
	for (const [range, status, from, to] of cases) {
		const answer = await videos.ask(`/api/episodes/1/videos/${TOP}`, range === null ? {} : { range });
		const bytes = Buffer.from(await answer.arrayBuffer());
		const span = `bytes ${status === 416 ? "*" : `${from}-${to - 1}`}/${size}`;
		expect([range, answer.status, answer.headers.get("content-range")]).toEqual([
			range,
			status,
			status === 200 ? null : span,
		]);
		expect(bytes.equals(file.subarray(from, to))).toBe(true);
		expect(answer.headers.get("content-type")).toBe(status === 416 ? null : "video/mp4");
	}
});

test("single pictures, of a video and of the rows", async () => {
	const answer = await videos.ask(`/api/episodes/1/pictures/${TOP}/3`);
	expect(answer.headers.get("content-type")).toBe("image/png");
	const { width, height, data } = decode(await answer.arrayBuffer());
	expect(readMarker({ width, height, rgb: Uint8Array.from(data) })).toBe(markerOf(1, 3, 0));
	const wrist = encodeURIComponent("observation.images.wrist");
	const own = decode(await (await pictures.ask(`/api/episodes/1/pictures/${wrist}/2`)).arrayBuffer());
	expect([own.width, own.height, own.channels]).toEqual([64, 48, 3]);
});

test.each([
	["/api/episodes/3", 404],
	["/api/episodes/-1", 400],
	["/api/episodes/one", 400],
	[`/api/episodes/3/videos/${TOP}`, 404],
	[`/api/episodes/0/videos/${encodeURIComponent("../../meta/info.json")}`, 404],
	[`/api/episodes/0/videos/${encodeURIComponent("../../../../etc/passwd")}`, 404],
	[`/api/episodes/0/pictures/${TOP}/6`, 404],
	["/api/episodes/0/pictures/observation.state/0", 404],
	["/api/predictions/other/0", 404],
	["/api/predictions/model/3", 404],
] as const)("%s is answered with %i", async (path, status) => {
	expect((await videos.ask(path)).status).toBe(status);
});

test("a model that is not there is said to be so, with the cure", async () => {
	const answer = await videos.ask("/api/predictions/model/0");
	expect(answer.status).toBe(400);
	expect(await answer.json()).toMatchObject({
		code: "model-not-found",
		cure: expect.stringContaining("config.json"),
	});
});

test("a site's viewer is opened anew once, and whoever followed the one before comes back", async () => {
	const host = captureHost({ cwd: folder.path, env: { ZK0_CACHE_DIR: join(folder.path, "cache") } });
	const home = clientHome(host, "site");
	await makePrivateFolder(home.dir);
	const joinAs = (site: string): Promise<void> =>
		writePrivateJson(home.settings, {
			host: "fl.example",
			port: 9092,
			authority: null,
			site,
			data: join(folder.path, "videos"),
			camera: null,
			threads: 1,
			device: "cpu",
		});
	const output = createOutput(host, { json: false, quiet: true });
	const viewer = createSiteViewer({ home, host, output });
	const progress = viewer.routes.find(({ path }) => path === "/api/predictions");
	const follow = async (): Promise<AsyncIterator<StreamMessage>> => {
		const { signal } = new AbortController();
		const call = { params: {}, query: new URLSearchParams(), body: undefined, peer: "", cookie: null };
		const owner = { name: "owner", role: "operator" } as const;
		const reply = await progress?.handle({ ...call, lastEventId: null, isEncrypted: false, signal }, owner);
		if (reply?.kind !== "stream") throw new RangeError("no stream");
		const messages = reply.messages[Symbol.asyncIterator]();
		expect((await messages.next()).done).toBe(false);
		return messages;
	};
	await joinAs("kitchen");
	const before = await follow();
	await joinAs("workshop");
	const after = await Promise.all([follow(), follow()]);
	expect((await before.next()).done).toBe(true);
	await viewer[Symbol.asyncDispose]();
	const ends = await Promise.all(after.map((messages) => messages.next()));
	expect(ends.map(({ done }) => done)).toEqual([true, true]);
});

test("nothing of all this was a fault of the viewer's", () => {
	expect(faults).toEqual([]);
});
