// Benchmark `lora`: a cached training step of an adapter beside one of all trained weights, at full size on random
// weights, and whether merging changes the chunk. The two steps alternate, each in a process of its own.
import { numElements } from "@zk0/arrays";
import { trainedNames } from "@zk0/policy";
import { median, round } from "./arithmetic.ts";
import { adaptFullSize, compareMerged, LORA_RANK } from "./full-size/lora-stages.ts";
import { openFullSize } from "./full-size/model.ts";
import { randomWeights } from "./full-size/run.ts";
import { startStage } from "./full-size/stage-process.ts";

const THREADS = 2;
const NUM_REPEATS = 5;
const BATCH_SIZE = 8;

/** Runs the benchmark; about two minutes. */
export async function runLoraBench({ checkpoint = randomWeights() } = {}): Promise<unknown> {
	using full = openFullSize(checkpoint);
	const adapted = adaptFullSize(full.model);
	const numbers = trainedNames(adapted).reduce(
		(sum, name) => sum + numElements(adapted.tensors.shapeOf(name) ?? []),
		0,
	);
	const merging = await compareMerged(full.model, THREADS);
	const times = { kvB8: [] as number[], loraKvB8: [] as number[] };
	const peaks: Record<string, number | null> = {};
	using whole = await startStage("kvB8", checkpoint, THREADS);
	using lora = await startStage("loraKvB8", checkpoint, THREADS);
	const stages = { kvB8: whole, loraKvB8: lora };
	for (let repeat = 0; repeat <= NUM_REPEATS; repeat++) {
		for (const name of ["kvB8", "loraKvB8"] as const) {
			const { ms = Number.NaN } = await stages[name].run();
			if (repeat > 0) times[name].push(ms);
		}
	}
	for (const [name, stage] of Object.entries(stages)) peaks[name] = await stage.end();
	const [kvMs, loraMs] = [median(times.kvB8), median(times.loraKvB8)];
	return {
		preset: "smolvla-base",
		rank: LORA_RANK,
		trainedNumbers: numbers,
		adapterMb: round((4 * numbers) / 1e6, 2),
		kvB8MsPerSample: round(kvMs / BATCH_SIZE, 1),
		loraKvB8MsPerSample: round(loraMs / BATCH_SIZE, 1),
		loraOverWhole: round(loraMs / kvMs, 3),
		rssKvB8Mb: peaks["kvB8"],
		rssLoraKvB8Mb: peaks["loraKvB8"],
		...merging,
	};
}
