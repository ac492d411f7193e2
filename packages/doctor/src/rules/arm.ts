// Rules about the arm: its units and convention, and how its joints move.

import { gripperJoints } from "../arm/joints.ts";
import { isOldConvention } from "../arm/units.ts";
import type { Evidence, VectorSummary } from "../evidence.ts";
import { bestLag, joinSums, lagSums } from "../rows/correlation.ts";
import type { EpisodeFacts } from "../rows/episode-facts.ts";
import type { JointFacts, VectorFacts } from "../rows/vector-facts.ts";
import type { EpisodeFrames, Hit, Rule } from "../rule.ts";
import { percent, someOf } from "../rule.ts";
import { hitOf } from "./rows.ts";

/** Numbers of a state of one SO-100. */
const SO_ARM_DIM = 6;

function vectors({ state, action }: Evidence): readonly VectorSummary[] {
	return [state, action].filter(({ names }) => names.length > 0);
}

function factsOf(summary: VectorSummary, facts: EpisodeFacts): VectorFacts | null {
	return summary.feature === "action" ? facts.action : facts.state;
}

function unitHits(unit: VectorSummary["unit"], text: string): Rule["check"] {
	return (evidence) => {
		const concerned = vectors(evidence).filter((vector) => vector.unit === unit);
		return concerned.length === 0
			? []
			: [{ message: `${concerned.map(({ feature }) => feature).join(" and ")} ${text}` }];
	};
}

/** Degrees are 57 radians; an arm that hardly moves in an episode is beyond. */
const UNIT_FACTOR = { min: 20, max: 150 };

/** Episodes whose whole motion fits into radians while the others' does not, and vectors that differ by a factor. */
function mixedUnits(evidence: Evidence): Hit[] {
	const hits: Hit[] = [];
	const { state, action } = evidence;
	const [a, b] = [state.ranges, action.ranges];
	if (a !== null && b !== null && state.names.length === action.names.length && a.numRows >= 30) {
		const odd = state.names.filter((_, joint) => {
			const sizes = [a, b].map(({ min, max }) => (max[joint] ?? 0) - (min[joint] ?? 0));
			const [small = 0, large = 0] = sizes.sort((x, y) => x - y);
			return small > 1e-3 && large / small > UNIT_FACTOR.min;
		});
		if (odd.length >= Math.max(1, state.names.length / 2))
			hits.push({ message: `states and actions of ${someOf(odd)} differ in range by more than 20 times` });
	}
	for (const vector of vectors(evidence)) {
		if ((vector.ranges?.numRows ?? 0) < 30) continue;
		const sizes = evidence.rows.episodes.flatMap((facts) => {
			const stats = factsOf(vector, facts)?.stats;
			if (stats === null || stats === undefined) return [];
			const grippers = gripperJoints(vector.names);
			const moved = stats.max.map((max, joint) => (grippers.has(joint) ? 0 : max - (stats.min[joint] ?? 0)));
			return [{ episode: facts.episodeIndex, size: Math.max(...moved) }];
		});
		const median = sizes.map(({ size }) => size).sort((x, y) => x - y)[sizes.length >> 1] ?? 0;
		const isOther = (size: number): boolean => {
			const factor = size > median ? size / median : median / size;
			return factor > UNIT_FACTOR.min && factor < UNIT_FACTOR.max;
		};
		const episodes = sizes.filter(({ size }) => isOther(size)).map(({ episode }) => episode);
		if (episodes.length > 0)
			hits.push({
				message: `${vector.feature} of ${someOf(episodes)} is in another unit than the rest`,
				episodes,
			});
	}
	return hits;
}

