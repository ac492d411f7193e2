// The end of a round's training: fix the set of updates, make the new weights of it, forget the updates.
import { aggregateFiles, normaliseWeights } from "./aggregate.ts";
import { compareUpdates } from "./compare-updates.ts";
import type { RoundEvent } from "./events.ts";
import type { ResolvedRounds } from "./rounds-options.ts";
import type { NewEvent, RunRecorder } from "./run-recorder.ts";
import type { OpenRound } from "./run-state.ts";
import { applyServerStep } from "./server-step.ts";

/** Aggregates the open round's updates; the accepted set is durable before anything is computed from it. */
export async function* aggregateRound(
	options: ResolvedRounds,
	recorder: RunRecorder,
	open: OpenRound,
): AsyncGenerator<RoundEvent, void> {
	const { strategy, store, clock, threads, signal, keepUpdates, updateDtype, clipNorm } = options;
	const { round } = open;
	const { weightsSha256, slotsSha256, strategyState, weightsHistory, lateUpdates } = recorder.state;
	const updates = [...open.updates.values()].sort((a, b) => (a.site < b.site ? -1 : 1));
	const summaries = updates.map(({ site, numSamples }) => ({ site, numSamples }));
	const previous = strategyState === undefined ? strategy.init() : strategyState;
	const { state, weights, serverStep } = strategy.aggregate(previous, summaries);
	const scales = updates.map(({ norm }) => scaleTo(norm, clipNorm));
	const base = store.get(weightsSha256 ?? "").path;
	if (open.accepted === null) {
		const shares = normaliseWeights(weights);
		const accepted = updates.map(({ site, sha256, numSamples }, index) => ({
			site,
			sha256,
			numSamples,
			weight: shares[index] ?? 0,
			scale: scales[index] ?? 1,
		}));
		const clipped = updates.flatMap(({ site, norm }, index): NewEvent[] =>
			norm === null || clipNorm === null || scales[index] === 1
				? []
				: [{ kind: "update.clipped", round, site, by: "server", norm, limit: clipNorm }],
		);
		const comparison = await compareUpdates({
			updates: updates.map(({ site, sha256 }) => ({ site, path: store.get(sha256).path })),
			base: updateDtype === "float32" ? base : null,
			signal,
		});
		// Where the run clips, norms were measured in full when the updates came.
		const sites = comparison.sites.map((found, index) => ({
			...found,
			norm: updates[index]?.norm ?? found.norm,
		}));
		yield* recorder.record([
			...clipped,
			{ kind: "updates.compared", round, ...comparison, sites },
			{ kind: "round.accepted", round, updates: accepted },
		]);
	}
	const startMs = clock.now();
	const files = updates.map(({ site, sha256 }, index) => ({
		site,
		path: store.get(sha256).path,
		weight: weights[index] ?? 0,
		scale: scales[index] ?? 1,
	}));
	const mean = store.scratchPath();
	await aggregateFiles({ updates: files, base, updateDtype, out: mean, threads, signal });
	let newSlots: string | null = null;
	if (serverStep !== null) {
		const slotsOut = store.scratchPath();
		const slots = slotsSha256 === null ? null : store.get(slotsSha256).path;
		await applyServerStep({ step: serverStep, mean, current: base, slots, slotsOut, signal });
		newSlots = (await store.adopt(slotsOut)).sha256;
	}
	const adopted = await store.adopt(mean);
	yield* recorder.record([
		{
			kind: "round.aggregated",
			round,
			weightsSha256: adopted.sha256,
			strategyState: state,
			slotsSha256: newSlots,
			numUpdates: updates.length,
			seconds: (clock.now() - startMs) / 1000,
		},
	]);
	const late = Array.from(lateUpdates.values(), ({ sha256 }) => sha256);
	const kept = new Set([...weightsHistory, adopted.sha256, newSlots, ...late]);
	const obsolete = [...(keepUpdates ? [] : updates.map(({ sha256 }) => sha256)), slotsSha256];
	for (const sha256 of obsolete) if (sha256 !== null && !kept.has(sha256)) await store.delete(sha256);
}

/** Share of an update's difference that counts. */
function scaleTo(norm: number | null, limit: number | null): number {
	return norm === null || limit === null || norm <= limit ? 1 : limit / norm;
}
