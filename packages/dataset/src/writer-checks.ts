// What a dataset writer checks and does around the recording itself: options, episodes, the feature table of
// info.json, and the move of the finished folder to its place.

import { open, readdir, rename, rm } from "node:fs/promises";
import { hostname } from "node:os";
import { basename, dirname, join } from "node:path";
import { isProcessAlive } from "@zk0/arrays/node";
import { causeText, DatasetError } from "./errors.ts";
import { type Feature, INDEX_FEATURES } from "./info.ts";
import { featureColumn } from "./parquet/schema.ts";
import { codecSettings } from "./video/codec.ts";
import type { DatasetWriterOptions, EpisodeInput, FrameSequence } from "./writer.ts";

/** @throws RangeError for options no dataset can have. */
export function checkOptions(options: DatasetWriterOptions): void {
	const { fps, cameras, stateNames, actionNames, codec = "av1", encoder, extraFeatures = {} } = options;
	codecSettings(codec, encoder);
	for (const [name, feature] of Object.entries(extraFeatures)) {
		featureColumn(name, feature);
		if (Object.hasOwn(INDEX_FEATURES, name))
			throw new RangeError(`dataset writer: ${name} is a column of its own`);
	}
	if (!Number.isSafeInteger(fps) || fps < 1)
		throw new RangeError(`dataset writer: fps ${fps} is not a positive integer`);
	if (actionNames.length === 0 || stateNames.length === 0) {
		throw new RangeError("dataset writer: state and action need at least one dimension each");
	}
	const keys = new Set<string>();
	for (const { key, height, width, copied } of cameras) {
		if (!/^[\w-][\w.-]*$/.test(key) || keys.has(key)) {
			throw new RangeError(
				`dataset writer: camera key "${key}" is taken or not made of letters, digits, "_", "-", "."`,
			);
		}
		keys.add(key);
		if (copied !== undefined) continue;
		if (height % 2 !== 0 || width % 2 !== 0 || height < 64 || width < 64 || height > 4096 || width > 4096) {
			throw new RangeError(
				`dataset writer: camera ${key} is ${height}x${width}; both must be even and in 64..4096`,
			);
		}
	}
}

/**
 * The number of frames of a well-formed episode.
 * @throws DatasetError "bad-episode" saying what is wrong.
 */
export function checkEpisode(
	{ task, states, actions, images, columns = {} }: EpisodeInput,
	episodeIndex: number,
	{ stateNames, actionNames, cameras, extraFeatures = {} }: DatasetWriterOptions,
): number {
	const length = states.length / stateNames.length;
	if (!Number.isInteger(length) || length < 1) {
		throw badEpisode(episodeIndex, `${states.length} state values are not rows of ${stateNames.length}`);
	}
	if (actions.length !== length * actionNames.length) {
		throw badEpisode(
			episodeIndex,
			`${actions.length} action values for ${length} rows of ${actionNames.length}`,
		);
	}
	if ([task].flat().some((sentence) => sentence.trim() === ""))
		throw badEpisode(episodeIndex, "the task sentence is empty");
	if (typeof task !== "string" && task.length !== length)
		throw badEpisode(episodeIndex, `${task.length} task sentences for ${length} rows`);
	for (const [name, values] of Object.entries({ states, actions })) {
		const at = values.findIndex((value) => !Number.isFinite(value));
		if (at >= 0) throw badEpisode(episodeIndex, `${name}[${at}] is ${values[at]}`);
	}
	for (const name of Object.keys(extraFeatures)) {
		const numValues = columns[name]?.length ?? 0;
		if (numValues !== length)
			throw badEpisode(episodeIndex, `${name} has ${numValues} values for ${length} rows`);
	}
	const expected = cameras.map(({ key }) => key).sort();
	const given = [...images.keys()].sort();
	if (expected.join() !== given.join()) {
		throw badEpisode(
			episodeIndex,
			`it has cameras ${given.join(", ")} but the dataset has ${expected.join(", ")}`,
		);
	}
	return length;
}

