import { join } from "node:path";
import { writeSafetensorsFile } from "@zk0/arrays/node";
import { describe, expect, test } from "vitest";
import { openEventLog } from "./event-log.ts";
import type { RoundEvent } from "./events.ts";
import { type SimulationOptions, simulate } from "./simulation.ts";
import { fedAvg } from "./strategies/fedavg.ts";
import { fedProx } from "./strategies/fedprox.ts";
import { temporaryDir, toyApp, toyWeights } from "./toy-app.fixture.ts";

const NAMES = ["ann", "bob", "cyd", "dan"];

type Changes = Partial<Omit<SimulationOptions, "log" | "dir" | "initialWeightsPath">>;

/** Runs a toy federation to its end in a directory of its own. */
async function run(changes: Changes = {}): Promise<RoundEvent[]> {
	await using dir = await temporaryDir();
	const initialWeightsPath = join(dir.path, "initial.safetensors");
	await writeSafetensorsFile(initialWeightsPath, toyWeights());
	await using log = await openEventLog(join(dir.path, "events.jsonl"));
	const events: RoundEvent[] = [];
	const options: SimulationOptions = {
		runId: "run",
		seed: 7,
		numRounds: 3,
		numLocalSteps: 10,
		learning: { batch: 1 },
		strategy: fedAvg(),
		sites: NAMES.map((site) => ({ site, app: toyApp(site) })),
		minSites: 2,
		concurrency: 4,
		...changes,
		initialWeightsPath,
		log,
		dir: dir.path,
	};
	for await (const event of simulate(options)) events.push(event);
	return events;
}

function ofKind<K extends RoundEvent["kind"]>(
	events: readonly RoundEvent[],
	kind: K,
): Extract<RoundEvent, { kind: K }>[] {
	return events.filter((event): event is Extract<RoundEvent, { kind: K }> => event.kind === kind);
}

describe("simulate", () => {
	test.each([fedAvg(), fedProx({ mu: 0.1 })])(
		"$name learns: the loss falls every round",
		async (strategy) => {
			const events = await run({ strategy });
			const losses = ofKind(events, "round.evaluated").map(({ loss }) => loss ?? Number.NaN);
			expect(losses).toHaveLength(4);
			expect(losses.at(-1)).toBeLessThan(0.2 * (losses[0] ?? 0));
			expect(ofKind(events, "round.accepted").every(({ updates }) => updates.length === 4)).toBe(true);
		},
	);
});
