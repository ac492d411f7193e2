// The presets: complete defaults for every setting of a run.
import type { OptionValues } from "../arguments/option.ts";
import type { RUN_OPTIONS } from "./run-options.ts";

/** A preset's name. */
export type PresetName = "tiny" | "small" | "full";

type Given = Required<OptionValues<typeof RUN_OPTIONS>>;

/** What a setting may be left at: null means "not set", and the automatic choice is recorded beside it. */
export interface RunDefaults
	extends Omit<
		Given,
		| "data"
		| "init"
		| "threads"
		| "preset"
		| "concurrency"
		| "learningRate"
		| "warmupSteps"
		| "keepCheckpoints"
	> {
	readonly data: null;
	/** A directory, "random", or "bundled" for the small base policy that ships with zk0. */
	readonly init: string | null;
	/** Null: as many as the machine has cores. */
	readonly threads: number | null;
	/** Null: one per core. */
	readonly concurrency: number | null;
	/** Null: all. */
	readonly keepCheckpoints: number | null;
	/** Null: the policy's own. */
	readonly learningRate: number | null;
	readonly warmupSteps: number | null;
}

const SMALL: RunDefaults = {
	data: null,
	sites: 4,
	episodes: 12,
	imageSize: [96, 96],
	codec: "av1",
	init: "bundled",
	rounds: 5,
	localSteps: 20,
	batchSize: 16,
	learningRate: 5e-4,
	warmupSteps: 10,
	strategy: "fedprox",
	proximalMu: 0.01,
	siteFraction: 1,
	minSites: 1,
	keepOptimizerState: false,
	heldOut: 0.2,
	evalFrames: 48,
	sampledFrames: 16,
	keepCheckpoints: null,
	seed: 42,
	// The last bits of a result depend on the number of threads, so that it is the same on every machine; small
	// graphs gain more from training several sites at once.
	threads: 1,
	concurrency: null,
	out: "runs",
};

/** Defaults by preset. */
export const PRESETS: Readonly<Record<PresetName, RunDefaults>> = {
	tiny: {
		...SMALL,
		sites: 2,
		episodes: 3,
		rounds: 2,
		localSteps: 2,
		batchSize: 4,
		warmupSteps: 1,
		evalFrames: 8,
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
		concurrency: 1,
	},
};
