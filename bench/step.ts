// Benchmark `step`: what a training step costs, of the small preset or at full size.
import { runFullSizeBench } from "./full-size/run.ts";
import { runSmallStepBench } from "./step-small.ts";

/** Options of {@link runStepBench}. */
export interface StepBenchOptions {
	/** `small` (default) or `smolvla-base`. */
	readonly preset?: string;
	/** A directory with full-size weights; default: random ones in the temporary folder, made when absent. */
	readonly checkpoint?: string;
}

/** Runs the benchmark of a preset. @throws RangeError for an unknown one */
export async function runStepBench({ preset = "small", checkpoint }: StepBenchOptions): Promise<unknown> {
	if (preset === "small") return await runSmallStepBench();
	if (preset === "smolvla-base")
		return await runFullSizeBench(checkpoint === undefined ? {} : { checkpoint });
	throw new RangeError(`step: no preset ${preset}; there are small and smolvla-base`);
}
