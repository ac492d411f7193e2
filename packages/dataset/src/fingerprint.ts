// Names for the content of a dataset, for run records and caches: equal names mean equal recordings, wherever they lie.
import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { readdir } from "node:fs/promises";
import { join, relative, sep } from "node:path";
import { pipeline } from "node:stream/promises";
import type { LeRobotDataset } from "./dataset.ts";
import { causeText, DatasetError } from "./errors.ts";
import { framePlaces } from "./frame-place.ts";
import type { FrameRequest } from "./frame-reader.ts";

/**
 * What turns the bytes of a video or picture file into pixels; part of a picture's name, since another decoder may
 * give other pixels.
 */
export const DECODER = "node-av 6.1.1";

/** The content of a dataset by name. */
export interface DatasetDigest {
	/**
	 * SHA-256 (hex) over the paths and contents of all files of meta/, of the data files and of the videos that the
	 * episodes name, in order of path, and over the numbers of selected episodes. Does not depend on where the dataset
	 * lies.
	 */
	readonly fingerprint: string;
	/**
	 * Names a frame's picture by the content of its file and its place there: equal for copies of a file in any
	 * dataset, unchanged when other episodes are added. Says nothing about rows that are not pictures.
	 * @throws RangeError for a request that the dataset does not have
	 */
	pictureName(request: FrameRequest): string;
}

/**
 * Reads all files of a dataset once.
 * @throws DatasetError "missing-file" when a file cannot be read.
 */
export async function digestDataset(
	dataset: LeRobotDataset,
	{ signal }: { signal?: AbortSignal } = {},
): Promise<DatasetDigest> {
	const metaFolder = join(dataset.root, "meta");
	const meta = await readdir(metaFolder, { recursive: true, withFileTypes: true });
	// In the cache of the hub, files are links.
	const isFile = (entry: (typeof meta)[number]): boolean => entry.isFile() || entry.isSymbolicLink();
	const paths = new Set(meta.filter(isFile).map((entry) => join(entry.parentPath, entry.name)));
	for (const { dataPath, videos } of dataset.episodes) {
		paths.add(dataPath);
		for (const { path } of videos.values()) paths.add(path);
	}
	const files = [...paths].map((path) => ({ path, name: relative(dataset.root, path).split(sep).join("/") }));
	files.sort((a, b) => (a.name < b.name ? -1 : 1));
	const total = createHash("sha256");
	const digests = new Map<string, string>();
	for (const { path, name } of files) {
		const digest = await fileDigest(path, signal);
		digests.set(path, digest);
		total.update(`${name}\0${digest}\n`);
	}
	if (dataset.selection?.episodes !== undefined) {
		total.update(`episodes ${dataset.episodes.map(({ recordedIndex }) => recordedIndex).join(",")}\n`);
	}
	const placeOf = framePlaces(dataset);
	return {
		fingerprint: total.digest("hex"),
		pictureName(request) {
			const { path, column, place } = placeOf(request);
			return JSON.stringify([DECODER, digests.get(path), column, place]);
		},
	};
}

async function fileDigest(path: string, signal: AbortSignal | undefined): Promise<string> {
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
	return hash.digest("hex");
}
