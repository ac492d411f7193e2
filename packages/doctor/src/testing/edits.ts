// Edits that plant defects: of the files of a recording, and of the episodes before they are recorded.
import { readFileSync, writeFileSync } from "node:fs";
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
	/** Records with a change, or changes files of a copy. */
	readonly record?: RecordingChange;
	readonly spoil?: (dir: string) => void | Promise<void>;
}

export const DATA = "data/chunk-000/file-000.parquet";
export const EPISODES = "meta/episodes/chunk-000/file-000.parquet";
export const TASKS = "meta/tasks.parquet";
/** A JSON object. */
export const json = z.record(z.string(), z.unknown());
/** The features of info.json. */
export const features = z.record(z.string(), json);

export function editJson(
	name: string,
	change: (document: Record<string, unknown>) => Record<string, unknown>,
) {
	return (dir: string): void => {
		const path = join(dir, name);
		writeFileSync(path, JSON.stringify(change(json.parse(JSON.parse(readFileSync(path, "utf8"))))));
	};
}
export const editInfo = (change: Record<string, unknown>) =>
	editJson("meta/info.json", (info) => ({ ...info, ...change }));
export const editFeature = (key: string, change: Record<string, unknown>) =>
	editJson("meta/info.json", (info) => {
		const all = features.parse(info["features"]);
		return { ...info, features: { ...all, [key]: { ...all[key], ...change } } };
	});
export const editRows =
	(change: (rows: TableRow[]) => TableRow[], file = DATA) =>
	(dir: string) =>
		rewriteTable(join(dir, file), change);
export const overwrite = (name: string, content: string) => (dir: string) =>
	writeFileSync(join(dir, name), content);
export const LFS = `version https://git-lfs.github.com/spec/v1\noid sha256:${"0".repeat(64)}\nsize 123456\n`;

/** Applies `value` to every number of states and actions. */
export const mapValues =
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
export const mapImages =
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
export const withNaN = (vector: unknown): number[] => z.array(z.number()).parse(vector).with(2, Number.NaN);
export const isGripper = (joint: number): boolean => joint === 5;
export const [TOP, WRIST] = [CAMERAS[0].key, CAMERAS[1].key];
export const videoOf = (camera: string, file = 0): string => `videos/${camera}/chunk-000/file-00${file}.mp4`;
