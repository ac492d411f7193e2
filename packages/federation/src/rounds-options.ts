// What a run is: the options of `rounds`, with their defaults and checks.
import type { Clock } from "./clock.ts";
import type { EventLog } from "./event-log.ts";
import type { Grid } from "./grid.ts";
import type { JsonValue } from "./json.ts";
import type { ObjectStore } from "./object-store.ts";
import type { Strategy } from "./strategy.ts";

/** Options of `rounds`. */
export interface RoundsOptions {
	readonly runId: string;
	/** Every random stream of the run derives from it. */
	readonly seed: number;
	readonly numRounds: number;
	/** Optimizer steps per site and round. */
	readonly numLocalSteps: number;
	/** Sent to the sites as it is; their ClientApp parses it. */
	readonly learning: JsonValue;
	readonly strategy: Strategy;
	/** Safetensors file (float32) with the tensors that are trained and travel; copied into the store. */
	readonly initialWeightsPath: string;
	readonly grid: Grid;
	/** The run's log; not empty: the run is resumed from it. */
	readonly log: EventLog;
	/** Spool of weights and updates. */
	readonly store: ObjectStore;
	readonly clock: Clock;
	/** Sites that must be online before a round starts; default 1. */
	readonly minSites?: number;
	/** Updates an attempt must bring; default: minSites. */
	readonly minUpdates?: number;
	/** Attempts per round before the run fails; default 3. */
	readonly maxAttempts?: number;
	/** How long to wait for minSites before the run fails; default null: without limit. */
	readonly joinTimeoutMs?: number | null;
	/** A site that goes offline during its task: `fail` its task (default) or `wait` for it to come back. */
	readonly offlineSites?: "fail" | "wait";
	/** Keep updates in the store after their round; default false. */
	readonly keepUpdates?: boolean;
	/** Worker threads for aggregation; default 2. */
	readonly threads?: number;
	/** Aborted: the run stops cleanly and can be resumed. */
	readonly signal?: AbortSignal;
}
