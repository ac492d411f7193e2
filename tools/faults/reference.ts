// What a run must end at: the same federation in memory, undisturbed, in which exactly the accepted sites of each round
// hand in an update.
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type ClientApp, fedAvg, openEventLog, type RoundEvent, simulate } from "@zk0/federation";
import { toySite } from "../toy-federation/toy-site.ts";
import { NUM_ROUNDS, SITES } from "./stage.ts";

/** Sites whose updates were accepted, by round, as a log says. */
export function acceptedSets(events: readonly RoundEvent[]): ReadonlyMap<number, readonly string[]> {
	const sets = new Map<number, readonly string[]>();
	for (const event of events)
		if (event.kind === "round.accepted")
			sets.set(
				event.round,
				event.updates.map(({ site }) => site),
			);
	return sets;
}

/** Runs of the same accepted sets on the same weights, each computed once. */
export function references(): (
	initialWeightsPath: string,
	sets: ReadonlyMap<number, readonly string[]>,
	key: string,
) => Promise<string> {
	const known = new Map<string, Promise<string>>();
	return (initialWeightsPath, sets, key) => {
		const name = `${key} ${JSON.stringify([...sets])}`;
		const result = known.get(name) ?? inMemory(initialWeightsPath, sets);
		known.set(name, result);
		return result;
	};
}

async function inMemory(
	initialWeightsPath: string,
	sets: ReadonlyMap<number, readonly string[]>,
): Promise<string> {
	const dir = await mkdtemp(join(tmpdir(), "zk0-faults-reference-"));
	try {
		await using log = await openEventLog(join(dir, "events.jsonl"));
		const events = simulate({
			runId: "reference",
			seed: 1,
			numRounds: NUM_ROUNDS,
			numLocalSteps: 1,
			learning: null,
			strategy: fedAvg(),
			sites: SITES.map((site) => ({ site, app: onlyIn(sets, site) })),
			initialWeightsPath,
			log,
			dir,
			minSites: 1,
			concurrency: SITES.length,
		});
		for await (const event of events) if (event.kind === "run.completed") return event.weightsSha256;
		throw new RangeError("the run in memory did not end");
	} finally {
		await rm(dir, { recursive: true });
	}
}

/** A toy site that fails in the rounds in which it was not accepted. */
function onlyIn(sets: ReadonlyMap<number, readonly string[]>, site: string): ClientApp {
	const app = toySite(site);
	return {
		...app,
		train: (task, context) => {
			if (sets.get(task.round)?.includes(site) !== true) throw new RangeError("not accepted in this round");
			return app.train(task, context);
		},
	};
}
