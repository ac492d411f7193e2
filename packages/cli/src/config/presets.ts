// The presets: complete defaults for every setting of a run.
import type { OptionValues } from "../arguments/option.ts";
import type { RUN_OPTIONS } from "./run-options.ts";

/** A preset's name. */
export type PresetName = "tiny" | "small" | "full";

type Given = Required<OptionValues<typeof RUN_OPTIONS>>;

/**
 * Settings that may stay open (null): no data is made up by `sites`, cameras go by equal names, every checkpoint is
 * kept, learning rate and warm-up are the policy's own, whole weights are trained and no adapter (an adapter that the run
 * starts from is trained on), everybody is waited for, no update is clipped, one site per core works at a time, with as many threads as
 * cores are left for it.
 */
export type OpenSetting =
	| "data"
	| "camera"
	| "partition"
	| "keepCheckpoints"
	| "learningRate"
	| "warmupSteps"
	| "quorum"
	| "roundDeadline"
	| "clipNorm"
	| "loraRank"
	| "loraAlpha"
	| "concurrency"
	| "threads";

/** A complete configuration of a federated run. */
export type RunConfig = {
	readonly [Key in keyof Given]: Key extends OpenSetting ? Given[Key] | null : Given[Key];
};

/** A preset's values; `init` is a directory, "random", "bundled" for the small base policy, or null: must be given. */
export type RunDefaults = Omit<RunConfig, "preset" | "init"> & { readonly init: string | null };

const SMALL: RunDefaults = {
	data: null,
	camera: null,
	partition: null,
	sites: 4,
	episodes: 12,
	imageSize: [96, 96],
	codec: "av1",
	init: "bundled",
	loraRank: null,
	loraAlpha: null,
	loraFreezeA: false,
	rounds: 6,
	localSteps: 40,
	batchSize: 16,
	microBatch: "auto",
	learningRate: 5e-4,
	warmupSteps: 12,
	strategy: "fedprox",
	proximalMu: 0.01,
	siteFraction: 1,
	minSites: 1,
	quorum: null,
	roundDeadline: null,
	stallAfter: 600,
	clipNorm: null,
	updateDtype: "float32",
	keepOptimizerState: false,
	heldOut: 0.2,
	evalFrames: 48,
	sampledFrames: 16,
	evalLocal: false,
	keepCheckpoints: null,
	seed: 42,
	// The last bits of a result depend on the number of threads, so that it is the same on every machine; small
	// graphs gain more from training several sites at once.
	threads: 1,
	// A model this small gains nothing from a GPU.
	device: "cpu",
	concurrency: null,
	cache: "auto",
	cacheBudget: 20e9,
	cacheDtype: "float32",
	out: "runs",
};

/** Defaults by preset. */
export const PRESETS: Readonly<Record<PresetName, RunDefaults>> = {
	tiny: {
		...SMALL,
		sites: 2,
		episodes: 5,
		rounds: 2,
		localSteps: 2,
		batchSize: 4,
		warmupSteps: 1,
		evalFrames: 8,
		sampledFrames: 4,
	},
	small: SMALL,
	// SmolVLA's own fine-tuning settings (LeRobot's preset) on full-size camera frames.
	full: {
		...SMALL,
		episodes: 50,
		imageSize: [480, 640],
		init: null,
		rounds: 20,
		localSteps: 100,
		batchSize: 8,
		learningRate: null,
		warmupSteps: null,
		evalFrames: 64,
		sampledFrames: 32,
		keepCheckpoints: 2,
		// Every site at work holds a model of its own in memory.
		threads: null,
		device: "auto",
		concurrency: 1,
	},
};
