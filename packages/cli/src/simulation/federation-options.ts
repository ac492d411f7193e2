// From settings to what the federation and its sites take.
import { availableParallelism } from "node:os";
import { chooseDevice, type Device } from "@zk0/autodiff/node";
import { fedAvg, fedProx, type RoundsOptions, type Strategy } from "@zk0/federation";
import { defaultLearning, type Learning } from "@zk0/finetune";
import type { SmolVLAConfig } from "@zk0/policy";
import type { RunPaths, RunRecord } from "@zk0/records";
import type { RunConfig } from "../config/presets.ts";

/** The strategy of a run. */
export function strategyOf(
	config: Pick<RunConfig, "strategy" | "proximalMu" | "siteFraction" | "minSites">,
): Strategy {
	const sampling = { fraction: config.siteFraction, minSites: config.minSites };
	return config.strategy === "fedavg" ? fedAvg(sampling) : fedProx({ ...sampling, mu: config.proximalMu });
}

/** What a run's record says of its rounds, whoever its sites are and however they are reached. */
export type RecordedRounds = Omit<RoundsOptions, "grid" | "store" | "clock" | "log" | "signal">;

/** The rounds of a recorded run, whose settings are `config`. */
export function roundsOf(
	config: RunConfig,
	{ paths, record }: { readonly paths: RunPaths; readonly record: RunRecord },
): RecordedRounds {
	const { roundDeadline } = config;
	return {
		runId: paths.id,
		seed: config.seed,
		numRounds: config.rounds,
		numLocalSteps: config.localSteps,
		learning: record.learning,
		updateDtype: config.updateDtype,
		strategy: strategyOf(config),
		initialWeightsPath: paths.initialWeights,
		minSites: config.minSites,
		quorum: config.quorum,
		roundDeadlineMs: roundDeadline === null ? null : Math.ceil(roundDeadline * 1000),
		stallAfterMs: Math.ceil(config.stallAfter * 1000),
		clipNorm: config.clipNorm,
	};
}

/** The settings behind the hyper-parameters of local training. */
export type LearningSettings = Pick<
	RunConfig,
	"batchSize" | "learningRate" | "warmupSteps" | "keepOptimizerState"
>;

/** Hyper-parameters of local training; what the settings leave open is the policy's own. */
export function learningOf(settings: LearningSettings, policy: SmolVLAConfig): Learning {
	const own = defaultLearning(policy);
	const peakLr = settings.learningRate ?? own.peakLr;
	return {
		...own,
		batchSize: settings.batchSize,
		peakLr,
		// The end of the cosine keeps its distance from the peak.
		decayLr: own.decayLr * (peakLr / own.peakLr),
		warmupSteps: settings.warmupSteps ?? own.warmupSteps,
		keepOptimizerState: settings.keepOptimizerState,
	};
}

/** What the machine at hand decides where the settings leave it open. */
export interface MachineChoices {
	/** Sites at work at the same time; never changes the result. */
	readonly concurrency: number;
	/** Compute threads of each. */
	readonly threads: number;
	/** What computes. */
	readonly device: Device;
}

/** The choices for this machine. @throws AutodiffError "no-device" when the wanted device does not work here. */
export async function machineChoices(
	config: Pick<RunConfig, "threads" | "device" | "concurrency" | "sites">,
	options: { signal?: AbortSignal } = {},
): Promise<MachineChoices> {
	const cores = availableParallelism();
	const concurrency = Math.min(config.concurrency ?? cores, config.sites);
	const { device } = await chooseDevice(config.device, options);
	return { concurrency, threads: config.threads ?? Math.max(1, Math.floor(cores / concurrency)), device };
}
