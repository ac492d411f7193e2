// Train and held-out episodes of one site.
import { rng } from "@zk0/arrays";

/** Episode indices of the two parts, ascending. */
export interface EpisodeSplit {
	readonly train: readonly number[];
	readonly heldOut: readonly number[];
}

/**
 * Holds out one episode of every stretch of 1 / `heldOutFraction` consecutive indices, picked by a hash of seed and
 * stretch: an episode's part never changes when episodes are added or left out. The first stretch always gives
 * episode 1, so that two episodes are enough for both parts; a single episode is for training.
 * @throws RangeError when the fraction is not in [0, 0.5].
 */
export function splitEpisodes(
	episodes: readonly ({ readonly index: number } | number)[],
	{ heldOutFraction, seed }: { heldOutFraction: number; seed: number },
): EpisodeSplit {
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
