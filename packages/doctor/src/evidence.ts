// Everything that the passes found out about one dataset: what the rules judge.
import { aggregateStats, type Stats } from "@zk0/dataset";
import { jointNames } from "./arm/joints.ts";
import { type ArmUnit, armUnit, type JointRanges, jointRanges } from "./arm/units.ts";
import { cameraRoles, type RoleGuess } from "./frames/camera-role.ts";
import type { PictureFacts } from "./frames/frames-pass.ts";
import type { EpisodeFacts } from "./rows/episode-facts.ts";
import type { RowFacts } from "./rows/rows-pass.ts";
import type { Problem } from "./survey/problem.ts";
import type { Description } from "./survey/survey.ts";

/** What the dataset is meant for. */
export interface Purpose {
	/** Actions that the policy predicts at once; shorter episodes are mostly padding. */
	readonly chunkSize: number;
	/** Most numbers of a state or an action that the policy takes. */
	readonly maxDim: number;
	/** Largest accepted difference between a timestamp and frame_index / fps, seconds. */
	readonly toleranceS: number;
}

/** A state or action vector over the dataset. */
export interface VectorSummary {
	readonly feature: "observation.state" | "action";
	readonly names: readonly string[];
	readonly ranges: JointRanges | null;
	readonly unit: ArmUnit | null;
}

/** What the rules judge. */
export interface Evidence extends Description {
	readonly root: string;
	readonly purpose: Purpose;
	/** From all passes. */
	readonly problems: readonly Problem[];
	readonly rows: RowFacts;
	/** Rows per episode, doubled ones counted; by episode index. */
	readonly rowsByEpisode: ReadonlyMap<number, readonly EpisodeFacts[]>;
	/** Computed from the rows; features without finite rows are absent. */
	readonly recomputed: Stats;
	readonly state: VectorSummary;
	readonly action: VectorSummary;
	readonly pictures: PictureFacts;
	readonly roles: ReadonlyMap<string, RoleGuess>;
}

/** Sum of the arm joints' ranges, in their unit: what "the arm moved" is measured by. */
export function armRangeOf(rows: RowFacts, description: Description): number {
	const feature = rows.episodes.some(({ state }) => state !== null) ? "observation.state" : "action";
	const ranges = jointRanges(rows.episodes, (facts) =>
		feature === "observation.state" ? facts.state : facts.action,
	);
	const names = jointNames(description.info.features[feature]);
	const moved = names.map((_, joint) => (ranges?.max[joint] ?? 0) - (ranges?.min[joint] ?? 0));
	return moved.reduce((sum, range) => sum + (Number.isFinite(range) ? range : 0), 0);
}

/** Puts the passes' results together. */
export function gatherEvidence(
	root: string,
	description: Description,
	parts: {
		readonly problems: readonly Problem[];
		readonly rows: RowFacts;
		readonly pictures: PictureFacts;
		readonly purpose: Purpose;
	},
): Evidence {
	const { rows, pictures } = parts;
	const rowsByEpisode = new Map<number, EpisodeFacts[]>();
	for (const facts of rows.episodes) {
		const known = rowsByEpisode.get(facts.episodeIndex);
		if (known === undefined) rowsByEpisode.set(facts.episodeIndex, [facts]);
		else known.push(facts);
	}
	const summary = (feature: VectorSummary["feature"]): VectorSummary => {
		const names = jointNames(description.info.features[feature]);
		const ranges = jointRanges(rows.episodes, (facts) => (feature === "action" ? facts.action : facts.state));
		return { feature, names, ranges, unit: armUnit(ranges, names) };
	};
	return {
		...description,
		root,
		purpose: parts.purpose,
		problems: [...parts.problems, ...rows.problems, ...pictures.problems],
		rows,
		rowsByEpisode,
		recomputed: statsOf([...rowsByEpisode.values()].flatMap(([first]) => first ?? [])),
		state: summary("observation.state"),
		action: summary("action"),
		pictures,
		roles: cameraRoles(description.cameraKeys, pictures.videos),
	};
}

/** Statistics of state and action over episodes, joined as LeRobot joins them. */
export function statsOf(episodes: readonly EpisodeFacts[]): Stats {
	return aggregateStats(
		episodes.map(({ state, action }) => ({
			...(action?.stats == null ? {} : { action: action.stats }),
			...(state?.stats == null ? {} : { "observation.state": state.stats }),
		})),
	);
}
