// A part of a dataset: some episodes, some cameras. The episodes are numbered anew from 0, so that everything above
// works on a selection as on a dataset of its own, and files that it does not need may be absent.
import { relative, sep } from "node:path";
import { DatasetError } from "./errors.ts";
import type { Episode, RecordedEpisode } from "./layout.ts";
import type { Stats } from "./stats.ts";

/** What to select; everything of what is left out. */
export interface DatasetSelection {
	/** Episodes by their numbers on disk; the order and repetitions do not matter. */
	readonly episodes?: readonly number[] | undefined;
	/** Camera keys, or their last parts (`top` for `observation.images.top`). */
	readonly cameras?: readonly string[] | undefined;
}

/** Episodes with their places on disk. */
export function placeEpisodes(episodes: readonly RecordedEpisode[]): Episode[] {
	const fileStarts = new Map<string, number>();
	for (const { dataPath, fromIndex } of episodes) {
		fileStarts.set(dataPath, Math.min(fromIndex, fileStarts.get(dataPath) ?? fromIndex));
	}
	return episodes.map((episode) => ({
		...episode,
		recordedIndex: episode.index,
		recordedFrom: episode.fromIndex,
		fileRow: episode.fromIndex - (fileStarts.get(episode.dataPath) ?? episode.fromIndex),
	}));
}

/**
 * The full keys of the selected cameras, in the dataset's order.
 * @throws DatasetError "bad-selection" for a name that fits none or several
 */
export function selectCameras(root: string, keys: readonly string[], names: readonly string[]): string[] {
	const chosen = new Set(
		names.map((name) => {
			const exact = keys.filter((key) => key === name);
			const fits = exact.length > 0 ? exact : keys.filter((key) => key.endsWith(`.${name}`));
			const [key] = fits;
			if (key !== undefined && fits.length === 1) return key;
			const problem = fits.length === 0 ? "is not a camera of" : `may be ${fits.join(" or ")} in`;
			throw new DatasetError(
				"bad-selection",
				`"${name}" ${problem} ${root}; its cameras are ${keys.join(", ") || "none"}`,
				{
					file: root,
				},
			);
		}),
	);
	return keys.filter((key) => chosen.has(key));
}

/**
 * The selected episodes, numbered from 0 in their order on disk, with the videos of these cameras only.
 * @throws DatasetError "bad-selection" for an episode that is not there
 */
export function selectEpisodes(
	root: string,
	episodes: readonly Episode[],
	{ numbers, cameras }: { numbers: readonly number[] | undefined; cameras: readonly string[] },
): Episode[] {
	const absent = numbers?.find((number) => !episodes.some(({ recordedIndex }) => recordedIndex === number));
	if (absent !== undefined) {
		throw new DatasetError(
			"bad-selection",
			`${root} has no episode ${absent}; its episodes are 0 to ${episodes.length - 1}`,
			{ file: root },
		);
	}
	const wanted = numbers === undefined ? undefined : new Set(numbers);
	let at = 0;
	return episodes
		.filter(({ recordedIndex }) => wanted?.has(recordedIndex) ?? true)
		.map((episode, index) => {
			const fromIndex = at;
			at += episode.length;
			const videos = new Map([...episode.videos].filter(([camera]) => cameras.includes(camera)));
			return { ...episode, index, fromIndex, toIndex: at, videos };
		});
}

/** Paths of the files that hold these episodes' rows and videos, relative to the root, with slashes, each once. */
export function filesOf(root: string, episodes: readonly Episode[]): string[] {
	const paths = episodes.flatMap(({ dataPath, videos }) => [
		dataPath,
		...[...videos.values()].map(({ path }) => path),
	]);
	return [...new Set(paths)].map((path) => relative(root, path).split(sep).join("/"));
}

/** Statistics stored per episode, by the numbers of the selection. */
export function selectStats(
	stored: ReadonlyMap<number, Stats>,
	episodes: readonly Episode[],
): ReadonlyMap<number, Stats> {
	return new Map(
		episodes.flatMap(({ index, recordedIndex }) => {
			const stats = stored.get(recordedIndex);
			return stats === undefined ? [] : [[index, stats] as const];
		}),
	);
}
