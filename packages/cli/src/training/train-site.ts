// One site trains alone, with the same code that trains it in a federation. With the same steps and seed it ends at the
// bits of a federation of this one site, however often it was stopped.
import type { NdArray } from "@zk0/arrays";
import { sha256File, writeFileAtomic } from "@zk0/arrays/node";
import { createOrtRuntime, type Device } from "@zk0/autodiff/node";
import {
	type CacheCounts,
	type CacheLevel,
	createPolicyEngine,
	createPool,
	type EntryDtype,
	evaluateOnSite,
	type HeldOutResult,
	heldOutMetrics,
	type Learning,
	type LocalTrainingResult,
	openTrainingCheckpoints,
	type PolicyEngine,
	type Pool,
	type PrefixCache,
	type Site,
	trainOnSite,
} from "@zk0/finetune";
import {
	type Checkpoint,
	contentOf,
	overlayTensors,
	trainedNames,
	weightsPath,
	writeCheckpoint,
} from "@zk0/policy";
import {
	incidentOf,
	openTrainingLog,
	type RunPaths,
	type RunRecord,
	type TrainingEvent,
	type TrainingLog,
} from "@zk0/records";
import { CliError } from "../cli-error.ts";
import { watchedMicroBatching } from "../machine/choose-micro-batch.ts";
import type { RunReporter } from "../progress/reporter.ts";
import { bindToSite } from "../simulation/round-checkpoints.ts";

/** What to train. */
export interface SiteTrainingRun {
	readonly paths: RunPaths;
	/** The initial model. */
	readonly base: Checkpoint;
	readonly site: Site;
	/** Null when nothing is kept. */
	readonly cache: PrefixCache | null;
	readonly learning: Learning;
	readonly training: NonNullable<RunRecord["training"]>;
	readonly seed: number;
	readonly threads: number;
	readonly device: Device;
	/** Samples of one pass; null: the whole batch. */
	readonly microBatch: number | null;
	readonly reporter: RunReporter;
	/** Milliseconds of the wall clock. */
	readonly now: () => number;
	readonly signal: AbortSignal;
}

/** What came out. */
export interface SiteTrainingResult {
	readonly runId: string;
	readonly runDir: string;
	readonly site: string;
	readonly steps: number;
	/** Samples consumed by optimizer steps. */
	readonly samples: number;
	/** Mean over the steps. */
	readonly trainLoss: number;
	/** Held-out losses; null when nothing is held out. */
	readonly initialLoss: number | null;
	readonly finalLoss: number | null;
	/** Held-out figures at the end by name, as in a federation's events; null when nothing is held out. */
	readonly heldOut: Readonly<Record<string, number | null>> | null;
	/** What the prefix cache did; level "off": nothing. */
	readonly cache: CacheCounts & { readonly level: CacheLevel | "off"; readonly dtype: EntryDtype | null };
	/** The weights without statistics. */
	readonly checkpoint: string;
	/** The weights bound to the site: what LeRobot opens. */
	readonly pretrainedModel: string;
	readonly modelSha256: string;
}

