// A site's recordings as training sees them: which frames train and which are held out, with what statistics, seen
// by which cameras. Everything that could make a run fail late is checked here, before the first step.
import {
	computeStats,
	createFrameReader,
	createSampleSource,
	type DatasetDigest,
	digestDataset,
	type EpisodeSplit,
	type FrameReader,
	type LeRobotDataset,
	type Rows,
	type SampleSource,
	type Stats,
	splitEpisodes,
} from "@zk0/dataset";
import {
	actionLength,
	type BatchContext,
	cameraKeys,
	type SmolVLAConfig,
	stateLength,
	type Tokenizer,
	type VlmConfig,
} from "@zk0/policy";
import { type CameraMap, resolveCameraMap } from "./camera-map.ts";
import { FinetuneError } from "./errors.ts";
import { normalizerStats } from "./normalizer-stats.ts";
import { withSignal } from "./signal-option.ts";
import { foldUnits, type SiteUnits } from "./units.ts";

/** The parts of a policy that say what its inputs look like. */
export interface PolicyInputs {
	readonly config: SmolVLAConfig;
	readonly vlm: VlmConfig;
	readonly tokenizer: Tokenizer;
}

/** How to look at a dataset. */
export interface SiteDataOptions {
	/** Site name: letters, digits and the like; names the random streams. */
	readonly name: string;
	readonly dataset: LeRobotDataset;
	readonly policy: PolicyInputs;
	/** Dataset camera key -> policy camera key. @default cameras of equal name */
	readonly cameraMap?: Readonly<Record<string, string>> | undefined;
	/** Episodes held out of training: a share of them, 0..0.5, or their numbers on disk. @default 0.2 */
	readonly heldOut?: number | readonly number[];
	/** Chooses the held-out episodes where a share of them is asked for. @default 0 */
	readonly splitSeed?: number;
	/** Statistics of the training episodes as recorded. @default computed */
	readonly stats?: Stats | undefined;
	/** Units of the arm. @default degrees */
	readonly units?: SiteUnits | undefined;
	/** Decoder processes. @default the dataset package's */
	readonly decodeProcesses?: number;
	/** Bytes of decoded pictures to keep in memory: for a policy whose backbone is trained. @default 0 */
	readonly pictureCacheBytes?: number;
	readonly signal?: AbortSignal | undefined;
}

/** A dataset made ready for one site; disposing it ends the decoder processes. */
export interface SiteData extends AsyncDisposable {
	readonly name: string;
	readonly dataset: LeRobotDataset;
	/** Names the content of the dataset and of its pictures. */
	readonly digest: DatasetDigest;
	readonly cameraMap: CameraMap;
	readonly split: EpisodeSplit;
	/** Statistics of the training episodes' states and actions; they stay with the site. */
	readonly stats: Stats;
	/** What turns this site's frames into feeds. */
	readonly context: BatchContext;
	/** Every frame of the dataset; item numbers are row numbers. */
	readonly source: SampleSource;
	/** Rows to train on, ascending. */
	readonly trainItems: Uint32Array;
	/** Rows never trained on, ascending. */
	readonly heldOutItems: Uint32Array;
	/** Joint names of an action, in order. */
	readonly actionNames: readonly string[];
	/** Degrees (percent for grippers) per recorded unit of each action joint, positive. */
	readonly actionScale: readonly number[];
	/** True when action joint i aims at state joint i (same names): holding the pose is then an action. */
	readonly actionsAreTargets: boolean;
}

/**
 * Checks a dataset against a policy and splits it.
 * @throws FinetuneError "dims-mismatch", "camera-missing", "task-empty", "no-train-episodes"; DatasetError as
 * `readRows`.
 */
