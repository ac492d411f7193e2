// Every check of one golden directory, in order from pixels to actions.
import type { OrtRuntime } from "@zk0/autodiff/node";
import type { CacheLevel } from "@zk0/finetune";
import { cachedBatch } from "./cached-batch.ts";
import type { Check } from "./errors.ts";
import { goldenBatch } from "./feeds.ts";
import { intermediateChecks, preparationChecks } from "./intermediates.ts";
import { readReference } from "./reference.ts";
import { samplingChecks } from "./sampling.ts";
import { structureChecks, trainingChecks } from "./training.ts";

/**
 * Checks as they are made; a directory that cannot be read throws. With a cache level, everything after the pixels
 * starts from what a prefix cache of that level gives back.
 */
export async function* checkDirectory(
	directory: string,
	runtime: OrtRuntime,
	level: CacheLevel | null = null,
): AsyncGenerator<Check> {
	using reference = await readReference(directory);
	yield* structureChecks(reference);
	const fresh = goldenBatch(reference);
	const batch = level === null ? fresh : await cachedBatch(reference, fresh, runtime, level);
	yield* preparationChecks(reference, batch);
	yield* await intermediateChecks(reference, batch, runtime);
	yield* trainingChecks(reference, batch, runtime);
	yield* samplingChecks(reference, batch, runtime);
}
