// Where a run stands, as a pure function of its events. The round loop goes by this state alone, so a run that continues after a
// crash is in exactly the state of one that was never interrupted.
import type {
	RoundAccepted,
	RoundEvent,
	RoundStarted,
	RunStarted,
	SiteEvaluated,
	UpdateLate,
	UpdateReceived,
} from "./events.ts";
import type { JsonValue } from "./json.ts";

/** A training round under way. */
export interface OpenRound {
	readonly round: number;
	/** ISO 8601: when this attempt started. */
	readonly at: string;
	readonly attempt: number;
	/** Sites of this attempt, sorted. */
	readonly sites: readonly string[];
	readonly proximalMu: number;
	/** Updates of all attempts, by site. */
	readonly updates: ReadonlyMap<string, UpdateReceived>;
	/** Sites that are out of this attempt. */
	readonly failed: ReadonlySet<string>;
	/** True once the attempt was given up. */
	readonly isGivenUp: boolean;
	/** True once the operator's rules decided that no further update is waited for. */
	readonly isClosed: boolean;
	readonly accepted: RoundAccepted | null;
}

/** A training task that nobody waits for any more and that may bring an update all the same. */
export type ReleasedTask = Pick<OpenRound, "round" | "at" | "attempt" | "proximalMu">;

/** The state after some events. */
export interface RunState {
	readonly started: RunStarted | null;
	/** Last round whose weights exist; 0 are the initial ones. */
	readonly round: number;
	/** The global weights of `round`. */
	readonly weightsSha256: string | null;
	/** ISO 8601: when they were made. */
	readonly weightsAt: string | null;
	/** Every global weights object so far. */
	readonly weightsHistory: readonly string[];
	/** The strategy's state, or undefined before the first aggregation. */
	readonly strategyState: JsonValue | undefined;
	readonly slotsSha256: string | null;
	/** Results on the weights of `round`, by site. */
	readonly evaluations: ReadonlyMap<string, SiteEvaluated>;
	/** Sites that could not evaluate the weights of `round`. */
	readonly evaluationFailures: ReadonlySet<string>;
	/** Sites that the last training went on without and that have not delivered since. */
	readonly stragglers: ReadonlySet<string>;
	/** The newest task of each site that a training went on without and that has brought nothing since. */
	readonly released: ReadonlyMap<string, ReleasedTask>;
	/** The newest update of each site that came too late. */
	readonly lateUpdates: ReadonlyMap<string, UpdateLate>;
	/** True once round.evaluated of `round` is written. */
	readonly isEvaluated: boolean;
	readonly open: OpenRound | null;
	readonly isCompleted: boolean;
}

/** The state before any event. */
export const INITIAL_STATE: RunState = {
	started: null,
	round: 0,
	weightsSha256: null,
	weightsAt: null,
	weightsHistory: [],
	strategyState: undefined,
	slotsSha256: null,
	evaluations: new Map(),
	evaluationFailures: new Set(),
	stragglers: new Set(),
	released: new Map(),
	lateUpdates: new Map(),
	isEvaluated: false,
	open: null,
	isCompleted: false,
};

