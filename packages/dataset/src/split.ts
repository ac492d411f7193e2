// Train and held-out episodes of one site.
import { rng } from "@zk0/arrays";
import { DatasetError } from "./errors.ts";

/** Episode indices of the two parts, ascending. */
export interface EpisodeSplit {
	readonly train: readonly number[];
	readonly heldOut: readonly number[];
}

/** An episode of a dataset, or its number alone. */
type SplitEpisode = number | { readonly index: number; readonly recordedIndex?: number };

/**
 * Holds out the listed episodes (by their numbers on disk), or a fraction of them.
 *
 * A fraction holds out one episode of every stretch of 1 / fraction consecutive indices, picked by a hash of seed and
 * stretch: an episode's part never changes when episodes are added or left out. The first stretch always gives
 * episode 1, so that two episodes are enough for both parts; a single episode is for training.
 * @throws RangeError when the fraction is not in [0, 0.5]; DatasetError "bad-selection" for a listed episode that is
 *   not there.
 */
export function splitEpisodes(
	episodes: readonly SplitEpisode[],
	{ heldOut: wanted, seed }: { heldOut: number | readonly number[]; seed: number },
): EpisodeSplit {
	if (typeof wanted !== "number") return splitByList(episodes, wanted);
	const heldOutFraction = wanted;
	if (!(heldOutFraction >= 0 && heldOutFraction <= 0.5)) {
		throw new RangeError(`splitEpisodes: heldOutFraction ${heldOutFraction} is not in [0, 0.5]`);
	}
	const indices = episodes
		.map((episode) => (typeof episode === "number" ? episode : episode.index))
		.sort((a, b) => a - b);
	const heldOut = indices.filter((index) => isHeldOut(index, heldOutFraction, seed));
	const held = new Set(heldOut);
	return { train: indices.filter((index) => !held.has(index)), heldOut };
}

function splitByList(episodes: readonly SplitEpisode[], wanted: readonly number[]): EpisodeSplit {
	const left = new Set(wanted);
	const parts: { readonly train: number[]; readonly heldOut: number[] } = { train: [], heldOut: [] };
	const held = new Set(wanted);
	for (const episode of episodes) {
		const index = typeof episode === "number" ? episode : episode.index;
		const recorded = typeof episode === "number" ? episode : (episode.recordedIndex ?? index);
		parts[held.has(recorded) ? "heldOut" : "train"].push(index);
		left.delete(recorded);
	}
	const [unknown] = left;
	if (unknown === undefined) return parts;
	throw new DatasetError(
		"bad-selection",
		`episode ${unknown} is to be held out, but there is no such one among ${episodes.length}`,
	);
}

function isHeldOut(index: number, fraction: number, seed: number): boolean {
	if (fraction === 0) return false;
	const startOf = (stretch: number): number => Math.floor(stretch / fraction);
	let stretch = Math.floor(index * fraction);
	while (startOf(stretch + 1) <= index) stretch++;
	while (startOf(stretch) > index) stretch--;
	const start = startOf(stretch);
	const size = startOf(stretch + 1) - start;
	const pick = stretch === 0 ? 1 : rng(seed, "held-out", stretch).below(size);
	return index === start + pick;
}