/** Steps that no motor makes: far beyond what is usual, and across a good part of the joint's range. */
function jumps(evidence: Evidence, vector: VectorSummary): Hit[] {
	const grippers = gripperJoints(vector.names);
	const { ranges } = vector;
	const wide = vector.names.map((_, index) =>
		grippers.has(index) ? 0 : (ranges?.max[index] ?? 0) - (ranges?.min[index] ?? 0),
	);
	// The median joint: one that jumps must not set the measure.
	const usual = wide.toSorted((a, b) => a - b)[wide.length >> 1] ?? 0;
	return vector.names.flatMap((joint, index) => {
		if (grippers.has(index)) return [];
		const all = evidence.rows.episodes.flatMap((facts) => {
			const found = factsOf(vector, facts)?.joints[index];
			return found === undefined ? [] : [{ episode: facts.episodeIndex, found }];
		});
		const median = (pick: (facts: JointFacts) => number): number =>
			all.map(({ found }) => pick(found)).sort((a, b) => a - b)[all.length >> 1] ?? 0;
		const limit = Math.max(
			8 * median(({ typicalStep }) => typicalStep),
			0.5 * median(({ min, max }) => max - min),
			0.25 * usual,
		);
		if (limit < 1e-6) return [];
		const frames = all.flatMap(({ episode, found }): EpisodeFrames[] => {
			const large = found.largestSteps.filter(({ size }) => size > limit).map(({ frame }) => frame);
			return large.length === 0
				? []
				: [{ episode, count: large.length, frames: large.sort((a, b) => a - b) }];
		});
		const largest = Math.max(0, ...all.flatMap(({ found }) => found.largestSteps.map(({ size }) => size)));
		return hitOf(
			frames,
			() => `${joint} of ${vector.feature} jumps by up to ${largest.toPrecision(3)} in one frame`,
			{
				joint,
			},
		);
	});
}

/** Frames at a stop while the arm moves, over all frames. */
const SATURATED_SHARE = 0.25;

function saturated(evidence: Evidence): Hit[] {
	const vector = evidence.state.names.length > 0 ? evidence.state : evidence.action;
	const grippers = gripperJoints(vector.names);
	const { ranges } = vector;
	if (ranges === null) return [];
	return vector.names.flatMap((joint, index) => {
		const [min = 0, max = 0] = [ranges.min[index], ranges.max[index]];
		const slack = (max - min) * 1e-4;
		if (grippers.has(index) || max - min < 1e-6) return [];
		let numFrames = 0;
		const stuck = { min: 0, max: 0 };
		const episodes = new Set<number>();
		for (const facts of evidence.rows.episodes) {
			const found = factsOf(vector, facts)?.joints[index];
			numFrames += facts.numRows;
			if (found === undefined || found.max - found.min <= slack) continue;
			const atMin = found.min <= min + slack ? found.numAtMin : 0;
			const atMax = found.max >= max - slack ? found.numAtMax : 0;
			stuck.min += atMin;
			stuck.max += atMax;
			if (Math.max(atMin, atMax) > 0.1 * facts.numRows) episodes.add(facts.episodeIndex);
		}
		const [end, count, value] =
			stuck.min > stuck.max ? (["lowest", stuck.min, min] as const) : (["highest", stuck.max, max] as const);
		if (count / Math.max(1, numFrames) < SATURATED_SHARE) return [];
		return [
			{
				message: `${joint} stands at its ${end} value ${value.toPrecision(4)} in ${percent(count / numFrames)} of the frames while the arm moves`,
				joint,
				episodes: [...episodes].sort((a, b) => a - b),
			},
		];
	});
}

const MIN_LAG_CORRELATION = 0.3;
/** An arm answers within this, seconds. */
const MAX_STATE_LAG_S = 0.5;

function stateActionLag({ rows, info }: Evidence): Hit[] {
	const known = rows.episodes.flatMap(({ episodeIndex, stateLag }) =>
		stateLag === null ? [] : [{ episodeIndex, stateLag }],
	);
	const [first] = known;
	if (first === undefined) return [];
	const isOdd = (lag: number): boolean => lag <= -2 || lag > Math.max(2, MAX_STATE_LAG_S * info.fps);
	const total = lagSums(first.stateLag.maxLag);
	for (const { stateLag } of known) joinSums(total, stateLag);
	const all = bestLag(total);
	const odd = known.flatMap(({ episodeIndex, stateLag }) => {
		const best = bestLag(stateLag);
		return best !== null && best.correlation > 0.5 && isOdd(best.lag) ? [{ episodeIndex, ...best }] : [];
	});
	const isAll = all !== null && all.correlation >= MIN_LAG_CORRELATION && isOdd(all.lag);
	if (!isAll && odd.length === 0) return [];
	const lag = isAll ? all.lag : (odd[0]?.lag ?? 0);
	const direction = lag < 0 ? "lead the actions" : "follow the actions late";
	const ms = Math.round((Math.abs(lag) / info.fps) * 1000);
	const message = `states ${direction}: by ${Math.abs(lag)} frames (${ms} ms)`;
	return [isAll ? { message } : { message, episodes: odd.map(({ episodeIndex }) => episodeIndex) }];
}

