// One configuration from four sources: flags win over variables of the environment, those over the file, the file over
// the preset. The result is complete,
// remembers where each value came from, and is what a run writes to its config.json.
import type { OptionValues } from "../arguments/option.ts";
import { CliError } from "../cli-error.ts";
import { parsePartition } from "../simulation/partition-scheme.ts";
import { PRESETS, type PresetName, type RunConfig, type RunDefaults } from "./presets.ts";
import { RUN_OPTIONS, type RunOptionName } from "./run-options.ts";

/** Settings that one source gives. */
export type Given = OptionValues<typeof RUN_OPTIONS>;

/** Where a value came from. */
export type ConfigSource = "flag" | "variable" | "file" | "preset";

/** A configuration and the source of each of its values. */
export interface ResolvedConfig {
	readonly config: RunConfig;
	readonly sources: Readonly<Record<RunOptionName, ConfigSource>>;
}

/** The settings of a run among the values of a command. */
export function pickRunOptions(values: Given): Given {
	return Object.fromEntries(Object.entries(values).filter(([key]) => Object.hasOwn(RUN_OPTIONS, key)));
}

/**
 * Combines the sources.
 * @throws CliError "bad-config" where values contradict each other.
 */
export function resolveConfig(flags: Given, file: Given, variables: Given = {}): ResolvedConfig {
	const preset: PresetName = flags.preset ?? variables.preset ?? file.preset ?? "small";
	const defaults: RunDefaults & { preset: PresetName } = { preset, ...PRESETS[preset] };
	const merged = { ...defaults, ...file, ...variables, ...flags };
	const { init } = merged;
	if (init === null) {
		throw new CliError("bad-config", `the preset "${preset}" has no start of its own`, {
			cure: "give --init <dir> with a SmolVLA checkpoint",
		});
	}
	const sourceOf = (key: string): ConfigSource =>
		key in flags ? "flag" : key in variables ? "variable" : key in file ? "file" : "preset";
	// Every row of the table is a key of `defaults`, so every key gets a source.
	const sources = Object.fromEntries(Object.keys(RUN_OPTIONS).map((key) => [key, sourceOf(key)])) as Record<
		RunOptionName,
		ConfigSource
	>;
	const config: RunConfig = { ...merged, init };
	checkAgreement(config, sources);
	const numSites = numSitesOf(config);
	// A preset's strength means nothing to fedavg; recorded, it would look like somebody's wish when the run is resumed.
	const proximalMu = config.strategy === "fedavg" ? 0 : config.proximalMu;
	return { config: { ...config, proximalMu, sites: numSites }, sources };
}

function numSitesOf({ data, partition, sites }: RunConfig): number {
	if (data === null) return sites;
	return Object.keys(data).length * (partition === null ? 1 : parsePartition(partition).clients);
}

function checkAgreement(config: RunConfig, sources: ResolvedConfig["sources"]): void {
	const { data, sites, strategy, minSites } = config;
	const numSites = numSitesOf(config);
	const complain = (message: string, cure: string): never => {
		throw new CliError("bad-config", message, { cure });
	};
	if (data !== null && numSites === 0) complain("no site has data", "give --data <site>=<uri>");
	if (data !== null && sources.sites !== "preset" && sites !== numSites) {
		complain(`--sites ${sites} does not match the ${numSites} sites of --data`, "leave --sites out");
	}
	if (data === null && config.partition !== null) {
		complain("--partition divides recordings and none are given", "give --data <name>=<dataset>");
	}
	if (strategy === "fedavg" && sources.proximalMu !== "preset" && config.proximalMu !== 0) {
		complain("--proximal-mu has no meaning with fedavg", "use --strategy fedprox or leave --proximal-mu out");
	}
	if (config.loraRank !== null && config.init === "random") {
		complain(
			"an adapter of random weights learns next to nothing",
			"give --init <dir>, or leave --lora-rank out",
		);
	}
	if (config.loraRank === null && config.loraAlpha !== null) {
		complain("--lora-alpha has no meaning without --lora-rank", "give --lora-rank <n> too");
	}
	const { batchSize, microBatch } = config;
	if (microBatch !== "auto" && batchSize % microBatch !== 0) {
		complain(
			`a batch of ${batchSize} is not made of micro-batches of ${microBatch}`,
			`give --micro-batch a number that divides ${batchSize}, or auto`,
		);
	}
	if (config.quorum !== null && config.quorum > minSites && sources.minSites !== "preset") {
		complain(
			`--quorum ${config.quorum} is more than --min-sites ${minSites}`,
			"a round starts with --min-sites sites",
		);
	}
	if (minSites > numSites) {
		complain(`--min-sites ${minSites} is more than the ${numSites} sites`, "lower it");
	}
}
