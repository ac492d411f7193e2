// Rules about episodes as a whole: length, motion, doubles.
import { gripperJoints } from "../arm/joints.ts";
import type { Evidence } from "../evidence.ts";
import type { Hit, Rule } from "../rule.ts";
import { someOf } from "../rule.ts";

function firstFacts({ rowsByEpisode }: Evidence) {
	return [...rowsByEpisode.values()].flatMap(([first]) => first ?? []);
}

function outliers(evidence: Evidence): Hit[] {
	const lengths = firstFacts(evidence).map(({ episodeIndex, numFrames }) => ({ episodeIndex, numFrames }));
	const median = lengths.map(({ numFrames }) => numFrames).sort((a, b) => a - b)[lengths.length >> 1] ?? 0;
	if (lengths.length < 4) return [];
	const odd = lengths.filter(({ numFrames }) => numFrames * 4 < median || numFrames > 4 * median);
	if (odd.length === 0) return [];
	const text = odd.map(({ episodeIndex, numFrames }) => `${episodeIndex} (${numFrames} frames)`);
	return [
		{
			message: `episodes ${someOf(text)} against a usual length of ${median}`,
			episodes: odd.map(({ episodeIndex }) => episodeIndex),
		},
	];
}

/** Share of the dataset's range that some joint must cover in an episode; less than radians among degrees make. */
const STILL_SHARE = 0.005;

function still(evidence: Evidence): Hit[] {
	const vector = evidence.state.ranges === null ? evidence.action : evidence.state;
	const { ranges, names } = vector;
	if (ranges === null || ranges.numRows < 30) return [];
	const grippers = gripperJoints(names);
	const episodes = firstFacts(evidence).flatMap((facts) => {
		const stats = (vector.feature === "action" ? facts.action : facts.state)?.stats;
		if (stats === null || stats === undefined || facts.numFrames < 5) return [];
		const moves = names.some((_, joint) => {
			const whole = (ranges.max[joint] ?? 0) - (ranges.min[joint] ?? 0);
			const own = (stats.max[joint] ?? 0) - (stats.min[joint] ?? 0);
			return !grippers.has(joint) && whole > 0 && own > STILL_SHARE * whole;
		});
		return moves ? [] : [facts.episodeIndex];
	});
	return episodes.length === 0 ? [] : [{ message: `the arm does not move in ${someOf(episodes)}`, episodes }];
}

function doubles(evidence: Evidence): Hit[] {
	const byHash = new Map<string, number[]>();
	for (const { contentHash, episodeIndex, state, action } of firstFacts(evidence)) {
		if (state === null && action === null) continue;
		byHash.set(contentHash, [...(byHash.get(contentHash) ?? []), episodeIndex]);
	}
	return [...byHash.values()]
		.filter((episodes) => episodes.length > 1)
		.map(([first = 0, ...others]) => ({
			message: `${someOf(others)} repeat${others.length === 1 ? "s" : ""} episode ${first} number for number`,
			episodes: others,
		}));
}

/** The rules, in the order of the documentation. */
export const EPISODE_RULES: readonly Rule[] = [
	{
		code: "episode-short",
		severity: "warning",
		subject: "episodes",
		summary:
			"An episode is shorter than the chunk of actions that the policy predicts: most of it is padding.",
		cure: "Leave the episodes out; they are usually recordings stopped by mistake.",
		fix: "quarantine",
		check: (evidence) => {
			const short = firstFacts(evidence).filter(({ numFrames }) => numFrames < evidence.purpose.chunkSize);
			if (short.length === 0) return [];
			const episodes = short.map(({ episodeIndex }) => episodeIndex);
			return [
				{
					message: `${someOf(episodes)} ${episodes.length === 1 ? "has" : "have"} fewer than ${evidence.purpose.chunkSize} frames, down to ${Math.min(...short.map(({ numFrames }) => numFrames))}`,
					episodes,
				},
			];
		},
	},
	{
		code: "episode-outlier",
		severity: "info",
		subject: "episodes",
		summary: "An episode is more than four times longer or shorter than usual.",
		cure: "Look at the episodes; leave out those that went wrong.",
		fix: "manual",
		check: outliers,
	},
	{
		code: "episode-still",
		severity: "warning",
		subject: "episodes",
		summary: "The arm does not move throughout an episode.",
		cure: "Leave the episodes out; they teach the policy to wait.",
		fix: "quarantine",
		check: still,
	},
	{
		code: "episode-duplicate",
		severity: "warning",
		subject: "episodes",
		summary: "An episode has the same states and actions as another of the dataset.",
		cure: "Leave the repeats out: one in training and one held out would flatter every figure.",
		fix: "quarantine",
		check: doubles,
	},
];
