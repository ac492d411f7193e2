// The benchmarks by name; each returns one JSON document.
import { runAggregateBench } from "./aggregate.ts";
import { runCacheBench } from "./cache.ts";
import { runDashboardBench } from "./dashboard.ts";
import { runFederateFullBench, runSitesFullBench } from "./federate-full.ts";
import { benchLearn } from "./learn.ts";
import { runLoraBench } from "./lora.ts";
import { runNetworkBench } from "./network.ts";
import { runNewcomerBench } from "./newcomer.ts";
import { runReaderBench } from "./reader.ts";
import { benchSim } from "./sim.ts";
import { runStepBench } from "./step.ts";

/** Options from the command line. */
export interface BenchmarkOptions {
	readonly preset?: string;
	/** Weights to measure with, where a benchmark takes a checkpoint. */
	readonly checkpoint?: string;
	/** Parts to run, where a benchmark has parts; none: all. */
	readonly parts: readonly string[];
}

/** Benchmarks by name. */
export const benchmarks: Readonly<Record<string, (options: BenchmarkOptions) => Promise<unknown>>> = {
	aggregate: () => runAggregateBench(),
	step: (options) => runStepBench(options),
	lora: ({ checkpoint }) => runLoraBench(checkpoint === undefined ? {} : { checkpoint }),
	cache: ({ checkpoint }) => runCacheBench(checkpoint === undefined ? {} : { checkpoint }),
	reader: () => runReaderBench(),
	dashboard: ({ parts }) => runDashboardBench(parts),
	newcomer: ({ parts }) => runNewcomerBench(parts),
	network: ({ parts }) => runNetworkBench(parts),
	sim: () => benchSim(),
	learn: () => benchLearn(),
	"federate-full": (options) => runFederateFullBench(options),
	"sites-full": (options) => runSitesFullBench(options),
};
