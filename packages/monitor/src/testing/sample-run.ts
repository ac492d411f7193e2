// Events of made-up runs, for tests: each function appends what happened, a second apart.
import type { RoundEvent } from "@zk0/federation";
import type { NodeView, Observation } from "../view/observation.ts";
import { applyToRun, type RunView } from "../view/run-view.ts";

/** When made-up runs start. */
export const START_MS: number = Date.UTC(2026, 10, 23, 12);

/** A union member without the time, which the script gives. */
type Untimed = RoundEvent extends infer E ? (E extends RoundEvent ? Omit<E, "at"> : never) : never;

/** Events in the making. */
export interface Script {
	readonly events: RoundEvent[];
	/** Time of the last event. */
	nowMs(): number;
	/** Lets time pass. */
	pass(ms: number): Script;
	add(...events: Untimed[]): Script;
	/** A round of training in which every site delivers, and its evaluation. */
	round(round: number, loss: number, sites?: readonly string[]): Script;
	view(): RunView;
}

/** A hash for tests. */
export const HASH: string = "0".repeat(64);

/** A run of three rounds that has begun with `sites`. */
export function script(sites: readonly string[] = ["attic", "barn", "cellar"]): Script {
	let nowMs = START_MS;
	const events: RoundEvent[] = [];
	const made: Script = {
		events,
		nowMs: () => nowMs,
		pass(ms) {
			nowMs += ms;
			return made;
		},
		add(...more) {
			for (const event of more) {
				nowMs += 1000;
				events.push({ ...event, at: new Date(nowMs).toISOString() });
			}
			return made;
		},
		round(round, loss, who = sites) {
			made.add({ kind: "round.started", round, attempt: 1, sites: who, proximalMu: 0 });
			for (const site of who) made.add({ kind: "task.sent", round, phase: "train", site });
			for (const site of who) made.add(update(round, site));
			made.add(
				compared(
					round,
					who.map((site) => ({ site, norm: 2, alignment: 0.5 })),
				),
				{ kind: "round.accepted", round, updates: [] },
				{
					kind: "round.aggregated",
					round,
					weightsSha256: HASH,
					strategyState: null,
					slotsSha256: null,
					numUpdates: who.length,
					seconds: 0.5,
				},
			);
			for (const site of who) made.add({ kind: "task.sent", round, phase: "evaluate", site });
			for (const site of who)
				made.add({ kind: "site.evaluated", round, site, loss, numSamples: 10, metrics: {} });
			return made.add({
				kind: "round.evaluated",
				round,
				loss,
				perSite: {},
				bytesUp: null,
				bytesDown: null,
			});
		},
		view() {
			const folded = events.reduce<RunView | null>(applyToRun, null);
			if (folded === null) throw new RangeError("no events");
			return folded;
		},
	};
	return made.add({
		kind: "run.started",
		runId: "run-1",
		seed: 1,
		numRounds: 3,
		numLocalSteps: 10,
		strategy: { name: "fedavg", options: {} },
		learning: {},
		updateDtype: "float32",
		privacy: "none",
		clipNorm: null,
		weightsSha256: HASH,
		weightsSizeBytes: 16,
	});
}

/** An accepted update. */
export function update(round: number, site: string): Extract<Untimed, { kind: "update.received" }> {
	return {
		kind: "update.received",
		round,
		site,
		sha256: HASH,
		sizeBytes: 1000,
		numSamples: 80,
		metrics: { loss: 0.25, heldOutLoss: 0.3, samplesPerSecond: 40 },
		norm: null,
		signed: null,
	};
}

/** How updates lie to each other. */
export function compared(
	round: number,
	sites: Extract<Untimed, { kind: "updates.compared" }>["sites"],
): Extract<Untimed, { kind: "updates.compared" }> {
	return { kind: "updates.compared", round, numElements: 4, numTotal: 4, sites, cosines: null };
}

/** An approved site that is online. */
export function node(site: string, nowMs: number, changes: Partial<NodeView> = {}): NodeView {
	return {
		site,
		state: "approved",
		isOnline: true,
		lastSeenMs: nowMs - 1000,
		offlineSinceMs: null,
		numSamples: 400,
		...changes,
	};
}

/** A healthy moment of a run, with changes. */
export function observation(run: RunView | null, changes: Partial<Observation> = {}): Observation {
	const nowMs = changes.nowMs ?? (run === null ? START_MS : run.heardMs + 1000);
	return {
		nowMs,
		run,
		nodes: [...(run?.sites.keys() ?? [])].map((site) => node(site, nowMs)),
		machine: {
			disk: { freeBytes: 5e11, totalBytes: 1e12 },
			certificateEndsMs: nowMs + 300 * 24 * 3600 * 1000,
			numConnections: 3,
		},
		runs: { running: 1 },
		...changes,
	};
}
