// A name for the content of a dataset, for run records: equal fingerprints mean equal recordings.
import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { readdir } from "node:fs/promises";
import { join, relative, sep } from "node:path";
import { pipeline } from "node:stream/promises";
import type { LeRobotDataset } from "./dataset.ts";
import { causeText, DatasetError } from "./errors.ts";

/**
 * SHA-256 (hex) over the paths and contents of all files of meta/, of the data files and of the videos that the
 * episodes name, in order of path, and over the numbers of selected episodes. Does not depend on where the dataset lies.
 * @throws DatasetError "missing-file" when a file cannot be read.
 */
export async function datasetFingerprint(
	dataset: LeRobotDataset,
	{ signal }: { signal?: AbortSignal } = {},
): Promise<string> {
	const metaFolder = join(dataset.root, "meta");
	const meta = await readdir(metaFolder, { recursive: true, withFileTypes: true });
	const paths = new Set(
		meta.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name)),
	);
	for (const { dataPath, videos } of dataset.episodes) {
		paths.add(dataPath);
		for (const { path } of videos.values()) paths.add(path);
	}
	const files = [...paths].map((path) => ({ path, name: relative(dataset.root, path).split(sep).join("/") }));
	files.sort((a, b) => (a.name < b.name ? -1 : 1));
	const total = createHash("sha256");
	for (const { path, name } of files) {
		const hash = createHash("sha256");
		try {
			await pipeline(createReadStream(path), hash, signal === undefined ? {} : { signal });
		} catch (cause) {
			signal?.throwIfAborted();
			throw new DatasetError(
				"missing-file",
				`${path} cannot be read: ${causeText(cause)}; download or copy it again`,
				{
					file: path,
					cause,
				},
			);
		}
		total.update(`${name}\0${hash.digest("hex")}\n`);
	}
	if (dataset.selection?.episodes !== undefined) {
		total.update(`episodes ${dataset.episodes.map(({ recordedIndex }) => recordedIndex).join(",")}\n`);
	}
	return total.digest("hex");
}
