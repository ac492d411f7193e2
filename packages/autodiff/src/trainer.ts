// The training seam: parameters, gradients and AdamW moments live beside the runtime and never cross a thread during
// training; only batches go in and losses come out.
import type { NamedArrays, NdArray } from "@zk0/arrays";
import type { Graph } from "./graph.ts";
import type { AdamWOptions } from "./optim/adamw.ts";
import type { RunOptions } from "./runtime.ts";

/** What a trainer is made from. */
export interface TrainerOptions {
	/**
	 * Outputs a float32 scalar "loss" and "grad:<name>" for each parameter; any further outputs are returned by `step`.
	 * @see GraphBuilder.gradients
	 */
	readonly trainGraph: Graph;
	/** Graphs over the same parameters (or fewer), by name. */
	readonly evalGraphs?: Readonly<Record<string, Graph>>;
	readonly adamw: AdamWOptions;
	/** Gradients are scaled down to this total L2 norm; null leaves them. */
	readonly clipNorm: number | null;
}

/** State of AdamW, for resuming. */
export interface OptimizerState {
	/** Updates made so far. */
	readonly step: number;
	/** "exp_avg:<name>" and "exp_avg_sq:<name>" of every parameter, float32. */
	readonly moments: NamedArrays;
}

/** Options of one training step. */
export interface StepOptions extends RunOptions {
	readonly learningRate: number;
	/** Weight of each micro-batch in loss and gradients; default 1 / their number. */
	readonly microWeights?: readonly number[];
	/** Whether the step may take the feeds' buffers, which leaves the caller's arrays empty, and saves a copy; default no. */
	readonly takeFeeds?: boolean;
}

/** What one training step reports. */
export interface StepResult {
	/** The graph's loss (weighted over micro-batches), without the proximal term. */
	readonly loss: number;
	/** mu/2 * ||w - anchor||^2 before the update; 0 when off. */
	readonly proximalLoss: number;
	/** Total L2 norm of the gradients, the proximal term included, before clipping. */
	readonly gradNorm: number;
	/** The graph's other outputs; from several micro-batches stacked along a new first axis. */
	readonly outputs: Map<string, NdArray>;
}

/** Trains the parameters of one graph with AdamW. */
export interface Trainer extends AsyncDisposable {
	readonly parameterNames: readonly string[];
	/** Sets every parameter. @throws AutodiffError "bad-parameters" or "non-finite"; nothing is changed then. */
	loadParameters(arrays: NamedArrays): Promise<void>;
	/** Copies of all parameters, in the order of `parameterNames`. */
	readParameters(): Promise<Map<string, NdArray<"float32">>>;
	/** Sets moments and step count to zero. */
	resetOptimizer(): Promise<void>;
	/** A copy of the moments and the step count. */
	readOptimizer(): Promise<OptimizerState>;
	/** Sets moments and step count. @throws AutodiffError "bad-parameters" or "non-finite"; nothing is changed then. */
	loadOptimizer(state: OptimizerState): Promise<void>;
	/**
	 * Writes parameters and optimizer to a safetensors file, atomically and without a copy in memory: "weight:<name>",
	 * "exp_avg:<name>" and "exp_avg_sq:<name>", float32; `metadata` goes into its header.
	 */
	saveState(path: string, metadata: Readonly<Record<string, string>>): Promise<void>;
	/**
	 * Sets parameters and optimizer from a file of `saveState` and returns its metadata; the anchor of the proximal term
	 * stays. Names, shapes and types are checked before anything is changed.
	 * @throws AutodiffError "bad-parameters" or "non-finite"; ArraysError when it is no whole safetensors file.
	 */
	loadState(path: string): Promise<Readonly<Record<string, string>>>;
	/**
	 * Makes the current parameters the anchor of the proximal term mu/2 * ||w - anchor||^2 of FedProx (Li et al.,
	 * 2020), whose gradient is added before clipping. 0 switches it off.
	 */
	setProximal(mu: number): Promise<void>;
	/**
	 * One update: gradients (over one batch or weighted micro-batches), proximal term, clipping, AdamW. The signal stops
	 * a step that has not begun; one that has begun finishes and is reported.
	 * @throws AutodiffError "non-finite" when a feed, the loss or a gradient is NaN or infinite; parameters, moments and
	 * step count are then as before.
	 */
	step(feeds: NamedArrays | readonly NamedArrays[], options: StepOptions): Promise<StepResult>;
	/** Runs an eval graph on the current parameters; feeds are its inputs. */
	evaluate(graphName: string, feeds: NamedArrays, options?: RunOptions): Promise<Map<string, NdArray>>;
}
