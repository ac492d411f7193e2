// Names for what a prediction depends on, so that one which is kept is only taken for the same model and recordings.
import { createHash } from "node:crypto";
import { readdir, stat } from "node:fs/promises";
import { join, relative, sep } from "node:path";
import { sha256File } from "@zk0/arrays/node";
import type { LeRobotDataset, Rows } from "@zk0/dataset";

/** Hash over the names and contents of a checkpoint's files, in order of name. */
export async function checkpointIdentity(directory: string): Promise<string> {
	const entries = await readdir(directory, { recursive: true, withFileTypes: true });
	const total = createHash("sha256");
	const paths = entries.flatMap((entry) => (entry.isDirectory() ? [] : [join(entry.parentPath, entry.name)]));
	for (const path of paths.sort())
		total.update(`${relative(directory, path).split(sep).join("/")}\0${await sha256File(path)}\n`);
	return total.digest("hex");
}

/**
 * Hash over an episode's rows and tasks, and over size and date of the files with its pictures: reading all videos of a
 * dataset would take longer than predicting.
 */
export async function episodeIdentity(dataset: LeRobotDataset, rows: Rows, index: number): Promise<string> {
	const episode = dataset.episodes[index];
	if (episode === undefined) throw new RangeError(`episodeIdentity: no episode ${index}`);
	const { fromIndex, toIndex, dataPath, recordedIndex, videos } = episode;
	const hash = createHash("sha256");
	const part = (values: Float32Array, dim: number): Float32Array =>
		values.slice(fromIndex * dim, toIndex * dim);
	hash.update(part(rows.state, rows.stateDim)).update(part(rows.action, rows.actionDim));
	const tasks = [...rows.taskIndex.subarray(fromIndex, toIndex)].map((task) => dataset.tasks[task]);
	const files: unknown[] = [];
	const places = [[dataPath, recordedIndex] as const].concat(
		[...videos.values()].map(({ path, fromTimestamp }) => [path, fromTimestamp]),
	);
	for (const [path, place] of places) {
		const { size, mtimeMs } = await stat(path);
		files.push([relative(dataset.root, path), place, size, mtimeMs]);
	}
	return hash.update(JSON.stringify([dataset.fps, dataset.cameraKeys, tasks, files])).digest("hex");
}
