// A site's first training step before it joins: its own recordings, the small model that comes with zk0, the code of every
// round. What it takes here says how long a round will take.

import { createOrtRuntime, tryDevice } from "@zk0/autodiff/node";
import type { JoinView } from "@zk0/dashboard/views";
import { createPolicyEngine, createPool, trainOnSite } from "@zk0/finetune";
import { openCheckpoint, SMALL_BASE_DIR, trainedNames } from "@zk0/policy";
import { PRESETS } from "../config/presets.ts";
import { availableMemory } from "../machine/available-memory.ts";
import { suggestFullSize } from "../machine/compute-checks.ts";
import type { ClientContext } from "../network/site-identity.ts";
import { createReporter } from "../progress/reporter.ts";
import { cacheDirectory } from "../recordings/recording-cache.ts";
import { learningOf } from "../simulation/federation-options.ts";
import { openSites } from "../simulation/open-sites.ts";
import type { LocatedPlan } from "../simulation/site-plans.ts";

/** What to try. */
export interface TrialStep {
	readonly plan: LocatedPlan;
	/** Policy camera of each of the dataset's; null: equal names. */
	readonly camera: Readonly<Record<string, string>> | null;
	readonly threads: number;
	/** Also say what the model at full size would take. */
	readonly isFullSize: boolean;
}

/** What it took. */
export type TrialResult = NonNullable<NonNullable<JoinView["trial"]>["result"]>;

/** The first step pays for compiling, and the second's pictures are decoded meanwhile; the others say what a step takes. */
const NUM_STEPS = 6;
const NUM_SKIPPED = 2;
const LOOK_MS = 50;

/** Trains a few steps and forgets what was learnt. @throws FinetuneError for recordings that the model cannot take */
export async function tryStep(
	{ plan, camera, threads, isFullSize }: TrialStep,
	{ host, output }: ClientContext,
): Promise<TrialResult> {
	const { signal } = host;
	const startMs = performance.now();
	const preset = PRESETS.small;
	output.line("opening the model and the recordings");
	using base = await openCheckpoint(SMALL_BASE_DIR);
	using silent = createReporter({ stream: undefined, host, sites: [], rounds: 0 });
	await using opened = await openSites([plan], {
		config: { ...preset, camera: camera === null ? null : { ...camera } },
		policy: base,
		cacheDir: cacheDirectory(host.env),
		reporter: silent,
		signal,
	});
	const [first] = opened.sites;
	if (first === undefined) throw new RangeError("tryStep: no site");
	await using pool = createPool([
		createPolicyEngine(await createOrtRuntime({ threads, device: "cpu" }), base.model),
	]);
	output.line("compiling the training graph");
	let peakBytes = process.memoryUsage.rss();
	const timer = setInterval(() => {
		peakBytes = Math.max(peakBytes, process.memoryUsage.rss());
	}, LOOK_MS);
	const steps: { readonly atMs: number; readonly loss: number }[] = [];
	try {
		await trainOnSite(first.site, pool, {
			weights: new Map(trainedNames(base.model).map((name) => [name, base.model.tensors.readFloat32(name)])),
			learning: learningOf(preset, base.config),
			numSteps: NUM_STEPS,
			globalStep: 0,
			totalSteps: NUM_STEPS,
			from: { samplesConsumed: 0, optimizer: null },
			proximalMu: preset.proximalMu,
			seed: preset.seed,
			signal,
			onProgress: ({ step, loss }) => {
				steps.push({ atMs: performance.now(), loss });
				output.line(`step ${step} of ${NUM_STEPS}, loss ${loss.toPrecision(3)}`);
			},
		});
	} finally {
		clearInterval(timer);
	}
	const [one] = steps;
	const [ready, last] = [steps[NUM_SKIPPED - 1], steps.at(-1)];
	if (one === undefined || ready === undefined || last === undefined)
		throw new RangeError("tryStep: fewer steps than asked for");
	const stepSeconds = (last.atMs - ready.atMs) / 1000 / (NUM_STEPS - NUM_SKIPPED);
	return {
		loss: one.loss,
		batchSize: preset.batchSize,
		prepareSeconds: (one.atMs - startMs) / 1000,
		stepSeconds,
		peakBytes,
		availableBytes: availableMemory(),
		roundSteps: preset.localSteps,
		roundSeconds: stepSeconds * preset.localSteps,
		fullSize: isFullSize ? await atFullSize(cacheDirectory(host.env), signal) : null,
	};
}

async function atFullSize(folder: string, signal: AbortSignal): Promise<TrialResult["fullSize"]> {
	const trial = await tryDevice("cpu", { signal });
	if (!trial.works) return [{ name: "processor", text: trial.reason }];
	const findings = await suggestFullSize(trial.gflops, [trial], folder);
	return findings.map(({ name, found }) => ({ name: name.replace(/^full size, /, ""), text: found }));
}
