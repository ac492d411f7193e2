// Whether a site gains by the federation: the joint weights of a round against those that the site trained itself in it, on
// the same held-out frames.
import type { RunSummary } from "./run-summary.ts";

/** Both held-out losses of one site in one round. */
export interface LocalAgainstJoint {
	readonly round: number;
	/** Of the weights that the site trained, before they were combined. */
	readonly local: number;
	/** Of what they were combined to. */
	readonly joint: number;
}

/** The last round in which a site measured both; null: in none (see the setting `evalLocal`). */
export function localAgainstJoint(run: RunSummary, site: string): LocalAgainstJoint | null {
	for (const { round, sites } of run.rounds.toReversed()) {
		const { localLoss: local = null, heldOutLoss: joint = null } = sites[site] ?? {};
		if (local !== null && joint !== null) return { round, local, joint };
	}
	return null;
}
