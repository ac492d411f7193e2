// `zk0 train` and `zk0 runs resume` on one of its runs: a training in a directory of its own, from its start or from
// its last checkpoint.
import { existsSync } from "node:fs";
import { mkdir, rm } from "node:fs/promises";
import { resolve } from "node:path";
import { type PrefixCache, parseLearning } from "@zk0/finetune";
import { type Checkpoint, openCheckpoint } from "@zk0/policy";
import { type RunPaths, type RunRecord, runPaths, withRunLock, writeRunRecord } from "@zk0/records";
import { CliError } from "../cli-error.ts";
import type { RunConfig } from "../config/presets.ts";
import type { ResolvedConfig } from "../config/resolve.ts";
import type { Host } from "../host.ts";
import type { Output } from "../output.ts";
import { createReporter } from "../progress/reporter.ts";
import { cacheDirectory } from "../recordings/recording-cache.ts";
import { type OpenedSite, openSites } from "../simulation/open-sites.ts";
import { newRunId, recordedConfig, recordOf, requireSameData } from "../simulation/recorded-run.ts";
import { openRunCache, type RunCache } from "../simulation/run-cache.ts";
import { type LocatedPlan, locatePlans, planSites } from "../simulation/site-plans.ts";
import { writeStartCheckpoint } from "../simulation/start-model.ts";
import { recordedResult } from "./recorded-result.ts";
import { type SiteTrainingResult, trainSite } from "./train-site.ts";

/** The surroundings of a training. */
export interface TrainingContext {
	readonly host: Host;
	readonly output: Output;
}

/** Settings of a training beyond those of a run. */
export type TrainingSettings = NonNullable<RunRecord["training"]>;

/** A training's record. */
export type TrainingRecord = RunRecord & { readonly training: TrainingSettings };

/** Starts a new training of the one site in `config.data`. */
export async function startTraining(
	resolved: ResolvedConfig,
	training: TrainingSettings,
	{ host, output }: TrainingContext,
): Promise<SiteTrainingResult> {
	const { config } = resolved;
	const plans = await locatePlans(planSites(config), { host, output });
	const paths = runPaths(resolve(host.cwd, config.out), newRunId(host));
	await mkdir(paths.root, { recursive: true });
	return await withRunLock(paths.lock, async () => {
		try {
			await writeStartCheckpoint(paths.globalCheckpoint(0), config, host);
			using base = await openCheckpoint(paths.globalCheckpoint(0), { hub: host });
			return await onSite(config, { plans, base, host, output }, async ({ opened, kept, reporter }) => {
				const parts = { paths, base, opened: [opened], reporter, host };
				const record = {
					...(await recordOf({ ...resolved, config: kept.config }, parts)),
					training,
				};
				await writeRunRecord(paths.config, record);
				return await work({ paths, record, base, opened, cache: kept.cache, reporter, host });
			});
		} finally {
			// Before its record is written there is nothing that could be resumed.
			if (!existsSync(paths.config)) await rm(paths.root, { recursive: true, force: true });
		}
	});
}

/**
 * Goes on with a training from its last checkpoint; of one that is completed only the result is read.
 * @throws CliError "run-not-resumable" when its data have changed
 */
export async function resumeTraining(
	paths: RunPaths,
	record: TrainingRecord,
	{ host, output }: TrainingContext,
): Promise<SiteTrainingResult> {
	const completed = await recordedResult(paths);
	if (completed !== null) return completed;
	const data = Object.fromEntries(record.sites.map(({ name, uri }) => [name, uri]));
	const config = { ...recordedConfig(record, paths), data };
	const plans = await locatePlans(planSites(config), { host, output });
	return await withRunLock(paths.lock, async () => {
		using base = await openCheckpoint(paths.globalCheckpoint(0), { hub: host });
		return await onSite(config, { plans, base, host, output }, async ({ opened, kept, reporter }) => {
			requireSameData(opened, record);
			return await work({ paths, record, base, opened, cache: kept.cache, reporter, host });
		});
	});
}

interface Place extends TrainingContext {
	readonly plans: readonly LocatedPlan[];
	readonly base: Checkpoint;
}

/** What is open while a training runs. */
interface OpenParts {
	readonly opened: OpenedSite;
	readonly kept: RunCache;
	readonly reporter: ReturnType<typeof createReporter>;
}

/** Opens the one site of `config` and its cache for `use`. */
async function onSite<Result>(
	config: RunConfig,
	{ plans, base, host, output }: Place,
	use: (parts: OpenParts) => Promise<Result>,
): Promise<Result> {
	const sites = plans.map(({ name }) => name);
	using reporter = createReporter({ stream: output.people, host, sites, rounds: 1 });
	const cacheDir = cacheDirectory(host.env);
	await using opened = await openSites(plans, {
		config,
		policy: base,
		cacheDir,
		reporter,
		signal: host.signal,
	});
	const [first] = opened.sites;
	if (first === undefined) throw new RangeError("train: no site was opened");
	const { model } = base;
	await using kept = await openRunCache({ config, model, sites: [first.site], cacheDir, reporter });
	return await use({ opened: first, kept, reporter });
}

interface Work {
	readonly paths: RunPaths;
	readonly record: TrainingRecord;
	readonly base: Checkpoint;
	readonly opened: OpenedSite;
	readonly cache: PrefixCache | null;
	readonly reporter: ReturnType<typeof createReporter>;
	readonly host: Host;
}

async function work({
	paths,
	record,
	base,
	opened,
	cache,
	reporter,
	host,
}: Work): Promise<SiteTrainingResult> {
	const { machine, training } = record;
	const seed = record.config["seed"];
	if (typeof seed !== "number") throw new CliError("run-damaged", `${paths.config}: "seed" is not a number`);
	return await trainSite({
		paths,
		base,
		site: opened.site,
		cache,
		learning: parseLearning(record.learning),
		training,
		seed,
		threads: machine.threads,
		device: machine.device,
		microBatch: machine.microBatch,
		reporter,
		now: () => host.now(),
		signal: host.signal,
	});
}
