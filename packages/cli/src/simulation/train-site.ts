// `zk0 train`: one site trains alone, with the same code that trains it in a federation. With the same steps and seed
// it ends at the bits of a federation of this one site.
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import type { NdArray } from "@zk0/arrays";
import { sha256File, writeFileAtomic } from "@zk0/arrays/node";
import { createOrtRuntime, type Device } from "@zk0/autodiff/node";
import {
	createPolicyEngine,
	createPool,
	evaluateOnSite,
	type HeldOutResult,
	heldOutMetrics,
	type Learning,
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
import type { RunReporter } from "../progress/reporter.ts";
import { bindToSite } from "./round-checkpoints.ts";

/** What to train. */
export interface SiteTrainingRun {
	/** Directory of the result, made new. */
	readonly dir: string;
	/** The initial model. */
	readonly base: Checkpoint;
	readonly site: Site;
	readonly learning: Learning;
	readonly numSteps: number;
	readonly seed: number;
	readonly threads: number;
	readonly device: Device;
	readonly reporter: RunReporter;
	readonly signal: AbortSignal;
}

/** What came out. */
export interface SiteTrainingResult {
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
	/** The weights without statistics. */
	readonly checkpoint: string;
	/** The weights bound to the site: what LeRobot opens. */
	readonly pretrainedModel: string;
	readonly modelSha256: string;
}

/** Trains, measures before and after, and writes the checkpoints and metrics.json. */
export async function trainSite(run: SiteTrainingRun): Promise<SiteTrainingResult> {
	const { base, site, learning, seed, signal, dir, numSteps, reporter } = run;
	const { model } = base;
	await using pool = createPool([
		createPolicyEngine(await createOrtRuntime({ threads: run.threads, device: run.device }), model),
	]);
	const names = trainedNames(model);
	const initial = new Map<string, NdArray>(names.map((name) => [name, model.tensors.readFloat32(name)]));
	const before = await evaluateOnSite(site, pool, { weights: initial, learning, seed, signal });
	const trained = await trainOnSite(site, pool, {
		weights: initial,
		learning,
		numSteps,
		globalStep: 0,
		totalSteps: numSteps,
		from: { samplesConsumed: 0, optimizer: null },
		proximalMu: 0,
		seed,
		signal,
		onProgress: (progress) => reporter.training(site.data.name, progress),
	});
	const after = await evaluateOnSite(site, pool, { weights: trained.weights, learning, seed, signal });
	await mkdir(dir, { recursive: true });
	const checkpoint = join(dir, "checkpoint", "global");
	const pretrainedModel = join(dir, "checkpoint", "pretrained_model");
	const tensors = overlayTensors(model.tensors, trained.weights);
	await writeCheckpoint(checkpoint, { ...contentOf(base), tensors });
	await bindToSite(checkpoint, pretrainedModel, site);
	const result: SiteTrainingResult = {
		runDir: dir,
		site: site.data.name,
		steps: numSteps,
		samples: trained.numSamples,
		trainLoss: trained.loss,
		initialLoss: before?.loss ?? null,
		finalLoss: after?.loss ?? null,
		heldOut: metricsOf(site, after),
		checkpoint,
		pretrainedModel,
		modelSha256: await sha256File(weightsPath(checkpoint)),
	};
	await writeFileAtomic(
		join(dir, "metrics.json"),
		`${JSON.stringify({ ...result, learning, seed }, undefined, "\t")}\n`,
	);
	return result;
}

function metricsOf(site: Site, found: HeldOutResult | null): SiteTrainingResult["heldOut"] {
	return found === null ? null : heldOutMetrics(site.data.actionNames, found);
}
