// `zk0 simulate` and `zk0 runs resume`: a new run from a configuration, or an old one from its directory.
import { existsSync } from "node:fs";
import { mkdir, rm } from "node:fs/promises";
import { resolve } from "node:path";
import { openDataset } from "@zk0/dataset";
import { type Checkpoint, openCheckpoint } from "@zk0/policy";
import { type RunPaths, readRunRecord, runPaths, withRunLock, writeRunRecord } from "@zk0/records";
import type { RunConfig } from "../config/presets.ts";
import type { ResolvedConfig } from "../config/resolve.ts";
import type { Host } from "../host.ts";
import type { Output } from "../output.ts";
import { createReporter, type RunReporter } from "../progress/reporter.ts";
import { cacheDirectory } from "../recordings/recording-cache.ts";
import type { FederationEnd } from "./federate.ts";
import { type OpenedSites, openSites } from "./open-sites.ts";
import { dividePlans } from "./partition-plan.ts";
import { newRunId, recordedConfig, recordOf, requireSameData } from "./recorded-run.ts";
import { openRunCache, type RunCache } from "./run-cache.ts";
import { federateHere } from "./simulate-sites.ts";
import { type LocatedPlan, locatePlans, planSites } from "./site-plans.ts";
import { writeStartCheckpoint } from "./start-model.ts";

/** A finished simulation. */
export interface FinishedRun extends FederationEnd {
	readonly paths: RunPaths;
}

/** The surroundings of a simulation. */
export interface SimulationContext {
	readonly host: Host;
	readonly output: Output;
}

/** Starts a new run. */
export async function startRun(resolved: ResolvedConfig, context: SimulationContext): Promise<FinishedRun> {
	const { host } = context;
	const { config } = resolved;
	const located = await locatePlans(planSites(config), context);
	const plans = await dividePlans(located, config.partition, { seed: config.seed, signal: host.signal });
	for (const { located: found } of plans) {
		if (found !== null) await openDataset(found.dir, { selection: found.selection, signal: host.signal });
	}
	const paths = runPaths(resolve(host.cwd, config.out), newRunId(host));
	await mkdir(paths.root, { recursive: true });
	return await withRunLock(paths.lock, async () => {
		try {
			return await recordAndFederate(resolved, { plans, paths }, context);
		} finally {
			// Before its record is written there is nothing that could be resumed.
			if (!existsSync(paths.config)) await rm(paths.root, { recursive: true, force: true });
		}
	});
}

async function recordAndFederate(
	resolved: ResolvedConfig,
	{ plans, paths }: { readonly plans: readonly LocatedPlan[]; readonly paths: RunPaths },
	context: SimulationContext,
): Promise<FinishedRun> {
	const { host } = context;
	const { config } = resolved;
	const initialDir = paths.globalCheckpoint(0);
	await writeStartCheckpoint(initialDir, config, host);
	using base = await openCheckpoint(initialDir, { hub: host });
	using reporter = reporterFor(plans, config, context);
	await using opened = await openAll(plans, config, { base, reporter, host });
	await using kept = await openCache(config, { base, opened, reporter, host });
	const record = await recordOf(
		{ ...resolved, config: kept.config },
		{ paths, base, opened: opened.sites, reporter, host },
	);
	await writeRunRecord(paths.config, record);
	const { cache } = kept;
	const run = { paths, record, config, base, cache, sites: opened.sites, reporter, signal: host.signal };
	return { ...(await federateHere(run, host)), paths };
}

/**
 * Goes on with a run.
 * @throws CliError "run-not-resumable" when its data have changed or are gone
 */
export async function resumeRun(paths: RunPaths, context: SimulationContext): Promise<FinishedRun> {
	const { host } = context;
	const record = await readRunRecord(paths.config);
	const config = recordedConfig(record, paths);
	return await withRunLock(paths.lock, async () => {
		using base = await openCheckpoint(paths.globalCheckpoint(0), { hub: host });
		const data = Object.fromEntries(record.sites.map(({ name, uri }) => [name, uri]));
		const plans = await locatePlans(planSites({ ...config, data }), context);
		using reporter = reporterFor(plans, config, context);
		await using opened = await openAll(plans, config, { base, reporter, host });
		for (const site of opened.sites) requireSameData(site, record);
		await using kept = await openCache(config, { base, opened, reporter, host });
		const { cache } = kept;
		const run = { paths, record, config, base, cache, sites: opened.sites, reporter, signal: host.signal };
		return { ...(await federateHere(run, host)), paths };
	});
}

function reporterFor(
	plans: readonly LocatedPlan[],
	config: RunConfig,
	{ host, output }: SimulationContext,
): RunReporter {
	return createReporter({
		stream: output.people,
		host,
		sites: plans.map(({ name }) => name),
		rounds: config.rounds,
	});
}

function openAll(
	plans: readonly LocatedPlan[],
	config: RunConfig,
	{
		base,
		reporter,
		host,
	}: { readonly base: Checkpoint; readonly reporter: RunReporter; readonly host: Host },
): Promise<OpenedSites> {
	return openSites(plans, {
		config,
		policy: base,
		cacheDir: cacheDirectory(host.env),
		reporter,
		signal: host.signal,
	});
}

function openCache(
	config: RunConfig,
	run: {
		readonly base: Checkpoint;
		readonly opened: OpenedSites;
		readonly reporter: RunReporter;
		readonly host: Host;
	},
): Promise<RunCache> {
	return openRunCache({
		config,
		model: run.base.model,
		sites: run.opened.sites.map(({ site }) => site),
		cacheDir: cacheDirectory(run.host.env),
		reporter: run.reporter,
	});
}
