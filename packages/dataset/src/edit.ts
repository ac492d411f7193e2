// What users do with whole datasets, in the words of lerobot-edit-dataset: convert, merge, split, choose or delete
// episodes, encode videos again. Each writes new datasets (compose.ts) and leaves its sources alone.
import { join } from "node:path";
import { type ComposedDataset, type ComposeOptions, composeDataset } from "./compose.ts";
import type { LeRobotDataset } from "./dataset.ts";
import { DatasetError } from "./errors.ts";
import type { EncoderChoice, VideoCodec } from "./video/codec.ts";
import { checkTarget } from "./writer-checks.ts";

function whole(dataset: LeRobotDataset): { dataset: LeRobotDataset; episodes: number[] } {
	return { dataset, episodes: dataset.episodes.map(({ index }) => index) };
}

/** Writes `source` anew as v3.0; errors as composeDataset. */
export async function convertDataset(
	source: LeRobotDataset,
	dir: string,
	options: ComposeOptions = {},
): Promise<ComposedDataset> {
	return await composeDataset(dir, [whole(source)], options);
}

/** Writes all episodes of `sources`, one after the other, with one table of tasks; errors as composeDataset. */
export async function mergeDatasets(
	sources: readonly LeRobotDataset[],
	dir: string,
	options: ComposeOptions = {},
): Promise<ComposedDataset> {
	return await composeDataset(dir, sources.map(whole), options);
}

/** Writes some episodes of `source`, in the given order; errors as composeDataset. */
export async function subsetDataset(
	source: LeRobotDataset,
	dir: string,
	{ episodes, ...options }: ComposeOptions & { readonly episodes: readonly number[] },
): Promise<ComposedDataset> {
	return await composeDataset(dir, [{ dataset: source, episodes }], options);
}

/** Writes `source` with every video encoded again; errors as composeDataset. */
export async function reencodeDataset(
	source: LeRobotDataset,
	dir: string,
	options: ComposeOptions & { readonly codec: VideoCodec; readonly encoder?: EncoderChoice },
): Promise<ComposedDataset> {
	return await composeDataset(dir, [whole(source)], options);
}

/** Episodes of each part: indices, or the share of the episodes, which are then dealt in order. */
export type SplitParts = Readonly<Record<string, number | readonly number[]>>;

/**
 * The episode indices of each part. Shares follow each other in the order of the parts; what rounding leaves over
 * goes to the last one when the shares sum to 1.
 * @throws DatasetError "bad-selection" for shares outside (0, 1], a sum above 1, parts of both kinds, unknown or doubled episodes, or a
 *   part that gets none.
 */
export function splitParts(numEpisodes: number, parts: SplitParts): Map<string, readonly number[]> {
	const result = new Map<string, readonly number[]>();
	const taken = new Map<number, string>();
	let share = 0;
	for (const [name, wanted] of Object.entries(parts)) {
		if (!/^[\w-][\w.-]*$/.test(name)) {
			throw badSelection(`split: "${name}" is no folder name of letters, digits, "_", "-", "."`);
		}
		let episodes: readonly number[];
		if (typeof wanted === "number") {
			const from = Math.round(share * numEpisodes);
			share += wanted;
			if (!(wanted > 0 && share <= 1 + 1e-9)) {
				throw badSelection(`split: shares must be above 0 and sum to at most 1, "${name}" ends at ${share}`);
			}
			const to = Math.min(numEpisodes, Math.round(share * numEpisodes));
			episodes = Array.from({ length: to - from }, (_, offset) => from + offset);
		} else episodes = wanted;
		if (episodes.length === 0)
			throw badSelection(`split: part "${name}" of ${numEpisodes} episodes gets none`);
		for (const index of episodes) {
			if (!Number.isSafeInteger(index) || index < 0 || index >= numEpisodes)
				throw badSelection(`split: part "${name}" has no episode ${index} (0..${numEpisodes - 1})`);
			const owner = taken.get(index);
			if (owner !== undefined) throw badSelection(`split: episode ${index} is in "${owner}" and "${name}"`);
			taken.set(index, name);
		}
		result.set(name, episodes);
	}
	return result;
}

/**
 * Writes each part of `source` to a folder of its name below `dir`. The parts appear one after the other, each whole
 * or not at all.
 * @throws as splitParts and composeDataset; "target-exists" before anything is written.
 */
export async function splitDataset(
	source: LeRobotDataset,
	dir: string,
	{ parts, ...options }: ComposeOptions & { readonly parts: SplitParts },
): Promise<Map<string, ComposedDataset>> {
	const episodes = splitParts(source.numEpisodes, parts);
	if (episodes.size === 0)
		throw new DatasetError("no-episodes", "split: no part is named; name at least one");
	for (const name of episodes.keys()) await checkTarget(join(dir, name));
	const written = new Map<string, ComposedDataset>();
	let numDone = 0;
	for (const [name, chosen] of episodes) {
		const before = numDone;
		const onEpisode = (done: number): void => {
			numDone = before + done;
			options.onEpisode?.(numDone);
		};
		written.set(
			name,
			await subsetDataset(source, join(dir, name), { ...options, episodes: chosen, onEpisode }),
		);
	}
	return written;
}

function badSelection(problem: string): DatasetError {
	return new DatasetError("bad-selection", problem);
}
