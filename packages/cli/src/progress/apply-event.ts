// How the picture of a run changes with each of its events.
import type { RoundEvent } from "@zk0/federation";
import { type RunProgress, updateSite } from "./run-progress.ts";

/** The picture after an event. */
export function applyEvent(progress: RunProgress, event: RoundEvent, nowMs: number): RunProgress {
	switch (event.kind) {
		case "run.resumed":
			return { ...progress, round: event.round };
		case "round.started":
			return event.sites.reduce<RunProgress>(
				(picture, site) => updateSite(picture, site, { phase: "waiting", reason: null, nowMs }),
				{ ...progress, round: event.round, roundsStartedMs: progress.roundsStartedMs ?? nowMs },
			);
		case "task.sent":
			return updateSite({ ...progress, round: event.round }, event.site, { phase: "waiting", nowMs });
		case "task.progress":
			return updateSite(progress, event.site, {
				phase: event.phase === "train" ? "training" : "measuring",
				done: event.step,
				total: event.numSteps,
				samplesPerSecond: event.samplesPerSecond,
				...(event.loss === null ? {} : { loss: event.loss }),
				nowMs,
			});
		case "update.received":
			return updateSite(progress, event.site, { phase: "done", nowMs });
		case "site.evaluated":
			return updateSite(progress, event.site, { phase: "done", loss: event.loss, nowMs });
		case "site.failed":
			return updateSite(progress, event.site, { phase: "failed", reason: event.message, nowMs });
		case "site.stalled":
			return updateSite(progress, event.site, { phase: "failed", reason: "no progress", nowMs });
		case "round.closed": {
			const reason = event.reason === "deadline" ? "over the deadline" : "not waited for";
			return event.without.reduce<RunProgress>(
				(picture, site) => updateSite(picture, site, { phase: "failed", reason, nowMs }),
				progress,
			);
		}
		case "update.rejected":
			if (!event.endsTask) return progress;
			return updateSite(progress, event.site, { phase: "failed", reason: event.message, nowMs });
		case "round.evaluated": {
			const losses = Array.from({ length: event.round }, (_, round) => progress.losses[round] ?? null);
			return { ...progress, losses: [...losses, event.loss] };
		}
		case "run.started":
		case "run.waiting":
		case "run.completed":
		case "run.failed":
		case "run.stopped":
		case "site.joined":
		case "site.left":
		case "round.accepted":
		case "round.aggregated":
		case "round.failed":
		case "update.clipped":
		case "update.late":
		case "updates.compared":
			break;
	}
	return progress;
}
