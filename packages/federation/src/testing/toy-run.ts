// A whole toy federation for tests, in a directory that can be resumed from.

import { join } from "node:path";
import { writeSafetensorsFile } from "@zk0/arrays/node";
import { type Clock, systemClock } from "../clock.ts";
import { openEventLog } from "../event-log.ts";
import type { RoundEvent } from "../events.ts";
import { type SimulationOptions, simulate } from "../simulation.ts";
import { fedAvg } from "../strategies/fedavg.ts";
import { toyApp, toyWeights } from "./toy-app.ts";

/** Names of the toy sites, sorted. */
export const SITES: readonly string[] = ["ann", "bob", "cyd", "dan"];

/** Events of three rounds over four sites in `dir`, with changes; consumed by the test. */
export async function* simulateToy(
	dir: string,
	changes: Partial<SimulationOptions> = {},
	weightsPath?: string,
): AsyncGenerator<RoundEvent, void> {
	const initialWeightsPath = weightsPath ?? join(dir, "initial.safetensors");
	if (weightsPath === undefined) await writeSafetensorsFile(initialWeightsPath, toyWeights());
	await using log = await openEventLog(join(dir, "events.jsonl"));
	yield* simulate({
		runId: "run",
		seed: 7,
		numRounds: 3,
		numLocalSteps: 10,
		learning: { batch: 1 },
		strategy: fedAvg(),
		sites: SITES.map((site) => ({ site, app: toyApp(site) })),
		minSites: 2,
		concurrency: 4,
		...changes,
		initialWeightsPath,
		log,
		dir,
	});
}

/** The events of one kind. */
export function ofKind<K extends RoundEvent["kind"]>(
	events: readonly RoundEvent[],
	kind: K,
): Extract<RoundEvent, { kind: K }>[] {
	return events.filter((event): event is Extract<RoundEvent, { kind: K }> => event.kind === kind);
}

/** The first event of one kind. @throws RangeError with the last event when there is none. */
export function theKind<K extends RoundEvent["kind"]>(
	events: readonly RoundEvent[],
	kind: K,
): Extract<RoundEvent, { kind: K }> {
	const [found] = ofKind(events, kind);
	if (found === undefined)
		throw new RangeError(`no ${kind}; the last event is ${JSON.stringify(events.at(-1))}`);
	return found;
}

/** Pauses a hundred times shorter; the time of day runs as usual. */
export function hurriedClock(): Clock {
	const clock = systemClock();
	return { now: () => clock.now(), sleep: (ms, options) => clock.sleep(ms / 100, options) };
}