/** The state after `event`. */
export function reduceRun(state: RunState, event: RoundEvent): RunState {
	switch (event.kind) {
		case "run.started":
			return {
				...INITIAL_STATE,
				started: event,
				weightsSha256: event.weightsSha256,
				weightsAt: event.at,
				weightsHistory: [event.weightsSha256],
			};
		case "round.started":
			return { ...state, open: openRound(state, event.round, event), stragglers: new Set() };
		case "update.received":
			return withOpen(withoutReleased(state, event.site), event.round, (open) => ({
				...open,
				updates: new Map([...open.updates, [event.site, event]]),
			}));
		case "update.rejected":
			if (!event.endsTask) break;
			return withFailure(withoutReleased(state, event.site, event.round), event.round, event.site);
		case "site.failed":
			return event.phase === "train"
				? withFailure(state, event.round, event.site)
				: { ...state, evaluationFailures: new Set([...state.evaluationFailures, event.site]) };
		case "round.closed":
			if (event.phase === "evaluate") break;
			return withOpen(withReleased(state, event.without), event.round, (open) => ({
				...open,
				isClosed: true,
			}));
		case "update.late":
			return {
				...withoutReleased(state, event.site, event.round),
				stragglers: new Set([...state.stragglers].filter((site) => site !== event.site)),
				lateUpdates: new Map([...state.lateUpdates, [event.site, event]]),
			};
		case "round.failed":
			return withOpen(state, event.round, (open) => ({ ...open, isGivenUp: true }));
		case "round.accepted":
			return withOpen(state, event.round, (open) => ({ ...open, accepted: event }));
		case "round.aggregated":
			return {
				...state,
				round: event.round,
				weightsSha256: event.weightsSha256,
				weightsAt: event.at,
				weightsHistory: [...state.weightsHistory, event.weightsSha256],
				strategyState: event.strategyState,
				slotsSha256: event.slotsSha256,
				evaluations: new Map(),
				evaluationFailures: new Set(),
				isEvaluated: false,
				open: null,
			};
		case "site.evaluated":
			return { ...state, evaluations: new Map([...state.evaluations, [event.site, event]]) };
		case "round.evaluated":
			return { ...state, isEvaluated: true };
		case "run.completed":
			return { ...state, isCompleted: true };
		case "run.resumed":
			return withOpen(state, event.round, (open) => withoutUpdates(open, event.lostUpdates));
		case "run.waiting":
		case "run.failed":
		case "run.stopped":
		case "site.joined":
		case "site.left":
		case "site.stalled":
		case "task.sent":
		case "task.progress":
		case "update.clipped":
		case "updates.compared":
			break;
	}
	return state;
}

/** The state after a whole log. */
export function replayRun(events: Iterable<RoundEvent>): RunState {
	let state = INITIAL_STATE;
	for (const event of events) state = reduceRun(state, event);
	return state;
}

function openRound(state: RunState, round: number, event: RoundStarted): OpenRound {
	const { at, attempt, sites, proximalMu } = event;
	const updates = state.open?.round === round ? state.open.updates : new Map<string, UpdateReceived>();
	const nothingYet = { failed: new Set<string>(), isGivenUp: false, isClosed: false, accepted: null };
	return { round, at, attempt, sites, proximalMu, updates, ...nothingYet };
}

/** The open round goes on without these sites. */
function withReleased(state: RunState, sites: readonly string[]): RunState {
	const { open, released } = state;
	const stragglers = new Set(sites);
	if (open === null) return { ...state, stragglers };
	const { round, at, attempt, proximalMu } = open;
	const added = sites.map((site) => [site, { round, at, attempt, proximalMu }] as const);
	return { ...state, stragglers, released: new Map([...released, ...added]) };
}

/** The site has answered; with `round`, only when it was the task of that one. */
function withoutReleased(state: RunState, site: string, round?: number): RunState {
	const task = state.released.get(site);
	if (task === undefined || (round !== undefined && round !== task.round)) return state;
	return { ...state, released: new Map([...state.released].filter(([name]) => name !== site)) };
}

function withOpen(state: RunState, round: number, change: (open: OpenRound) => OpenRound): RunState {
	return state.open === null || state.open.round !== round ? state : { ...state, open: change(state.open) };
}

function withFailure(state: RunState, round: number, site: string): RunState {
	return withOpen(state, round, (open) => ({ ...open, failed: new Set([...open.failed, site]) }));
}

function withoutUpdates(open: OpenRound, lost: readonly string[]): OpenRound {
	if (lost.length === 0) return open;
	const updates = new Map([...open.updates].filter(([site]) => !lost.includes(site)));
	return { ...open, updates, accepted: null, isClosed: false };
}
