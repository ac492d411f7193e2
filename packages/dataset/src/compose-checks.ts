// What datasets must have in common to become one, and what the new one takes from them.
import type { ComposeOptions } from "./compose.ts";
import type { LeRobotDataset } from "./dataset.ts";
import { DatasetError } from "./errors.ts";
import { type Feature, INDEX_FEATURES } from "./info.ts";
import { featureColumn } from "./parquet/schema.ts";
import type { Rows } from "./rows.ts";

/** Some episodes of a dataset, in this order. */
export interface EpisodeSelection {
	readonly dataset: LeRobotDataset;
	/** Episode indices. */
	readonly episodes: readonly number[];
}

/** What the sources agree on. */
export interface AgreedFeatures {
	readonly fps: number;
	readonly robotType: string | null;
	readonly stateNames: readonly string[];
	readonly actionNames: readonly string[];
	/** Camera keys to keep, in the first source's order. */
	readonly cameras: readonly string[];
	/** Further columns to keep. */
	readonly extraFeatures: Readonly<Record<string, Feature>>;
	/** Features that some source has and the new dataset does not. */
	readonly droppedFeatures: readonly string[];
}

/** Checks the sources against each other; errors as composeDataset. */
export function agreedFeatures(
	selections: readonly EpisodeSelection[],
	{ cameras, without = [] }: Pick<ComposeOptions, "cameras" | "without">,
): AgreedFeatures {
	const [first] = selections;
	if (first === undefined || selections.every(({ episodes }) => episodes.length === 0)) {
		throw new DatasetError("no-episodes", "no episode is chosen; a dataset needs at least one");
	}
	const { dataset } = first;
	for (const selection of selections) checkSource(selection);
	const stateNames = dimensionNames(dataset, "observation.state", dataset.stateDim);
	const actionNames = dimensionNames(dataset, "action", dataset.actionDim);
	for (const { dataset: other } of selections) checkAgreement(dataset, other);
	const known = new Set(selections.flatMap(({ dataset: { features } }) => Object.keys(features)));
	for (const key of [...(cameras ?? []), ...without]) {
		if (known.has(key) && !["action", "observation.state", ...Object.keys(INDEX_FEATURES)].includes(key))
			continue;
		const others = [...known].filter((name) => !Object.hasOwn(INDEX_FEATURES, name)).join(", ");
		throw new DatasetError(
			"bad-selection",
			`"${key}" is not a camera or feature that can be chosen (features: ${others})`,
		);
	}
	const keptCameras = dataset.cameraKeys.filter(
		(key) => (cameras?.includes(key) ?? true) && !without.includes(key),
	);
	const extraFeatures = Object.fromEntries(
		Object.entries(dataset.features).filter(
			([key, feature]) =>
				!without.includes(key) &&
				isColumn(key, feature) &&
				selections.every(({ dataset: { features } }) => sameColumn(features[key], feature)),
		),
	);
	const kept = new Set([
		"action",
		"observation.state",
		...keptCameras,
		...Object.keys(extraFeatures),
		...Object.keys(INDEX_FEATURES),
	]);
	return {
		fps: dataset.fps,
		robotType: dataset.robotType,
		stateNames,
		actionNames,
		cameras: keptCameras,
		extraFeatures,
		droppedFeatures: [...known].filter((key) => !kept.has(key)),
	};
}

/** Sentences of the new dataset: whole tables of datasets that are taken whole, else those that occur. */
export function tasksOf(
	selections: readonly EpisodeSelection[],
	rows: ReadonlyMap<LeRobotDataset, Rows>,
): string[] {
	const tasks = new Set<string>();
	for (const { dataset, episodes } of selections) {
		const isWhole = new Set(episodes).size === dataset.numEpisodes;
		const used = new Set<number>();
		for (const index of episodes) {
			const { fromIndex = 0, toIndex = 0 } = dataset.episodes[index] ?? {};
			for (const task of rows.get(dataset)?.taskIndex.subarray(fromIndex, toIndex) ?? []) used.add(task);
		}
		for (const [index, task] of dataset.tasks.entries()) if (isWhole || used.has(index)) tasks.add(task);
	}
	return [...tasks];
}

function checkSource({ dataset, episodes }: EpisodeSelection): void {
	const { root, stateDim, actionDim, fps } = dataset;
	if (stateDim === 0 || actionDim === 0) {
		throw notConvertible(root, `it has no ${stateDim === 0 ? "observation.state" : "action"}`);
	}
	if (!Number.isSafeInteger(fps)) throw notConvertible(root, `v3.0 needs an integer fps, it has ${fps}`);
	const missing = episodes.find((index) => dataset.episodes[index] === undefined);
	if (missing !== undefined) {
		throw new DatasetError(
			"bad-selection",
			`${root} has no episode ${missing}; its episodes are 0 to ${dataset.numEpisodes - 1}`,
			{ file: root },
		);
	}
}

/** The error for a dataset that cannot be written as v3.0. */
export function notConvertible(root: string, problem: string): DatasetError {
	return new DatasetError(
		"not-convertible",
		`${root} cannot be written as v3.0: ${problem}; it can still be read as it is`,
		{ file: root },
	);
}

function checkAgreement(first: LeRobotDataset, other: LeRobotDataset): void {
	const facts = (dataset: LeRobotDataset): Record<string, string> => ({
		fps: String(dataset.fps),
		"robot type": String(dataset.robotType),
		"dimensions of observation.state": dimensionNames(dataset, "observation.state", dataset.stateDim).join(
			", ",
		),
		"dimensions of action": dimensionNames(dataset, "action", dataset.actionDim).join(", "),
		cameras: [...dataset.cameraKeys].sort().join(", "),
	});
	const [wanted, found] = [facts(first), facts(other)];
	for (const [name, value] of Object.entries(wanted)) {
		if (found[name] === value) continue;
		throw new DatasetError(
			"not-mergeable",
			`${other.root} cannot be merged with ${first.root}: ${name} differ (${found[name]} / ${value}); merge recordings of one kind of robot and rate only`,
			{ file: other.root },
		);
	}
}

/** The names that a dataset gives to a vector's dimensions; numbered ones when it gives none. */
function dimensionNames(dataset: LeRobotDataset, key: string, dim: number): string[] {
	const { names } = dataset.features[key] ?? {};
	const found = (Array.isArray(names) ? names : Object.values(names ?? {}).flat()).filter(
		(name) => typeof name === "string",
	);
	return found.length === dim ? found : Array.from({ length: dim }, (_, index) => `${key}_${index}`);
}

function isColumn(key: string, feature: Feature): boolean {
	if (key === "action" || key === "observation.state" || Object.hasOwn(INDEX_FEATURES, key)) return false;
	try {
		featureColumn(key, feature);
		return true;
	} catch (cause) {
		if (cause instanceof RangeError) return false;
		throw cause;
	}
}

function sameColumn(a: Feature | undefined, b: Feature): boolean {
	return a !== undefined && a.dtype === b.dtype && a.shape.join() === b.shape.join();
}
