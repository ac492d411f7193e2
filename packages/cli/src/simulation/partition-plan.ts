// One dataset as many sites: which episodes each of them gets, as `local:` or `hf:` URIs with a list of episodes, so
// that a run's record names its sites as it names any other.
import {
	type LeRobotDataset,
	openDataset,
	type PartitionScheme,
	partitionEpisodes,
	taskOf,
} from "@zk0/dataset";
import { CliError } from "../cli-error.ts";
import { formatSelection } from "../sources/data-uri.ts";
import { parsePartition } from "./partition-scheme.ts";
import type { LocatedPlan } from "./site-plans.ts";

/** One client's part of a dataset. */
export interface ClientPart {
	/** `<dataset>-1` and so on, of equal length, so that they sort. */
	readonly name: string;
	/** Names the part, for --data. */
	readonly uri: string;
	/** Episodes by their numbers on disk. */
	readonly episodes: readonly number[];
	readonly numFrames: number;
	/** Episodes by task. */
	readonly tasks: Readonly<Record<string, number>>;
}

/** Divides `dataset`, which `uri` names, among clients. @throws DatasetError "no-episodes" */
export function divideDataset(
	dataset: LeRobotDataset,
	{ name, uri, scheme, seed }: { name: string; uri: string; scheme: PartitionScheme; seed: number },
): ClientPart[] {
	const [place = ""] = uri.split("?", 1);
	const named = /^[a-z][a-z0-9+-]+:/.test(place) ? place : `local:${place}`;
	const digits = String(scheme.clients).length;
	return partitionEpisodes(dataset.episodes, scheme, { seed }).map((part, client) => {
		const tasks: Record<string, number> = {};
		let numFrames = 0;
		const episodes = part.map((index) => {
			const episode = dataset.episodes[index];
			if (episode === undefined) throw new RangeError(`divideDataset: no episode ${index}`);
			const task = taskOf(episode);
			tasks[task] = (tasks[task] ?? 0) + 1;
			numFrames += episode.length;
			return episode.recordedIndex;
		});
		const cameras = dataset.selection?.cameras;
		return {
			name: `${name}-${String(client + 1).padStart(digits, "0")}`,
			uri: `${named}${formatSelection({ episodes, cameras })}`,
			episodes,
			numFrames,
			tasks,
		};
	});
}

/**
 * Sites in place of each located dataset's own, divided as `partition` says; unchanged when it is null.
 * @throws CliError "bad-config" for simulated sites, which have their own recordings
 */
export async function dividePlans(
	plans: readonly LocatedPlan[],
	partition: string | null,
	{ seed, signal }: { readonly seed: number; readonly signal: AbortSignal },
): Promise<LocatedPlan[]> {
	if (partition === null) return [...plans];
	const scheme = parsePartition(partition);
	const divided: LocatedPlan[] = [];
	for (const { name, uri, located } of plans) {
		if (located === null) {
			throw new CliError(
				"bad-config",
				`--partition cannot divide ${uri}, which is recorded for its site alone`,
				{
					cure: "record it with `zk0 data synth` and give its directory",
				},
			);
		}
		const { dir, selection } = located;
		if (located.profile !== null) {
			throw new CliError("bad-config", `--partition cannot divide the site of the profile ${uri}`, {
				cure: "give the dataset itself; a profile's statistics are those of its whole site",
			});
		}
		const dataset = await openDataset(dir, { selection, signal });
		for (const part of divideDataset(dataset, { name, uri, scheme, seed })) {
			const own = {
				dir,
				uri: part.uri,
				selection: { episodes: part.episodes, cameras: selection?.cameras },
				profile: null,
			};
			divided.push({ name: part.name, uri: part.uri, source: null, located: own });
		}
	}
	return divided;
}