/** Trains, measures before and after, and writes checkpoints, the log and metrics.json. */
export async function trainSite(run: SiteTrainingRun): Promise<SiteTrainingResult> {
	const { paths, base, site, learning, training, seed, signal, reporter } = run;
	const { model } = base;
	const log = openTrainingLog(paths.trainingLog, run.now);
	const record = async (event: TrainingEvent): Promise<void> => {
		await log.append(event);
		const incident = incidentOf(event);
		if (incident !== null) reporter.note(incident);
	};
	const shrinks: Promise<void>[] = [];
	const microBatching = watchedMicroBatching(run.microBatch, ({ from, to, why }) => {
		const line = record({ kind: "micro-batch-shrunk", from, to, why });
		// It fails where it is awaited, after the training; until then a full disk must not end the process.
		line.catch(() => undefined);
		shrinks.push(line);
	});
	await using pool = createPool([
		createPolicyEngine(
			await createOrtRuntime({ threads: run.threads, device: run.device }),
			model,
			run.cache,
		),
	]);
	const names = trainedNames(model);
	const initial = new Map<string, NdArray>(names.map((name) => [name, model.tensors.readFloat32(name)]));
	const shared = { learning, seed, signal, microBatching };
	const initialLoss = await initialLossOf(log, async () => {
		const before = await evaluateOnSite(site, pool, { ...shared, weights: initial });
		return { kind: "evaluated", step: 0, loss: before?.loss ?? null, metrics: metricsOf(site, before) };
	});
	const trained = await trainWithCheckpoints(run, pool, { ...shared, weights: initial }, record);
	await Promise.all(shrinks);
	const after = await evaluateOnSite(site, pool, { ...shared, weights: trained.weights });
	const heldOut = metricsOf(site, after);
	await record({ kind: "evaluated", step: training.steps, loss: after?.loss ?? null, metrics: heldOut });
	const modelSha256 = await writeModel(run, trained);
	const result: SiteTrainingResult = {
		runId: paths.id,
		runDir: paths.root,
		site: site.data.name,
		steps: training.steps,
		samples: trained.numSamples,
		trainLoss: trained.loss,
		initialLoss,
		finalLoss: after?.loss ?? null,
		heldOut,
		cache: {
			level: run.cache?.level ?? "off",
			dtype: run.cache?.dtype ?? null,
			...site.observations.counts,
		},
		checkpoint: paths.trainedGlobal,
		pretrainedModel: paths.trainedModel,
		modelSha256,
	};
	const metrics = { ...result, learning, seed, microBatch: trained.microBatch };
	await writeFileAtomic(paths.metrics, `${JSON.stringify(metrics, undefined, "\t")}\n`);
	await record({ kind: "completed", step: training.steps, modelSha256 });
	return result;
}

/** Measured once; a resumed training reads it from its log. */
async function initialLossOf(
	log: TrainingLog,
	measure: () => Promise<TrainingEvent & { readonly kind: "evaluated" }>,
): Promise<number | null> {
	const known = (await log.read()).map(({ event }) => event);
	const before = known.find((event) => event.kind === "evaluated" && event.step === 0);
	if (before?.kind === "evaluated") return before.loss;
	const measured = await measure();
	await log.append(measured);
	return measured.loss;
}

async function trainWithCheckpoints(
	{ paths, site, training, reporter }: SiteTrainingRun,
	pool: Pool<PolicyEngine>,
	shared: Pick<
		Parameters<typeof trainOnSite>[2],
		"weights" | "learning" | "seed" | "signal" | "microBatching"
	>,
	record: (event: TrainingEvent) => Promise<void>,
): Promise<LocalTrainingResult> {
	const spool = openTrainingCheckpoints(paths.trainingState, {
		runId: paths.id,
		site: site.data.name,
		numKept: training.keepCheckpoints,
	});
	const earlier = await spool.latest();
	if (earlier !== null) await record({ kind: "resumed", step: earlier.step });
	try {
		return await trainOnSite(site, pool, {
			...shared,
			numSteps: training.steps,
			globalStep: 0,
			totalSteps: training.steps,
			from: { samplesConsumed: 0, optimizer: null },
			proximalMu: 0,
			saving: {
				everySteps: training.saveFreq,
				checkpoints: {
					...spool,
					async save(trainer, progress) {
						await spool.save(trainer, progress);
						await record({ kind: "saved", step: progress.step, loss: progress.lastLoss });
					},
				},
			},
			onProgress: (progress) => reporter.training(site.data.name, progress),
		});
	} catch (error) {
		if (shared.signal?.aborted !== true) throw error;
		const step = (await spool.latest())?.step ?? 0;
		await record({ kind: "stopped", step });
		throw new CliError("interrupted", `stopped; step ${step} of ${training.steps} is kept in ${paths.root}`, {
			cure: `continue with: zk0 runs resume ${paths.id}`,
			cause: error,
		});
	}
}

/** Writes the trained model, unbound and bound; SHA-256 of its weights. */
async function writeModel(
	{ paths, base, site }: SiteTrainingRun,
	trained: LocalTrainingResult,
): Promise<string> {
	const tensors = overlayTensors(base.model.tensors, trained.weights);
	await writeCheckpoint(paths.trainedGlobal, { ...contentOf(base), tensors });
	await bindToSite(paths.trainedGlobal, paths.trainedModel, site);
	return await sha256File(weightsPath(paths.trainedGlobal));
}

function metricsOf(site: Site, found: HeldOutResult | null): SiteTrainingResult["heldOut"] {
	return found === null ? null : heldOutMetrics(site.data.actionNames, found);
}
