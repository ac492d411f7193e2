// The memory of a run, stated before it starts, and the micro-batch that fits it: chosen once, and recorded.
import {
	createMicroBatching,
	describeMemory,
	type MemoryPlan,
	type MicroBatching,
	type MicroBatchShrunk,
	planMemory,
	type Site,
} from "@zk0/finetune";
import type { PolicyModel } from "@zk0/policy";
import type { RunConfig } from "../config/presets.ts";
import type { RunReporter } from "../progress/reporter.ts";
import { availableMemory } from "./available-memory.ts";

/** Below this much free memory, micro-batches shrink. */
const MARGIN_BYTES = 192 * 2 ** 20;

/** What is chosen for. */
export interface MicroBatchChoice {
	readonly config: Pick<RunConfig, "batchSize" | "microBatch" | "strategy" | "proximalMu">;
	readonly model: PolicyModel;
	readonly sites: readonly Site[];
	/** Sites that work at the same time. */
	readonly concurrency: number;
	readonly reporter: Pick<RunReporter, "note">;
}

/**
 * Plans the memory, for the site with the most cameras, and says so in one line.
 * @throws FinetuneError "memory-pressure" when it does not fit
 */
export function chooseMicroBatch({
	config,
	model,
	sites,
	concurrency,
	reporter,
}: MicroBatchChoice): MemoryPlan {
	const cameras = sites.map(({ data }) => [...data.cameraMap.values()]);
	const [most = []] = cameras.sort((a, b) => b.length - a.length);
	const plan = planMemory({
		model,
		cameras: most,
		batchSize: config.batchSize,
		microBatch: config.microBatch,
		isProximal: config.strategy === "fedprox" && config.proximalMu > 0,
		numEngines: concurrency,
		availableBytes: availableMemory(),
	});
	reporter.note(`memory: ${describeMemory(plan)}`);
	return plan;
}

/** The micro-batch of a run under way, watched. */
export function watchedMicroBatching(
	microBatch: number | null,
	onShrink: (event: MicroBatchShrunk) => void,
	availableBytes: () => number = availableMemory,
): MicroBatching {
	return createMicroBatching({
		microBatch,
		availableBytes,
		marginBytes: MARGIN_BYTES,
		onShrink,
	});
}
