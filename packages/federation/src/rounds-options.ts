// What a run is: the options of `rounds`, with their defaults and checks.
import type { Clock } from "./clock.ts";
import type { EventLog } from "./event-log.ts";
import type { Grid } from "./grid.ts";
import type { JsonValue } from "./json.ts";
import type { ObjectStore } from "./object-store.ts";
import type { TaskPhase } from "./protocol.ts";
import type { Strategy } from "./strategy.ts";
import type { UpdateDtype } from "./update-dtype.ts";

/** What makes a task this one. */
export interface TaskName {
	readonly runId: string;
	readonly round: number;
	readonly phase: TaskPhase;
	readonly site: string;
	readonly attempt: number;
}

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
	/** Sites that must be online when the run starts, and updates that a round needs when there is no quorum; default 1. */
	readonly minSites?: number;
	/** Sites to wait for when the run starts or resumes; default: minSites. */
	readonly minSitesToStart?: number;
	/**
	 * Results with which a phase waits no longer for sites that are offline or stalled, sites that must be online before
	 * a round starts, and updates that it needs. Default null: minSites, and everybody who was asked is waited for.
	 */
	readonly quorum?: number | null;
	/** Time after which a phase that has its quorum (or minSites) waits for nobody. Default null: none. */
	readonly roundDeadlineMs?: number | null;
	/** A site that is online and moves neither a step nor a byte for this long is stalled; default 600 000. Null: never. */
	readonly stallAfterMs?: number | null;
	/** Attempts per round before the run fails; default 3. */
	readonly maxAttempts?: number;
	/** How long to wait for sites; then the run goes on with minSites or fails. Default null: without limit. */
	readonly joinTimeoutMs?: number | null;
	/** A site that goes offline during its task: `fail` its task (default) or `wait` for it to come back. */
	readonly offlineSites?: "fail" | "wait";
	/** Element type of weights and updates on their way; default float32. Stored weights are float32 always. */
	readonly updateDtype?: UpdateDtype;
	/** Largest L2 norm of a site's difference: clipped by the site, and again in the aggregate. Default null: none. */
	readonly clipNorm?: number | null;
	/** Names tasks in a trace, the same ones in the same way always. Default null: tasks carry no name. */
	readonly traceparentOf?: ((task: TaskName) => string) | null;
	/** Keep updates in the store after their round; default false. */
	readonly keepUpdates?: boolean;
	/** Worker threads for aggregation; default 2. */
	readonly threads?: number;
	/** Aborted: the run stops cleanly and can be resumed. */
	readonly signal?: AbortSignal;
}

/** Options with every default filled in. */
export interface ResolvedRounds
	extends Required<Omit<RoundsOptions, "signal">>,
		Pick<RoundsOptions, "signal"> {}

/** Fills in defaults. @throws RangeError on a number out of range. */
export function resolveRounds(options: RoundsOptions): ResolvedRounds {
	const minSites = options.minSites ?? 1;
	const resolved = {
		minSites,
		minSitesToStart: minSites,
		quorum: null,
		roundDeadlineMs: null,
		stallAfterMs: 600_000,
		maxAttempts: 3,
		joinTimeoutMs: null,
		offlineSites: "fail" as const,
		updateDtype: "float32" as const,
		clipNorm: null,
		traceparentOf: null,
		keepUpdates: false,
		threads: 2,
		...options,
	};
	const positive = ["numLocalSteps", "minSites", "minSitesToStart", "maxAttempts"] as const;
	for (const name of positive) requireCount(name, resolved[name], 1);
	const optional = ["quorum", "roundDeadlineMs", "stallAfterMs"] as const;
	for (const name of optional) requireCount(name, resolved[name] ?? 1, 1);
	const { clipNorm } = resolved;
	if (clipNorm !== null && !(Number.isFinite(clipNorm) && clipNorm > 0))
		throw new RangeError(`rounds: clipNorm ${clipNorm} is not a positive number`);
	requireCount("numRounds", resolved.numRounds, 0);
	requireCount("threads", resolved.threads, 0);
	if (!Number.isSafeInteger(resolved.seed))
		throw new RangeError(`rounds: seed ${resolved.seed} is no integer`);
	return resolved;
}

function requireCount(name: string, value: number, minimum: number): void {
	if (!Number.isSafeInteger(value) || value < minimum) {
		throw new RangeError(`rounds: ${name} ${value} is not an integer of at least ${minimum}`);
	}
}
