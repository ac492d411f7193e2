// What a site does when it is asked: the seam between the federation, which only moves named arrays in files,
// and the machine learning (@zk0/finetune implements it). Not a transport and not a schedule.
import type { JsonValue } from "./json.ts";

/** Numbers by name; null where there is no value (never a stand-in number). */
export type Metrics = Readonly<Record<string, number | null>>;

/** What a site tells about itself when it joins. */
export interface SiteInfo {
	/** Samples (frames) the site trains on; null where it does not say. */
	readonly numSamples: number | null;
	/** Anything else worth showing or checking: robot type, fps, task sentences, cameras. No private data. */
	readonly details: { readonly [key: string]: JsonValue };
}

/** One round of local training. */
export interface TrainTask {
	readonly runId: string;
	/** Round number, counted from 1. */
	readonly round: number;
	/** The run's seed; every random stream derives from (seed, site name, round). */
	readonly seed: number;
	readonly numLocalSteps: number;
	/** Optimizer steps a site has behind it when this round starts: the learning-rate schedule continues here. */
	readonly globalStep: number;
	/** Optimizer steps of the whole run. */
	readonly totalSteps: number;
	/** FedProx coefficient of mu/2 * ||w - w_global||^2; 0 switches the term off. */
	readonly proximalMu: number;
	/** The run's learning configuration, as given to `rounds`; parsed by the app. */
	readonly learning: JsonValue;
	/** Safetensors file (float32) with the global value of every trained tensor. Read only. */
	readonly weightsPath: string;
	/** Its SHA-256. */
	readonly weightsSha256: string;
}

/** What training made. */
export interface TrainResult {
	/** Safetensors file (float32) with exactly the tensors of the task's weights, made in `scratchDir`. */
	readonly weightsPath: string;
	/** Samples really consumed by optimizer steps: the update's weight. */
	readonly numSamples: number;
	/** For people and charts, e.g. `loss`. */
	readonly metrics: Metrics;
}

/** Evaluation of global weights on the site's held-out data. */
export interface EvaluateTask {
	readonly runId: string;
	/** 0 for the initial weights, else the round that made them. */
	readonly round: number;
	readonly seed: number;
	readonly learning: JsonValue;
	/** Safetensors file (float32) with every trained tensor. Read only. */
	readonly weightsPath: string;
	/** Its SHA-256. */
	readonly weightsSha256: string;
}

/** What evaluation found. */
export interface EvaluateResult {
	/** Held-out loss, or null where there is nothing to evaluate on. */
	readonly loss: number | null;
	/** Samples evaluated: the weight in the mean over sites. */
	readonly numSamples: number;
	readonly metrics: Metrics;
}

/** Progress inside a task. */
export interface TaskProgress {
	/** Steps done, from 1 to `numSteps`. */
	readonly step: number;
	readonly numSteps: number;
	readonly loss: number | null;
	readonly samplesPerSecond: number | null;
}

/** What the client loop gives an app with each task. */
export interface TaskContext {
	/** Aborted when the task is no longer wanted; the app stops soon and rejects. */
	readonly signal: AbortSignal;
	/** Cheap; may be called every step (the client loop thins it out). */
	readonly onProgress: (progress: TaskProgress) => void;
	/**
	 * Brings files that the server offers to the sites of the run (`RunGrid.offer`) into a directory, by their id; what is
	 * there whole is not asked for again.
	 */
	readonly fetchFiles: (id: string, directory: string) => Promise<void>;
	/** Empty directory for the result's file; the client loop deletes it after the update has been delivered. */
	readonly scratchDir: string;
}

/** A site's work. Calls come one at a time. */
export interface ClientApp {
	describe(): SiteInfo;
	train(task: TrainTask, context: TaskContext): Promise<TrainResult>;
	evaluate(task: EvaluateTask, context: TaskContext): Promise<EvaluateResult>;
}
