// A run's events as lines that people read: `zk0 runs log`.
import type { RoundEvent } from "@zk0/federation";
import { formatBytes, formatLoss } from "../format.ts";
import { incidentText } from "./run-summary.ts";

/** What happened, in one line without its time. */
export function eventText(event: RoundEvent): string {
	return incidentText(event) ?? ordinaryText(event);
}

function ordinaryText(event: RoundEvent): string {
	switch (event.kind) {
		case "run.started":
			return `run ${event.runId} started: ${event.numRounds} rounds of ${event.numLocalSteps} steps, ${event.strategy.name}, seed ${event.seed}`;
		case "run.waiting":
			return `waiting for sites: ${event.numOnline} of ${event.numNeeded} are online`;
		case "site.joined":
			return `${event.site} joined${event.numSamples === null ? "" : ` with ${event.numSamples} samples`}`;
		case "site.left":
			return `${event.site} left`;
		case "round.started":
			return `round ${event.round} started on ${event.sites.join(", ")}`;
		case "task.sent":
			return `round ${event.round}: ${event.site} is asked to ${event.phase}`;
		case "task.progress":
			return `round ${event.round}: ${event.site} ${event.phase} ${event.step}/${event.numSteps}, loss ${formatLoss(event.loss)}`;
		case "update.received":
			return `round ${event.round}: update of ${event.site}, ${formatBytes(event.sizeBytes)}, ${event.numSamples} samples`;
		case "updates.compared":
			return `round ${event.round}: update norms ${event.sites.map(({ site, norm }) => `${site} ${norm.toPrecision(3)}`).join(", ")}; cosine with the others ${event.sites.map(({ site, alignment }) => `${site} ${alignment === null ? "unknown" : alignment.toFixed(2)}`).join(", ")}`;
		case "round.accepted":
			return `round ${event.round}: weights ${event.updates.map(({ site, weight }) => `${site} ${weight.toFixed(3)}`).join(", ")}`;
		case "round.aggregated":
			return `round ${event.round}: aggregated ${event.numUpdates} updates to ${event.weightsSha256.slice(0, 12)}`;
		case "site.evaluated":
			return `round ${event.round}: held-out loss of ${event.site} ${formatLoss(event.loss)}`;
		case "round.evaluated":
			return `round ${event.round}: held-out loss ${formatLoss(event.loss)}`;
		case "run.completed":
			return `run completed after ${event.numRounds} rounds, weights ${event.weightsSha256.slice(0, 12)}`;
		case "round.closed":
		case "round.failed":
		case "run.failed":
		case "run.resumed":
		case "run.stopped":
		case "site.failed":
		case "site.stalled":
		case "update.clipped":
		case "update.late":
		case "update.rejected":
			// `incidentText` says these.
			return event.kind;
		default:
			return event satisfies never;
	}
}