/** The rules, in the order of the documentation. */
export const ARM_RULES: readonly Rule[] = [
	{
		code: "units-radians",
		severity: "warning",
		subject: "arm",
		summary: "Joints are in radians; zk0 reports and SO-100 recordings use degrees.",
		cure: "Use the profile, which maps them to degrees.",
		fix: "profile",
		check: unitHits("radians", "are in radians: no joint goes beyond one turn of 6.28"),
	},
	{
		code: "units-ticks",
		severity: "warning",
		subject: "arm",
		summary: "Joints are raw encoder positions (0 to 4095), not angles.",
		cure: "Use the profile, which maps a turn of 4096 to 360 degrees.",
		fix: "profile",
		check: unitHits("ticks", "are encoder positions: whole numbers up to 4095"),
	},
	{
		code: "units-normalised",
		severity: "info",
		subject: "arm",
		summary: "Joints are in -100..100 of their calibrated range, not degrees: comparable only on this arm.",
		cure: 'Keep it for this arm; errors "in degrees" are then in percent of the half range. Record with use_degrees=true for others.',
		fix: "manual",
		check: unitHits("normalised", "stop at exactly 100: normalised to each joint's range"),
	},
	{
		code: "units-mixed",
		severity: "error",
		subject: "arm",
		summary: "States and actions, or some episodes and others, are in different units.",
		cure: "Leave the episodes out, or record them again with one setting of use_degrees.",
		fix: "quarantine",
		check: mixedUnits,
	},
	{
		code: "convention-old",
		severity: "warning",
		subject: "arm",
		summary:
			"Motor names start with main_: recorded before LeRobot's calibration change, with other zeros and one other sign.",
		cure: "Use the profile, which maps shoulder_lift to 90 - x and elbow_flex to x - 90.",
		fix: "profile",
		check: (evidence) => {
			const old = vectors(evidence).filter(({ names }) => isOldConvention(names));
			const [first] = old;
			if (first === undefined) return [];
			const features = old.map(({ feature }) => feature).join(" and ");
			return [{ message: `${features} name their joints ${someOf(first.names, 2)}` }];
		},
	},
	{
		code: "arm-other",
		severity: "info",
		subject: "arm",
		summary: "A state or an action has not the six numbers of an SO-100.",
		cure: "Federate it only with sites of the same arm; start from a policy made for it.",
		fix: "manual",
		check: (evidence) => {
			const dims = vectors(evidence).filter(
				({ names }) => names.length !== SO_ARM_DIM && names.length <= evidence.purpose.maxDim,
			);
			if (dims.length === 0) return [];
			const text = dims.map(({ feature, names }) => `${feature} has ${names.length} numbers`).join(", ");
			const isTwo = dims.some(({ names }) => names.length === 2 * SO_ARM_DIM);
			return [{ message: `${text}${isTwo ? ": two arms" : ""}` }];
		},
	},
	{
		code: "dims-beyond-policy",
		severity: "error",
		subject: "arm",
		summary: "A state or an action has more numbers than the policy takes.",
		cure: "Choose a policy with a larger max_state_dim and max_action_dim, or record fewer joints.",
		fix: "manual",
		check: (evidence) =>
			vectors(evidence)
				.filter(({ names }) => names.length > evidence.purpose.maxDim)
				.map(({ feature, names }) => ({
					message: `${feature} has ${names.length} numbers, the policy takes ${evidence.purpose.maxDim}`,
				})),
	},
	{
		code: "action-jump",
		severity: "warning",
		subject: "arm",
		summary: "A joint jumps across half of its range or more within one frame, far beyond its usual step.",
		cure: "Leave the episodes out; jumps come from a lost encoder turn or a dropped message.",
		fix: "quarantine",
		check: (evidence) => vectors(evidence).flatMap((vector) => jumps(evidence, vector)),
	},
	{
		code: "joint-saturated",
		severity: "warning",
		subject: "arm",
		summary: "A joint stands at its lowest or highest value in a quarter of the frames while the arm moves.",
		cure: "Calibrate the arm again so that the joint's range covers the task.",
		fix: "manual",
		check: saturated,
	},
	{
		code: "state-action-lag",
		severity: "warning",
		subject: "arm",
		summary: "States run ahead of the actions, or more than half a second behind: the columns are shifted.",
		cure: "Leave the episodes out, or record again with one clock for leader and follower.",
		fix: "quarantine",
		check: stateActionLag,
	},
];
