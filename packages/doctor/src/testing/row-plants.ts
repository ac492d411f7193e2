// Defects of metadata, rows, tasks, statistics and the arm's motion, planted one by one.
import { cpSync, rmSync, truncateSync } from "node:fs";
import { join } from "node:path";
import type { EpisodeInput } from "@zk0/dataset";
import {
	DATA,
	EPISODES,
	editFeature,
	editInfo,
	editJson,
	editRows,
	features,
	isGripper,
	json,
	LFS,
	mapValues,
	overwrite,
	type Plant,
	TASKS,
	withNaN,
} from "./edits.ts";
import { JOINTS, type RecordingChange } from "./recording.ts";

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

/** Plants on a recording without pictures. */
export const ROW_PLANTS: readonly Plant[] = [
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
		name: "a statistic that is no number",
		expects: ["refused"],
		spoil: editJson("meta/stats.json", (stats) => ({
			...stats,
			action: { ...json.parse(stats["action"]), count: [null] },
		})),
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
