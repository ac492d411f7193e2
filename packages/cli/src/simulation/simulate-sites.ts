// The sites of a run in this process: engines that they share, and the production client and server over memory.
import { createOrtRuntime } from "@zk0/autodiff/node";
import { type RoundEvent, type SimulatedSite, simulate } from "@zk0/federation";
import {
	createFinetuneApp,
	createPolicyEngine,
	createPool,
	type PolicyEngine,
	type Pool,
	type PrefixCache,
} from "@zk0/finetune";
import { traceClient } from "@zk0/monitor/traces";
import type { PolicyModel } from "@zk0/policy";
import type { Host } from "../host.ts";
import { watchedMicroBatching } from "../machine/choose-micro-batch.ts";
import { openTraces } from "../network/open-traces.ts";
import { type Federation, type FederationEnd, federate, type ReadyRounds } from "./federate.ts";
import { tracedRun } from "./traced-run.ts";

/** A run with all its sites here. */
export interface LocalFederation extends Required<Federation> {
	/** Null when nothing is kept. */
	readonly cache: PrefixCache | null;
}

/** Runs to the end, traced where the environment names a collector. @throws as `federate` */
export async function federateHere(federation: LocalFederation, host: Host): Promise<FederationEnd> {
	const { paths, reporter } = federation;
	await using traces = await openTraces("zk0-simulate", host, (message) =>
		reporter.note(`warning: ${message}`),
	);
	const traced = tracedRun(paths.id, traces, reporter);
	const watcherOf = (site: string): Pick<SimulatedSite, "onEvent"> =>
		traces === null ? {} : { onEvent: traceClient(site, traces.emit, () => host.now()) };
	return await federate({ ...federation, reporter: traced.reporter }, (rounds) =>
		startSimulation(federation, { ...rounds, ...traced.begin(rounds.log.events) }, watcherOf),
	);
}

async function createEngines(
	model: PolicyModel,
	{ record, cache }: LocalFederation,
): Promise<Pool<PolicyEngine>> {
	const engines: PolicyEngine[] = [];
	const { concurrency, threads, device } = record.machine;
	for (let index = 0; index < concurrency; index++) {
		engines.push(createPolicyEngine(await createOrtRuntime({ threads, device }), model, cache));
	}
	return createPool(engines);
}

async function* startSimulation(
	federation: LocalFederation,
	rounds: ReadyRounds,
	watcherOf: (site: string) => Pick<SimulatedSite, "onEvent">,
): AsyncGenerator<RoundEvent, void> {
	const { paths, record, config, base, sites, reporter } = federation;
	const { evalLocal } = config;
	await using pool = await createEngines(base.model, federation);
	// Sites share engines, so they share what a shrunk micro-batch is; updates record the size they were made with.
	const microBatching = watchedMicroBatching(record.machine.microBatch, ({ site, from, to, why }) => {
		reporter.note(`${site}: micro-batch ${from} → ${to}, the batch stays: ${why}`);
	});
	yield* simulate({
		...rounds,
		dir: paths.federation,
		sites: sites.map(({ site }) => ({
			site: site.data.name,
			...watcherOf(site.data.name),
			app: createFinetuneApp({ site, pool, stateDir: paths.siteState, microBatching, evalLocal }),
		})),
		concurrency: record.machine.concurrency,
	});
}
