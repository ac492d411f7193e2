// The seam between the round loop and the ways of federating. A strategy is pure: it decides who trains and how
// updates are combined, as data; files, network and time stay outside. State is JSON and recorded every round;
// per-tensor server state (momentum, second moments) lives in `slots` that the aggregator streams.
import type { JsonValue } from "./json.ts";

/** Who could take part in a round. */
export interface ConfigureRequest {
	readonly round: number;
	/** Attempts of this round, counted from 1. */
	readonly attempt: number;
	readonly seed: number;
	/** Names of the sites that are online, sorted; at least one. */
	readonly sites: readonly string[];
}

/** Who does, and how. */
export interface RoundPlan {
	/** Names of the sites that train, sorted. */
	readonly sites: readonly string[];
	/** FedProx coefficient sent with the task; 0 is off. */
	readonly proximalMu: number;
}

/** An accepted update, as far as a strategy sees it. */
export interface UpdateSummary {
	readonly site: string;
	readonly numSamples: number;
}

/** Elementwise server step on equal ranges of one tensor; pure apart from writing `mean` and `slots`. */
export interface ServerStep {
	/** Names of the float32 server-state arrays kept per tensor (zeros at first), e.g. `["momentum"]`. */
	readonly slots: readonly string[];
	/** In: the weighted mean, current weights, slots in order. Out: new weights in `mean`, new slots in place. */
	apply(mean: Float32Array, current: Float32Array, slots: readonly Float32Array[]): void;
}

/** How the updates of a round become the next weights. */
export interface Aggregation<State> {
	readonly state: State;
	/** One per update in the order given, summing to 1; each new tensor is the weighted mean ... */
	readonly weights: readonly number[];
	/** What the server does with that mean, or null when the mean is the result. */
	readonly serverStep: ServerStep | null;
}

/** A way of federating; all functions are pure. */
export interface Strategy<State extends JsonValue = JsonValue> {
	readonly name: string;
	/** Its options, as recorded in the run's log. */
	readonly options: JsonValue;
	init(): State;
	configure(state: State, request: ConfigureRequest): RoundPlan;
	/** `updates` are sorted by site name, at least one, each with numSamples > 0. */
	aggregate(state: State, updates: readonly UpdateSummary[]): Aggregation<State>;
}
