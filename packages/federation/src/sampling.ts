// Which sites train in a round: a uniform sample without replacement that depends only on the run's seed, the round, the
// attempt and the names of the sites, never on who connected first.
import { rng } from "@zk0/arrays";
import type { ConfigureRequest } from "./strategy.ts";

/** How many of the online sites take part. */
export interface SamplingOptions {
	/** Share of the online sites, in (0, 1]; default 1. */
	readonly fraction?: number;
	/** At least this many where so many are online; default 1. */
	readonly minSites?: number;
}

/** Sampling options with their defaults. @throws RangeError when out of range. */
export function resolveSampling(options: SamplingOptions): Required<SamplingOptions> {
	const { fraction = 1, minSites = 1 } = options;
	if (!(fraction > 0 && fraction <= 1))
		throw new RangeError(`sampling: fraction ${fraction} is not in (0, 1]`);
	if (!(Number.isSafeInteger(minSites) && minSites >= 1)) {
		throw new RangeError(`sampling: minSites ${minSites} is not an integer of at least 1`);
	}
	return { fraction, minSites };
}

/** The sampled names, sorted: max(floor(fraction * n), minSites) of them, at most all. */
export function sampleSites(request: ConfigureRequest, options: Required<SamplingOptions>): string[] {
	const sites = [...request.sites].sort();
	const wanted = Math.max(Math.floor(options.fraction * sites.length), options.minSites);
	if (wanted >= sites.length) return sites;
	const order = rng(request.seed, "sample-sites", request.round, request.attempt).permutation(sites.length);
	return sites.filter((_site, index) => (order[index] ?? 0) < wanted);
}
