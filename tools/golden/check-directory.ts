// Every check of one golden directory, in order from pixels to actions.
import type { OrtRuntime } from "@zk0/autodiff/node";
import type { Check } from "./errors.ts";
import { goldenBatch } from "./feeds.ts";
import { intermediateChecks, preparationChecks } from "./intermediates.ts";
import { readReference } from "./reference.ts";
import { samplingChecks } from "./sampling.ts";
import { structureChecks, trainingChecks } from "./training.ts";

/** Checks as they are made; a directory that cannot be read throws. */
export async function* checkDirectory(directory: string, runtime: OrtRuntime): AsyncGenerator<Check> {
	using reference = await readReference(directory);
	yield* structureChecks(reference);
	const batch = goldenBatch(reference);
	yield* preparationChecks(reference, batch);
	yield* await intermediateChecks(reference, batch, runtime);
	yield* trainingChecks(reference, batch, runtime);
	yield* samplingChecks(reference, batch, runtime);
}
