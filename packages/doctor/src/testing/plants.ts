// Defects planted one by one: what each does to a recording without defects, and the codes that must be found then.
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
import type { EpisodeInput } from "@zk0/dataset";
import { rewriteTable, type TableRow } from "@zk0/dataset/testing";
import { z } from "zod";
import { CAMERAS, JOINTS, type RecordingChange } from "./recording.ts";

/** One defect. */
export interface Plant {
	readonly name: string;
	/** Codes that must be found, sorted, and no others. */
	readonly expects: readonly string[];
	/** Episodes that some finding must name. */
	readonly episodes?: readonly number[];
	/** With pictures, or rows only (faster, and one info more: "state-only"). */
	readonly on: "pictures" | "rows";
	/** Records with a change, or changes files of a copy. */
	readonly record?: RecordingChange;
	readonly spoil?: (dir: string) => void | Promise<void>;
}

const DATA = "data/chunk-000/file-000.parquet";
const EPISODES = "meta/episodes/chunk-000/file-000.parquet";
const TASKS = "meta/tasks.parquet";
const json = z.record(z.string(), z.unknown());
const features = z.record(z.string(), json);

function editJson(name: string, change: (document: Record<string, unknown>) => Record<string, unknown>) {
	return (dir: string): void => {
		const path = join(dir, name);
		writeFileSync(path, JSON.stringify(change(json.parse(JSON.parse(readFileSync(path, "utf8"))))));
	};
}
const editInfo = (change: Record<string, unknown>) =>
	editJson("meta/info.json", (info) => ({ ...info, ...change }));
const editFeature = (key: string, change: Record<string, unknown>) =>
	editJson("meta/info.json", (info) => {
		const all = features.parse(info["features"]);
		return { ...info, features: { ...all, [key]: { ...all[key], ...change } } };
	});
const editRows =
	(change: (rows: TableRow[]) => TableRow[], file = DATA) =>
	(dir: string) =>
		rewriteTable(join(dir, file), change);
const overwrite = (name: string, content: string) => (dir: string) => writeFileSync(join(dir, name), content);
const LFS = `version https://git-lfs.github.com/spec/v1\noid sha256:${"0".repeat(64)}\nsize 123456\n`;

/** Applies `value` to every number of states and actions. */
const mapValues =
	(
		value: (value: number, joint: number, episode: number, row: number) => number,
		only?: "states" | "actions",
	) =>
	(episode: EpisodeInput, index: number): EpisodeInput => {
		const dim = JOINTS.length;
		const map = (values: Float32Array): Float32Array =>
			values.map((number, at) => value(number, at % dim, index, Math.floor(at / dim)));
		return {
			...episode,
			...(only === "actions" ? {} : { states: map(episode.states) }),
			...(only === "states" ? {} : { actions: map(episode.actions) }),
		};
	};
const mapImages =
	(change: (frames: readonly Uint8Array[], key: string, episode: number) => readonly Uint8Array[]) =>
	(episode: EpisodeInput, index: number): EpisodeInput => ({
		...episode,
		images: new Map(
			[...episode.images].map(([key, frames]) => {
				if (!Array.isArray(frames)) throw new TypeError("plants: pictures of the recording are lists");
				return [key, change(frames, key, index)];
			}),
		),
	});
const withNaN = (vector: unknown): number[] => z.array(z.number()).parse(vector).with(2, Number.NaN);
const isGripper = (joint: number): boolean => joint === 5;
const [TOP, WRIST] = [CAMERAS[0].key, CAMERAS[1].key];
const videoOf = (camera: string, file = 0): string => `videos/${camera}/chunk-000/file-00${file}.mp4`;

/** Repeats a row's vectors for arms of more joints. */
function widen(times: number): RecordingChange {
	const names = Array.from(
		{ length: times * JOINTS.length },
		(_, at) => `arm${Math.floor(at / 6)}_${JOINTS[at % 6] ?? ""}`,
	);
	const wide = (values: Float32Array): Float32Array =>
		Float32Array.from(
			{ length: values.length * times },
			(_, at) => values[Math.floor(at / (6 * times)) * 6 + (at % 6)] ?? 0,
		);
	return {
		options: { stateNames: names, actionNames: names },
		episode: (episode) => ({ ...episode, states: wide(episode.states), actions: wide(episode.actions) }),
	};
}

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

