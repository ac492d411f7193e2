// What a run records of itself when it begins, and what a resumed run reads of it.
import { arch, cpus, platform } from "node:os";
import { sha256File } from "@zk0/arrays/node";
import { type Checkpoint, weightsPath } from "@zk0/policy";
import type { RunPaths, RunRecord } from "@zk0/records";
import { CliError } from "../cli-error.ts";
import { parseConfig } from "../config/config-file.ts";
import type { RunConfig } from "../config/presets.ts";
import { type ResolvedConfig, resolveConfig } from "../config/resolve.ts";
import type { Host } from "../host.ts";
import { chooseMicroBatch } from "../machine/choose-micro-batch.ts";
import type { RunReporter } from "../progress/reporter.ts";
import { VERSION } from "../version.ts";
import { learningOf, machineChoices } from "./federation-options.ts";
import type { OpenedSite } from "./open-sites.ts";

/** Demands the recordings that the run began with. @throws CliError "run-not-resumable" */
export function requireSameData({ plan, fingerprint }: OpenedSite, record: RunRecord): void {
	if (record.sites.find(({ name }) => name === plan.name)?.fingerprint === fingerprint) return;
	throw new CliError("run-not-resumable", `the data of ${plan.name} at ${plan.uri} have changed`, {
		cure: "put the recordings back as they were, or start a new run",
	});
}

/** The configuration in a run's record; settings that were left open are absent from its JSON or null. */
export function recordedConfig(record: RunRecord, paths: RunPaths): RunConfig {
	const given = Object.fromEntries(Object.entries(record.config).filter(([, value]) => value !== null));
	return resolveConfig(parseConfig(given, paths.config), {}).config;
}

/** `20261123-1244-beef`: sorts by time. */
export function newRunId(host: Host): string {
	const stamp = new Date(host.now()).toISOString().replaceAll(/[-:]/g, "");
	return `${stamp.slice(0, 8)}-${stamp.slice(9, 13)}-${host.randomId()}`;
}

/** What a record is made of, besides the configuration. */
export interface RecordedParts {
	readonly paths: RunPaths;
	readonly base: Checkpoint;
	readonly opened: readonly OpenedSite[];
	readonly reporter: Pick<RunReporter, "note">;
	readonly host: Host;
}

/** The record of a run that begins. @throws FinetuneError "memory-pressure" when it does not fit this machine */
export async function recordOf(
	{ config, sources }: ResolvedConfig,
	{ paths, base, opened, reporter, host }: RecordedParts,
): Promise<RunRecord> {
	const processors = cpus();
	const choices = await machineChoices(config, { signal: host.signal });
	const { concurrency } = choices;
	const sites = opened.map(({ site }) => site);
	// The sites of a server train on their own machines, which choose for themselves.
	// The sites of a server train on machines of their own.
	const planned =
		sites.length === 0
			? { microBatch: null }
			: recordedPlan(chooseMicroBatch({ config, model: base.model, sites, concurrency, reporter }));
	return {
		format: "zk0-run-1",
		runId: paths.id,
		createdAt: new Date(host.now()).toISOString(),
		config: {
			...config,
			imageSize: [...config.imageSize],
			heldOut: typeof config.heldOut === "number" ? config.heldOut : [...config.heldOut],
		},
		sources,
		sites: opened.map(({ plan, site, fingerprint }) => ({
			name: plan.name,
			uri: plan.uri,
			dataset: site.data.dataset.root,
			fingerprint,
			cameras: Object.fromEntries(site.data.cameraMap),
		})),
		privacy: config.clipNorm === null ? "none" : "clipped",
		learning: { ...learningOf(config, base.config), betas: [...learningOf(config, base.config).betas] },
		initial: {
			from: config.init,
			modelSha256: await sha256File(weightsPath(base.directory)),
		},
		machine: {
			...choices,
			...planned,
			zk0: VERSION,
			node: process.version,
			platform: `${platform()} ${arch()}`,
			cpu: processors[0]?.model ?? "unknown",
			cores: processors.length,
		},
	};
}

function recordedPlan({ microBatch, ...memory }: ReturnType<typeof chooseMicroBatch>) {
	return { microBatch, memory };
}
