// How a run begins or goes on: its plan, the initial weights in the store, and which recorded objects are still whole.
import { FederationError } from "./errors.ts";
import type { RunResumed, RunStarted } from "./events.ts";
import { canonicalJson } from "./json.ts";
import type { ObjectStore } from "./object-store.ts";
import type { ResolvedRounds } from "./rounds-options.ts";
import type { RunState } from "./run-state.ts";
import { inspectUpdateFile, readTensorSpecs, specsIn, type TensorSpecs } from "./update-check.ts";
import { fileBytes, wireArrays } from "./wire-arrays.ts";

/** What a run is made of, as its first event records it. */
export type RunPlan = Omit<RunStarted, "kind" | "at">;

/**
 * Puts the initial weights into the store and checks that they, and the log's first event if there is one, fit the options.
 * @throws FederationError bad-weights | log-mismatch | disk-full | storage
 */
export async function openRun(
	options: ResolvedRounds,
	started: RunStarted | null,
): Promise<{ readonly plan: RunPlan; readonly specs: TensorSpecs }> {
	const {
		runId,
		seed,
		numRounds,
		numLocalSteps,
		strategy,
		learning,
		store,
		initialWeightsPath,
		updateDtype,
		clipNorm,
	} = options;
	const specs = readTensorSpecs(initialWeightsPath);
	if (specs.size === 0)
		throw new FederationError("bad-weights", `${initialWeightsPath} holds no tensor to train`);
	const initial = await store.put(fileBytes(wireArrays(initialWeightsPath)));
	const defect = await inspectUpdateFile(initial.path, specs, initial.sizeBytes);
	if (defect !== null) throw new FederationError("bad-weights", `${initialWeightsPath}: ${defect.message}`);
	const plan: RunPlan = {
		runId,
		seed,
		numRounds,
		numLocalSteps,
		strategy: { name: strategy.name, options: strategy.options },
		learning,
		updateDtype,
		privacy: clipNorm === null ? "none" : "clipped",
		clipNorm,
		weightsSha256: initial.sha256,
		weightsSizeBytes: initial.sizeBytes,
	};
	if (started !== null) requireSamePlan(started, plan, options.log.path);
	return { plan, specs: specsIn(specs, updateDtype) };
}

/** The result of `keepWholeObjects`. */
export type KeptObjects = Pick<RunResumed, "numUpdatesKept" | "numEvaluationsKept" | "lostUpdates">;

/**
 * After a crash: checks the objects the run still needs and deletes the ones it does not.
 * @throws FederationError corrupt-object when the global weights or the strategy's state are no longer whole.
 */
export async function keepWholeObjects(state: RunState, store: ObjectStore): Promise<KeptObjects> {
	const needed = [state.weightsSha256, state.slotsSha256].filter((sha256) => sha256 !== null);
	for (const sha256 of needed) {
		if (await store.verify(sha256)) continue;
		const message = `object ${sha256} of round ${state.round} is missing or damaged in ${store.dir}; restore the file to resume`;
		throw new FederationError("corrupt-object", message, { ids: { round: state.round } });
	}
	const updates = [...(state.open?.updates.values() ?? [])];
	const lostUpdates: string[] = [];
	for (const { site, sha256 } of updates) {
		if (!(await store.verify(sha256))) lostUpdates.push(site);
	}
	const referenced = new Set([
		...state.weightsHistory,
		...needed,
		...updates.filter(({ site }) => !lostUpdates.includes(site)).map(({ sha256 }) => sha256),
		...[...state.lateUpdates.values()].map(({ sha256 }) => sha256),
	]);
	for (const { sha256 } of store.list()) if (!referenced.has(sha256)) await store.delete(sha256);
	return {
		numUpdatesKept: updates.length - lostUpdates.length,
		numEvaluationsKept: state.evaluations.size,
		lostUpdates,
	};
}

function requireSamePlan(started: RunStarted, plan: RunPlan, path: string): void {
	const names = Object.keys(plan) as (keyof RunPlan)[]; // an object literal of that type
	const different = names.filter((name) => canonicalJson(started[name]) !== canonicalJson(plan[name]));
	if (different.length > 0) {
		const message = `${path} is the log of another run: ${different.join(", ")} differ; resume with the run's own settings`;
		throw new FederationError("log-mismatch", message, { ids: { runId: started.runId } });
	}
}