export async function openSiteData(options: SiteDataOptions): Promise<SiteData> {
	const { name, dataset, policy, signal } = options;
	const { config, vlm, tokenizer } = policy;
	checkDims(name, dataset, config);
	checkTasks(name, dataset);
	const cameraMap = resolveCameraMap({
		datasetCameras: dataset.cameraKeys,
		policyCameras: cameraKeys(config),
		...(options.cameraMap === undefined ? {} : { wanted: options.cameraMap }),
		site: name,
	});
	const split = splitEpisodes(dataset.episodes, {
		heldOut: options.heldOut ?? 0.2,
		seed: options.splitSeed ?? 0,
	});
	if (split.train.length === 0) {
		throw new FinetuneError(
			"no-train-episodes",
			`${dataset.root} has ${dataset.numEpisodes} episodes and none is left to train on; record more or hold out fewer`,
			{ site: name },
		);
	}
	const rows = await dataset.readRows(withSignal(signal));
	const digest = await digestDataset(dataset, withSignal(signal));
	const stats = options.stats ?? (await computeStats(dataset, split.train, { rows, ...withSignal(signal) }));
	const units = options.units ?? {};
	const reader = createFrameReader(dataset, {
		cacheBytes: options.pictureCacheBytes ?? 0,
		...(options.decodeProcesses === undefined ? {} : { processes: options.decodeProcesses }),
	});
	const source = await createSampleSource(dataset, {
		chunkSize: config.chunk_size,
		cameras: [...cameraMap.keys()],
		reader,
		rows,
	});
	const [actionNames, stateNames] = [
		featureNames(dataset, "action"),
		featureNames(dataset, "observation.state"),
	];
	return {
		name,
		dataset,
		digest,
		cameraMap,
		split,
		stats,
		context: {
			config,
			vlm,
			tokenizer,
			stats: foldUnits(normalizerStats(stats), units),
			cameras: [...cameraMap.values()],
		},
		source,
		trainItems: itemsOf(rows, split.train),
		heldOutItems: itemsOf(rows, split.heldOut),
		actionNames,
		actionScale: actionNames.map((_, joint) => Math.abs(units.action?.scale[joint] ?? 1)),
		actionsAreTargets: actionNames.join() === stateNames.join(),
		[Symbol.asyncDispose]: () => closeReader(source, reader),
	};
}

async function closeReader(source: SampleSource, reader: FrameReader): Promise<void> {
	await source[Symbol.asyncDispose]();
	await reader[Symbol.asyncDispose]();
}

function checkDims(site: string, dataset: LeRobotDataset, config: SmolVLAConfig): void {
	const sizes = [
		["observation.state", dataset.stateDim, stateLength(config)],
		["action", dataset.actionDim, actionLength(config)],
	] as const;
	for (const [feature, found, wanted] of sizes) {
		if (found === wanted) continue;
		throw new FinetuneError(
			"dims-mismatch",
			`${feature} of ${dataset.root} has ${found} numbers, the policy takes ${wanted}; ` +
				"use recordings of the same robot, or start from a policy made for this one",
			{ site },
		);
	}
}

function checkTasks(site: string, dataset: LeRobotDataset): void {
	const empty = dataset.tasks.findIndex((task) => task.trim() === "");
	if (dataset.tasks.length > 0 && empty === -1) return;
	throw new FinetuneError(
		"task-empty",
		`${dataset.root} has no sentence for task ${Math.max(0, empty)}; the policy is told what to do in words: ` +
			"write one sentence per task in the dataset's task table",
		{ site },
	);
}

function itemsOf(rows: Rows, episodes: readonly number[]): Uint32Array {
	const wanted = new Set(episodes);
	const items: number[] = [];
	for (const [row, episode] of rows.episodeIndex.entries()) if (wanted.has(episode)) items.push(row);
	return Uint32Array.from(items);
}

/** Names of a vector's numbers: as recorded, or "<feature>_<index>" where the recording names none. */
function featureNames(dataset: LeRobotDataset, key: string): string[] {
	const feature = dataset.features[key];
	const size = feature?.shape[0] ?? 0;
	const named = feature?.names ?? [];
	const list: readonly unknown[] = Array.isArray(named) ? named : Object.values(named).flat();
	const names = list.filter((name) => typeof name === "string");
	return names.length === size ? names : Array.from({ length: size }, (_, index) => `${key}_${index}`);
}
