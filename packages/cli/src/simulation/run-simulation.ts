// `zk0 simulate` and `zk0 runs resume`: a new run from a configuration, or an old one from its directory.
import { existsSync } from "node:fs";
import { mkdir, rm } from "node:fs/promises";
import { arch, cpus, platform } from "node:os";
import { resolve } from "node:path";
import { sha256File } from "@zk0/arrays/node";
import { openDataset } from "@zk0/dataset";
import { type Checkpoint, openCheckpoint, weightsPath } from "@zk0/policy";
import { CliError } from "../cli-error.ts";
import type { RunConfig } from "../config/presets.ts";
import { parseConfig, type ResolvedConfig, resolveConfig } from "../config/resolve.ts";
import type { Host } from "../host.ts";
import type { Output } from "../output.ts";
import { createReporter, type RunReporter } from "../progress/reporter.ts";
import { cacheDirectory } from "../recordings/recording-cache.ts";
import { type RunPaths, runPaths } from "../run-directory/paths.ts";
import { withRunLock } from "../run-directory/run-lock.ts";
import { type RunRecord, readRunRecord, writeRunRecord } from "../run-directory/run-record.ts";
import { VERSION } from "../version.ts";
import { type FederationEnd, federate } from "./federate.ts";
import { learningOf, machineChoices } from "./federation-options.ts";
import { type OpenedSite, type OpenedSites, openSites } from "./open-sites.ts";
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
	const plans = await locatePlans(planSites(config), context);
	for (const { located } of plans) {
		if (located !== null)
			await openDataset(located.dir, { selection: located.selection, signal: host.signal });
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
	const record = await recordOf(resolved, { paths, base, opened: opened.sites, host });
	await writeRunRecord(paths.config, record);
	const end = await federate({
		paths,
		record,
		config,
		base,
		sites: opened.sites,
		reporter,
		signal: host.signal,
	});
	return { ...end, paths };
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
		const end = await federate({
			paths,
			record,
			config,
			base,
			sites: opened.sites,
			reporter,
			signal: host.signal,
		});
		return { ...end, paths };
	});
}

function requireSameData({ plan, fingerprint }: OpenedSite, record: RunRecord): void {
	if (record.sites.find(({ name }) => name === plan.name)?.fingerprint === fingerprint) return;
	throw new CliError("run-not-resumable", `the data of ${plan.name} at ${plan.uri} have changed`, {
		cure: "put the recordings back as they were, or start a new run",
	});
}

/** The configuration in a run's record; settings that were left open are absent from its JSON or null. */
function recordedConfig(record: RunRecord, paths: RunPaths): RunConfig {
	const given = Object.fromEntries(Object.entries(record.config).filter(([, value]) => value !== null));
	return resolveConfig(parseConfig(given, paths.config), {}).config;
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

/** `20261123-1244-beef`: sorts by time. */
export function newRunId(host: Host): string {
	const stamp = new Date(host.now()).toISOString().replaceAll(/[-:]/g, "");
	return `${stamp.slice(0, 8)}-${stamp.slice(9, 13)}-${host.randomId()}`;
}

async function recordOf(
	{ config, sources }: ResolvedConfig,
	run: {
		readonly paths: RunPaths;
		readonly base: Checkpoint;
		readonly opened: readonly OpenedSite[];
		readonly host: Host;
	},
): Promise<RunRecord> {
	const { paths, base, opened, host } = run;
	const processors = cpus();
	return {
		format: "zk0-run-1",
		runId: paths.id,
		createdAt: new Date(host.now()).toISOString(),
		config: { ...config, imageSize: [...config.imageSize] },
		sources,
		sites: opened.map(({ plan, site, fingerprint }) => ({
			name: plan.name,
			uri: plan.uri,
			dataset: site.data.dataset.root,
			fingerprint,
			cameras: Object.fromEntries(site.data.cameraMap),
		})),
		learning: { ...learningOf(config, base.config), betas: [...learningOf(config, base.config).betas] },
		initial: {
			from: config.init,
			modelSha256: await sha256File(weightsPath(base.directory)),
		},
		machine: {
			...(await machineChoices(config, { signal: host.signal })),
			zk0: VERSION,
			node: process.version,
			platform: `${platform()} ${arch()}`,
			cpu: processors[0]?.model ?? "unknown",
			cores: processors.length,
		},
	};
}
