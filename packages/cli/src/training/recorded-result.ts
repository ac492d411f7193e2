// The result of a training that is completed, as it was written down: so that going on with it again trains nothing.
import { existsSync } from "node:fs";
import { type RunPaths, readTrainingLog, summarizeTraining } from "@zk0/records";
import { z } from "zod";
import { readJsonFile } from "../network/private-file.ts";
import type { SiteTrainingResult } from "./train-site.ts";

const figures = z.record(z.string(), z.number().nullable());

/** What metrics.json says of a training; paths in it are those of where it ran. */
const metricsSchema = z.object({
	site: z.string(),
	steps: z.int(),
	samples: z.int(),
	trainLoss: z.number(),
	initialLoss: z.number().nullable(),
	finalLoss: z.number().nullable(),
	heldOut: figures.nullable(),
	cache: z.object({
		level: z.enum(["off", "connector", "kv"]),
		dtype: z.enum(["float32", "bfloat16"]).nullable(),
		hits: z.int(),
		misses: z.int(),
		readBytes: z.int(),
		writtenBytes: z.int(),
	}),
	modelSha256: z.string(),
});

/** The result of a training that is completed and whose model is there; null: something is left to do. */
export async function recordedResult(paths: RunPaths): Promise<SiteTrainingResult | null> {
	const { status } = summarizeTraining(await readTrainingLog(paths.trainingLog));
	if (status !== "completed" || !existsSync(paths.trainedModel)) return null;
	const metrics = await readJsonFile(paths.metrics, metricsSchema);
	if (metrics === undefined) return null;
	const { id: runId, root: runDir, trainedGlobal: checkpoint, trainedModel: pretrainedModel } = paths;
	return { runId, runDir, ...metrics, checkpoint, pretrainedModel };
}
