// A repaired copy: the episodes without errors written anew, every frame once, in order, at its time, with true counts,
// statistics and metadata. The original is only read.
import { stat } from "node:fs/promises";
import { relative, resolve, sep } from "node:path";
import { convertDataset, type Episode, type Rows } from "@zk0/dataset";
import { DoctorError } from "./errors.ts";
import type { Evidence } from "./evidence.ts";
import type { Examination } from "./examine.ts";
import { keptEpisodes } from "./profile/build.ts";
import { type EpisodeBlock, readBlocks } from "./rows/block.ts";
import { sameTask } from "./rules/tasks.ts";
import { datasetView } from "./view.ts";

/** What a repair wrote. */
export interface RepairedCopy {
	/** Absolute path. */
	readonly root: string;
	readonly numEpisodes: number;
	readonly numFrames: number;
	/** For each episode of the copy, its number in the original. */
	readonly originalEpisodes: readonly number[];
}

/** Options of {@link writeRepairedCopy}. */
export interface RepairOptions {
	readonly codec?: "av1" | "h264";
	/** Called after each episode with the number done. */
	readonly onEpisode?: (numDone: number) => void;
	readonly signal?: AbortSignal | undefined;
}

/**
 * Writes the good episodes of an examined dataset to `out`, which must not exist or be empty and must not lie in the
 * original.
 * @throws DoctorError "nothing-left", "target-exists"; DatasetError as convertDataset
 */
export async function writeRepairedCopy(
	examination: Examination,
	out: string,
	{ codec, onEpisode, signal }: RepairOptions = {},
): Promise<RepairedCopy> {
	const { root } = examination;
	const { evidence, episodes } = keptEpisodes(examination);
	checkOutside(root, resolve(out));
	const tasks = evidence.tasks ?? [];
	if (tasks.every((task) => task.trim() === "")) {
		throw new DoctorError("nothing-left", `${root} has no task sentence; write one in its task table first`, {
			file: root,
		});
	}
	const sentences = tasks.filter((task, at) => tasks.findIndex((other) => sameTask(other, task)) === at);
	const taskOf = tasks.map((task) => sentences.findIndex((other) => sameTask(other, task)));
	const { rows, placed } = await readKept(evidence, episodes, taskOf, signal);
	// Other columns may be doubled or out of order as the rows were; training reads none of them.
	const read = new Set([
		"observation.state",
		"action",
		"timestamp",
		"frame_index",
		"episode_index",
		"index",
		"task_index",
	]);
	const features = Object.fromEntries(
		Object.entries(evidence.info.features).filter(
			([key]) => read.has(key) || evidence.cameraKeys.includes(key),
		),
	);
	const view = datasetView(
		root,
		{ ...evidence, info: { ...evidence.info, features } },
		{ episodes: placed, rows, tasks: sentences },
	);
	const written = await convertDataset(view, out, {
		...(codec === undefined ? {} : { codec }),
		...(onEpisode === undefined ? {} : { onEpisode }),
		...(signal === undefined ? {} : { signal }),
	});
	return {
		root: written.root,
		numEpisodes: written.numEpisodes,
		numFrames: written.numFrames,
		originalEpisodes: episodes.map(({ index }) => index),
	};
}

/** Throws when a place is the dataset's own folder or inside it: `--fix` never touches the original. */
export function checkOutside(root: string, target: string): void {
	const path = relative(root, target);
	const isInside =
		path === "" ||
		(!path.startsWith(`..${sep}`) &&
			path !== ".." &&
			resolve(root, path) === target &&
			!/^[a-z]:/i.test(path));
	if (isInside) {
		throw new DoctorError(
			"target-exists",
			`${target} lies in the examined dataset, which is never changed; name another place`,
			{
				file: target,
			},
		);
	}
}

/** Throws when something is at `path`. */
export async function checkFree(path: string): Promise<void> {
	const exists = await stat(path).then(
		() => true,
		() => false,
	);
	if (exists) throw new DoctorError("target-exists", `${path} exists; name another place`, { file: path });
}

/** The kept episodes' rows in order, each frame once, at frame / fps; `taskOf` maps task indices. */
async function readKept(
	evidence: Evidence,
	episodes: readonly Episode[],
	taskOf: readonly number[],
	signal: AbortSignal | undefined,
): Promise<{ readonly rows: Rows; readonly placed: Episode[] }> {
	const { info } = evidence;
	const wanted = new Map(episodes.map((episode, at) => [episode.index, at]));
	const blocks: (EpisodeBlock | undefined)[] = episodes.map(() => undefined);
	for (const file of new Set(episodes.map(({ dataPath }) => dataPath))) {
		for (const block of (await readBlocks(file, info.features, { signal })).blocks) {
			const at = wanted.get(block.episodeIndex);
			if (at !== undefined) blocks[at] ??= block;
		}
	}
	const dims = { state: evidence.state.names.length, action: evidence.action.names.length };
	const length = episodes.reduce(
		(sum, { index }) => sum + (evidence.rowsByEpisode.get(index)?.[0]?.numFrames ?? 0),
		0,
	);
	const rows = {
		length,
		stateDim: dims.state,
		actionDim: dims.action,
		state: new Float32Array(length * dims.state),
		action: new Float32Array(length * dims.action),
		episodeIndex: new Int32Array(length),
		frameIndex: new Int32Array(length),
		timestamp: new Float32Array(length),
		taskIndex: new Int32Array(length),
	};
	let fromIndex = 0;
	const placed = episodes.map((episode, at) => {
		const block = blocks[at];
		const start = fromIndex;
		for (const [row, frame] of (block?.frameIndex ?? []).entries()) {
			const to = start + frame;
			rows.episodeIndex[to] = at;
			rows.frameIndex[to] = frame;
			rows.timestamp[to] = frame / info.fps;
			const task = block?.taskIndex[row] ?? 0;
			rows.taskIndex[to] = taskOf[task] ?? task;
			for (const key of ["state", "action"] as const) {
				const vector = block?.[key];
				if (vector === null || vector === undefined) continue;
				const { dim, values } = vector;
				rows[key].set(values.subarray(row * dim, (row + 1) * dim), to * dim);
			}
		}
		const numFrames = evidence.rowsByEpisode.get(episode.index)?.[0]?.numFrames ?? 0;
		fromIndex = start + numFrames;
		return { ...episode, length: numFrames, fromIndex: start, toIndex: fromIndex };
	});
	return { rows, placed };
}