/** The error for an episode that cannot be stored. */
export function badEpisode(episodeIndex: number, problem: string): DatasetError {
	return new DatasetError("bad-episode", `episode ${episodeIndex} cannot be stored: ${problem}`, {
		episodeIndex,
	});
}

/** The error for a failed write below `root`. */
export function writeFailed(root: string, cause: unknown): DatasetError {
	return new DatasetError(
		"write-failed",
		`cannot write the dataset ${root}: ${causeText(cause)}; check free space and permissions`,
		{ file: root, cause },
	);
}

/** The `features` table of info.json. */
export function datasetFeatures(options: DatasetWriterOptions): Readonly<Record<string, Feature>> {
	const { fps, stateNames, actionNames, cameras, codec = "av1", encoder, extraFeatures = {} } = options;
	const features: Record<string, Feature> = {
		action: { dtype: "float32", shape: [actionNames.length], names: [...actionNames] },
		"observation.state": { dtype: "float32", shape: [stateNames.length], names: [...stateNames] },
	};
	for (const { key, height, width, copied } of cameras) {
		features[key] = {
			dtype: "video",
			shape: [height, width, 3],
			names: ["height", "width", "channels"],
			info: {
				"video.height": height,
				"video.width": width,
				"video.pix_fmt": copied?.pixelFormat ?? "yuv420p",
				"video.is_depth_map": false,
				"video.fps": fps,
				"video.channels": 3,
				has_audio: false,
				...(copied === undefined ? codecSettings(codec, encoder).info : { "video.codec": copied.codec }),
			},
		};
	}
	return { ...features, ...extraFeatures, ...INDEX_FEATURES };
}

/** @throws DatasetError "target-exists" when `root` is there and not an empty folder. */
export async function checkTarget(root: string): Promise<void> {
	const entries = await readdir(root).catch((cause: NodeJS.ErrnoException) => {
		if (cause.code === "ENOENT") return [];
		throw targetExists(root, cause);
	});
	if (entries.length > 0) throw targetExists(root);
}

function targetExists(root: string, cause?: unknown): DatasetError {
	return new DatasetError("target-exists", `${root} exists; remove it or choose another folder`, {
		file: root,
		cause,
	});
}

/** How the temporary folder of this process for `root` begins: its host and process id tell whether it still runs. */
export function partialPrefix(root: string): string {
	const host = hostname().replaceAll(/[^\w.]/g, "_");
	return `.${basename(root)}.partial-${host}-${process.pid}-`;
}

/** Removes what processes of this host that ended without cleaning up (power, kill -9) left of `root`. */
export async function removeStalePartials(root: string): Promise<void> {
	const start = partialPrefix(root).slice(0, -`${process.pid}-`.length);
	for (const name of await readdir(dirname(root))) {
		const pid = name.startsWith(start) ? Number(name.slice(start.length).split("-", 1)[0]) : Number.NaN;
		if (Number.isSafeInteger(pid) && pid > 0 && !isProcessAlive(pid)) {
			await rm(join(dirname(root), name), { recursive: true, force: true });
		}
	}
}

/** Syncs every file of `temporary` and renames it to `root`. */
export async function moveIntoPlace(temporary: string, root: string): Promise<void> {
	const entries = await readdir(temporary, { recursive: true, withFileTypes: true });
	for (const entry of entries) {
		if (entry.isFile()) await syncPath(join(entry.parentPath, entry.name));
	}
	try {
		await rename(temporary, root);
	} catch (cause) {
		// as: fs rejects with ErrnoException.
		const { code } = cause as NodeJS.ErrnoException;
		throw code === "ENOTEMPTY" || code === "EEXIST" || code === "ENOTDIR" ? targetExists(root, cause) : cause;
	}
	await syncPath(dirname(root));
}

async function syncPath(path: string): Promise<void> {
	const handle = await open(path, "r");
	try {
		await handle.sync();
	} finally {
		await handle.close();
	}
}

/** An iterator over frames, whether they come at once or in time. */
export function iterate(frames: FrameSequence): AsyncIterator<Uint8Array> | Iterator<Uint8Array> {
	return Symbol.asyncIterator in frames ? frames[Symbol.asyncIterator]() : frames[Symbol.iterator]();
}
