// Defects of videos and pictures, planted one by one.
import {
	cpSync,
	openSync,
	readFileSync,
	renameSync,
	rmSync,
	statSync,
	truncateSync,
	writeFileSync,
	writeSync,
} from "node:fs";
import { join } from "node:path";
import { rewriteTable } from "@zk0/dataset/testing";
import {
	EPISODES,
	editFeature,
	editRows,
	LFS,
	mapImages,
	overwrite,
	type Plant,
	TOP,
	videoOf,
	WRIST,
} from "./edits.ts";

/** Gives a camera another key, everywhere. */
function renameCamera(from: string, to: string) {
	return async (dir: string): Promise<void> => {
		const path = join(dir, "meta/info.json");
		writeFileSync(path, readFileSync(path, "utf8").replaceAll(from, to));
		renameSync(join(dir, "videos", from), join(dir, "videos", to));
		await rewriteTable(join(dir, EPISODES), (rows) =>
			rows.map((row) =>
				Object.fromEntries(Object.entries(row).map(([key, value]) => [key.replaceAll(from, to), value])),
			),
		);
	};
}

/** Plants on a recording with pictures. */
export const PICTURE_PLANTS: readonly Plant[] = [
	{
		name: "a camera without a telling name",
		expects: ["camera-unnamed"],
		spoil: renameCamera(TOP, "observation.images.cam0"),
	},
	{
		name: "cameras mixed up",
		expects: ["camera-role-mismatch"],
		spoil: (dir) => {
			const [top, wrist] = [join(dir, "videos", TOP), join(dir, "videos", WRIST)];
			renameSync(top, `${top}-aside`);
			renameSync(wrist, top);
			renameSync(`${top}-aside`, wrist);
		},
	},
	{
		name: "one camera twice",
		expects: ["camera-duplicate"],
		spoil: (dir) => cpSync(join(dir, "videos", TOP), join(dir, "videos", WRIST), { recursive: true }),
	},
	{
		name: "another codec in info.json",
		expects: ["codec-mismatch"],
		spoil: editFeature(TOP, { info: { "video.codec": "av1" } }),
	},
	{
		name: "another size in info.json",
		expects: ["picture-size"],
		spoil: editFeature(WRIST, { shape: [480, 640, 3] }),
	},
	{
		name: "a video that ends early",
		expects: ["frame-timestamp", "video-length"],
		episodes: [3],
		spoil: (dir) => cpSync(join(dir, videoOf(WRIST, 0)), join(dir, videoOf(WRIST, 3))),
	},
	{
		name: "a damaged video",
		expects: ["frame-unreadable"],
		episodes: [1],
		spoil: (dir) => {
			const path = join(dir, videoOf(TOP, 1));
			const noise = Buffer.alloc(1500, 0xa5);
			writeSync(openSync(path, "r+"), noise, 0, noise.length, Math.floor(statSync(path).size * 0.4));
		},
	},
	{
		name: "video times off",
		expects: ["frame-timestamp"],
		episodes: [2],
		spoil: editRows(
			(rows) =>
				rows.map((row, at) => {
					const key = `videos/${TOP}/from_timestamp`;
					return at === 2 ? { ...row, [key]: Number(row[key]) + 0.03 } : row;
				}),
			EPISODES,
		),
	},
	{
		name: "a truncated video",
		expects: ["file-unreadable"],
		episodes: [2],
		spoil: (dir) => truncateSync(join(dir, videoOf(WRIST, 2)), 900),
	},
	{
		name: "a video that is a git-LFS pointer",
		expects: ["lfs-pointer"],
		episodes: [0],
		spoil: overwrite(videoOf(TOP, 0), LFS),
	},
	{
		name: "a missing video",
		expects: ["file-missing"],
		episodes: [1],
		spoil: (dir) => rmSync(join(dir, videoOf(TOP, 1))),
	},
	{
		name: "black and frozen frames",
		expects: ["frames-black", "frames-frozen"],
		episodes: [1],
		record: {
			episode: mapImages((frames, key, episode) =>
				frames.map((frame, at) => {
					if (episode === 1 && key === WRIST && at < 6) return new Uint8Array(frame.length);
					return episode === 2 && key === TOP && at > 12 && at < 24 ? (frames[12] ?? frame) : frame;
				}),
			),
		},
	},
	{
		name: "pictures that come late",
		expects: ["video-out-of-sync"],
		record: {
			episode: mapImages((frames, key) =>
				frames.map((frame, at) => (key === TOP ? (frames[Math.max(0, at - 3)] ?? frame) : frame)),
			),
		},
	},
];