const ROW_PLANTS: readonly Omit<Plant, "on">[] = [
	{ name: "a count that is no count", expects: ["info-invalid"], spoil: editInfo({ total_frames: -1 }) },
	{ name: "info.json that is no JSON", expects: ["info-invalid"], spoil: overwrite("meta/info.json", "{") },
	{
		name: "info.json that is a git-LFS pointer",
		expects: ["lfs-pointer"],
		spoil: overwrite("meta/info.json", LFS),
	},
	{
		name: "no info.json",
		expects: ["file-missing"],
		spoil: (dir) => rmSync(join(dir, "meta/info.json")),
	},
	{ name: "an old format", expects: ["version-unsupported"], spoil: editInfo({ codebase_version: "v1.6" }) },
	{
		name: "rows that are a git-LFS pointer",
		expects: ["lfs-pointer"],
		episodes: [0, 1, 2, 3],
		spoil: overwrite(DATA, LFS),
	},
	{
		name: "no rows",
		expects: ["file-missing"],
		episodes: [0, 1, 2, 3],
		spoil: (dir) => rmSync(join(dir, DATA)),
	},
	{
		name: "truncated rows",
		expects: ["file-unreadable"],
		episodes: [0, 1, 2, 3],
		spoil: (dir) => truncateSync(join(dir, DATA), 2000),
	},
	{ name: "an empty data file", expects: ["file-unreadable"], spoil: overwrite(DATA, "") },
	{
		name: "a damaged episode table",
		expects: ["metadata-unreadable"],
		spoil: overwrite(EPISODES, "PAR1 no more"),
	},
	{ name: "a damaged task table", expects: ["metadata-unreadable"], spoil: overwrite(TASKS, "PAR1 no more") },
	{ name: "a wrong count", expects: ["count-mismatch"], spoil: editInfo({ total_episodes: 9 }) },
	{
		name: "an episode listed twice",
		expects: ["count-mismatch", "duplicate-reference"],
		episodes: [2],
		spoil: editRows((rows) => rows.flatMap((row, at) => (at === 2 ? [row, row] : [row])), EPISODES),
	},
	{
		name: "a data file twice",
		expects: ["count-mismatch", "file-unreferenced", "index-doubled"],
		episodes: [0, 1, 2, 3],
		spoil: (dir) => cpSync(join(dir, DATA), join(dir, "data/chunk-000/file-001.parquet")),
	},
	{
		name: "doubled rows",
		expects: ["count-mismatch", "index-doubled"],
		episodes: [1],
		spoil: editRows((rows) => rows.flatMap((row) => (row["episode_index"] === 1n ? [row, row] : [row]))),
	},
	{
		name: "a missing row",
		expects: ["count-mismatch", "index-gap"],
		episodes: [0],
		spoil: editRows((rows) => rows.filter((_, at) => at !== 12)),
	},
	{
		name: "rows out of order",
		expects: ["index-gap"],
		episodes: [0],
		spoil: editRows((rows) => [...rows.slice(0, 40).reverse(), ...rows.slice(40)]),
	},
	{
		name: "an episode shorter than the table says",
		expects: ["count-mismatch", "episode-length"],
		episodes: [3],
		spoil: editRows((rows) => rows.slice(0, -9)),
	},
	{
		name: "timestamps off",
		expects: ["timestamp-mismatch"],
		episodes: [2],
		spoil: editRows((rows) =>
			rows.map((row) =>
				row["episode_index"] === 2n ? { ...row, timestamp: Number(row["timestamp"]) + 0.03 } : row,
			),
		),
	},
	{ name: "another rate", expects: ["fps-odd", "timestamp-mismatch"], spoil: editInfo({ fps: 12 }) },
	{
		name: "NaN",
		expects: ["not-finite"],
		episodes: [1],
		spoil: editRows((rows) =>
			rows.map((row, at) => (at === 50 ? { ...row, action: withNaN(row["action"]) } : row)),
		),
	},
	{
		name: "no states",
		expects: ["feature-missing"],
		spoil: editJson("meta/info.json", (info) => ({
			...info,
			features: Object.fromEntries(
				Object.entries(features.parse(info["features"])).filter(([key]) => key !== "observation.state"),
			),
		})),
	},
	{
		name: "a column less",
		expects: ["feature-missing"],
		spoil: editRows((rows) =>
			rows.map((row) => Object.fromEntries(Object.entries(row).filter(([name]) => name !== "action"))),
		),
	},
	{
		name: "vectors of another length",
		expects: ["arm-other", "shape-mismatch"],
		spoil: editFeature("action", { shape: [7], names: null }),
	},
	{
		name: "an empty task",
		expects: ["task-empty"],
		episodes: [1, 3],
		spoil: editRows(
			(rows) => rows.map((row) => (row["task_index"] === 1n ? { ...row, task: " " } : row)),
			TASKS,
		),
	},
	{
		name: "the same task twice",
		expects: ["task-duplicate"],
		episodes: [1, 3],
		spoil: editRows(
			(rows) =>
				rows.map((row) =>
					row["task_index"] === 1n ? { ...row, task: "put the red  cube on the plate." } : row,
				),
			TASKS,
		),
	},
	{
		name: "an unknown task",
		expects: ["task-index"],
		episodes: [0],
		spoil: editRows((rows) => rows.map((row, at) => (at < 5 ? { ...row, task_index: 7n } : row))),
	},
	{
		name: "no statistics",
		expects: ["statistics-missing"],
		spoil: (dir) => rmSync(join(dir, "meta/stats.json")),
	},
	{
		name: "statistics under another key",
		expects: ["statistics-miskeyed", "statistics-missing"],
		spoil: editJson("meta/stats.json", ({ action, ...rest }) => ({ ...rest, "so100.buffer.action": action })),
	},
	{
		name: "statistics of something else",
		expects: ["statistics-wrong"],
		spoil: editJson("meta/stats.json", (stats) => ({
			...stats,
			action: { ...json.parse(stats["action"]), mean: [0, 0, 0, 0, 0, 0] },
		})),
	},
	{
		name: "radians",
		expects: ["units-radians"],
		record: { episode: mapValues((value, joint) => (isGripper(joint) ? value : (value * Math.PI) / 180)) },
	},
	{
		name: "encoder ticks",
		expects: ["units-ticks"],
		record: {
			episode: mapValues((value, joint) =>
				Math.round(isGripper(joint) ? value : (value / 360) * 4096 + 2048),
			),
		},
	},
	{
		name: "normalised joints",
		expects: ["units-normalised"],
		record: { episode: mapValues((value, joint) => (joint === 4 ? Math.min(100, value - 20) : value)) },
	},
	{
		name: "one episode in radians",
		expects: ["units-mixed"],
		episodes: [2],
		record: {
			episode: mapValues((value, joint, episode) =>
				episode === 2 && !isGripper(joint) ? (value * Math.PI) / 180 : value,
			),
		},
	},
	{
		name: "states in degrees, actions in radians",
		expects: ["units-mixed", "units-radians"],
		record: {
			episode: mapValues(
				(value, joint) => (isGripper(joint) ? value / 100 : (value * Math.PI) / 180),
				"actions",
			),
		},
	},
	{
		name: "the old convention",
		expects: ["convention-old"],
		record: {
			options: {
				stateNames: JOINTS.map((name) => `main_${name.replace(".pos", "")}`),
				actionNames: JOINTS.map((name) => `main_${name.replace(".pos", "")}`),
			},
		},
	},
	{ name: "two arms", expects: ["arm-other"], record: widen(2) },
	{ name: "more joints than the policy takes", expects: ["dims-beyond-policy"], record: widen(6) },
	{
		name: "a jump",
		expects: ["action-jump"],
		episodes: [3],
		record: {
			episode: mapValues(
				(value, joint, episode, row) => (episode === 3 && joint === 1 && row === 22 ? value + 170 : value),
				"actions",
			),
		},
	},
	{
		name: "a joint at its stop",
		expects: ["joint-saturated"],
		record: { episode: mapValues((value, joint) => (joint === 2 ? Math.min(value, 16) : value)) },
	},
	{
		name: "states before actions",
		expects: ["state-action-lag"],
		record: {
			episode: (episode) => {
				const dim = JOINTS.length;
				const early = episode.states.map((value, at) => episode.states[at + 6 * dim] ?? value);
				return { ...episode, states: early };
			},
		},
	},
	{
		name: "a short episode",
		expects: ["episode-short"],
		episodes: [4],
		record: { lengths: [40, 40, 40, 40, 14] },
	},
	{
		name: "a long episode",
		expects: ["episode-outlier"],
		episodes: [1],
		record: { lengths: [40, 200, 40, 40] },
	},
	{
		name: "an episode without motion",
		expects: ["episode-still"],
		episodes: [2],
		record: { episode: mapValues((value, _joint, episode) => (episode === 2 ? 5 : value)) },
	},
	{
		name: "an episode twice",
		expects: ["episode-duplicate"],
		episodes: [2],
		record: {
			lengths: [40, 44, 40],
			episode: (() => {
				let first: EpisodeInput | undefined;
				return (episode: EpisodeInput, index: number): EpisodeInput => {
					if (index === 0) first = episode;
					return index === 2 ? (first ?? episode) : episode;
				};
			})(),
		},
	},
];

const PICTURE_PLANTS: readonly Omit<Plant, "on">[] = [
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

/** All plants. */
export const PLANTS: readonly Plant[] = [
	...ROW_PLANTS.map((plant) => ({ ...plant, on: "rows" as const })),
	...PICTURE_PLANTS.map((plant) => ({ ...plant, on: "pictures" as const })),
];
