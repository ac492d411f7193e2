// The events of a run: what the round loop yields, the log stores, the CLI prints and the dashboard draws.
// Browser-safe (types only; their schema is in event-schema.ts). Missing values are null, never 0.
import type { Metrics } from "./client-app.ts";
import type { UpdateComparison } from "./compare-updates.ts";
import type { FederationErrorCode, UpdateRejection } from "./errors.ts";
import type { JsonValue } from "./json.ts";
import type { TaskPhase } from "./protocol.ts";
import type { UpdateDtype } from "./update-dtype.ts";

interface Timed {
	/** ISO 8601, UTC. */
	readonly at: string;
}

/** The first event of every log. */
export interface RunStarted extends Timed {
	readonly kind: "run.started";
	readonly runId: string;
	readonly seed: number;
	readonly numRounds: number;
	readonly numLocalSteps: number;
	readonly strategy: { readonly name: string; readonly options: JsonValue };
	readonly learning: JsonValue;
	/** Element type of weights and updates on their way. */
	readonly updateDtype: UpdateDtype;
	/** What the run does so that single recordings leave less trace: nothing, or every update's norm is clipped. No more. */
	readonly privacy: "none" | "clipped";
	/** Largest L2 norm of a site's difference that counts; null: any. */
	readonly clipNorm: number | null;
	/** SHA-256 of the initial weights' file. */
	readonly weightsSha256: string;
	readonly weightsSizeBytes: number;
}

/** A process took over the log after a stop or a crash. */
export interface RunResumed extends Timed {
	readonly kind: "run.resumed";
	/** Round that continues. */
	readonly round: number;
	/** Updates and evaluations that are kept. */
	readonly numUpdatesKept: number;
	readonly numEvaluationsKept: number;
	/** Sites whose recorded update is no longer whole on disk; they are asked again. */
	readonly lostUpdates: readonly string[];
}

/** The run waits for sites. Not stored. */
export interface RunWaiting extends Timed {
	readonly kind: "run.waiting";
	readonly numOnline: number;
	readonly numNeeded: number;
}

/** A site is online. */
export interface SiteJoined extends Timed {
	readonly kind: "site.joined";
	readonly site: string;
	/** Null: the node does not say, as Flower's do not. */
	readonly numSamples: number | null;
	readonly details: { readonly [key: string]: JsonValue };
	/** PEM of the key that the site signs with; null: it has none. */
	readonly publicKey: string | null;
}

/** A site went: by itself (`left`), without a word (`offline`), or until its hours begin again (`paused`). */
export interface SiteLeft extends Timed {
	readonly kind: "site.left";
	readonly site: string;
	readonly reason: "left" | "offline" | "paused";
}

/** A round of training begins with these sites; attempts count from 1. */
export interface RoundStarted extends Timed {
	readonly kind: "round.started";
	readonly round: number;
	readonly attempt: number;
	readonly sites: readonly string[];
	readonly proximalMu: number;
}

/** A task is queued for a site. */
export interface TaskSent extends Timed {
	readonly kind: "task.sent";
	readonly round: number;
	readonly phase: TaskPhase;
	readonly site: string;
}

/** Progress inside a task. Not stored. */
export interface TaskProgressed extends Timed {
	readonly kind: "task.progress";
	readonly round: number;
	readonly phase: TaskPhase;
	readonly site: string;
	readonly step: number;
	readonly numSteps: number;
	readonly loss: number | null;
	readonly samplesPerSecond: number | null;
}

/** What a node signed, so that anybody with its public key can check the log: see reply-message.ts. */
export interface SignedReply {
	/** Fingerprint of the key. */
	readonly key: string;
	/** Message id of the task. */
	readonly instruction: string;
	/** Object ids of the answer's records. */
	readonly records: readonly string[];
	/** ECDSA with SHA-256, DER, in base64. */
	readonly signature: string;
}

/** A whole and checked update is in the object store. */
export interface UpdateReceived extends Timed {
	readonly kind: "update.received";
	readonly round: number;
	readonly site: string;
	readonly sha256: string;
	readonly sizeBytes: number;
	readonly numSamples: number;
	readonly metrics: Metrics;
	/** L2 norm of what the site changed, as it arrived; null: not measured. */
	readonly norm: number | null;
	/** Null: not signed. */
	readonly signed: SignedReply | null;
}

/** An update was scaled back to a limit, by the site before it was sent, or by the server in the aggregate. */
export interface UpdateClipped extends Timed {
	readonly kind: "update.clipped";
	readonly round: number;
	readonly site: string;
	readonly by: "site" | "server";
	/** Norm before. */
	readonly norm: number;
	readonly limit: number;
}

/** A result was refused; when `endsTask`, the site is out of this attempt. */
export interface UpdateRejected extends Timed {
	readonly kind: "update.rejected";
	readonly round: number;
	readonly site: string;
	readonly code: UpdateRejection;
	readonly message: string;
	readonly endsTask: boolean;
}

/** A site could not do its task. */
export interface SiteFailed extends Timed {
	readonly kind: "site.failed";
	readonly round: number;
	readonly phase: TaskPhase;
	readonly site: string;
	readonly code: "client-app" | "left" | "offline";
	readonly message: string;
}

/** A site that is online shows no progress on its task: no step, no bytes. Its task stays open. */
export interface SiteStalled extends Timed {
	readonly kind: "site.stalled";
	readonly round: number;
	readonly phase: TaskPhase;
	readonly site: string;
	/** How long nothing has moved. */
	readonly seconds: number;
}

/** A phase of a round goes on without the sites that have not answered: the operator's quorum or deadline decided. */
export interface RoundClosed extends Timed {
	readonly kind: "round.closed";
	readonly round: number;
	readonly phase: TaskPhase;
	/** `deadline`: the time was up. `quorum`: whoever is missing is offline or stalled. */
	readonly reason: "deadline" | "quorum";
	readonly numReceived: number;
	/** Sites that are not waited for, sorted. */
	readonly without: readonly string[];
}

/** An update came after its round was closed: it is kept in the object store, and no aggregate holds it. */
export interface UpdateLate extends Omit<UpdateReceived, "kind"> {
	readonly kind: "update.late";
}

/** How the updates of a round lie to each other, measured before they are aggregated; nothing follows from it. */
export interface UpdatesCompared extends Timed, UpdateComparison {
	readonly kind: "updates.compared";
	readonly round: number;
}

/** The set of updates the round is made of, fixed before aggregation. */
export interface RoundAccepted extends Timed {
	readonly kind: "round.accepted";
	readonly round: number;
	/** Sorted by site name; weights sum to 1. */
	readonly updates: readonly {
		readonly site: string;
		readonly sha256: string;
		readonly numSamples: number;
		readonly weight: number;
		/** Share of the site's difference that counts: 1, or less where the server clipped it. */
		readonly scale: number;
	}[];
}

/** New global weights exist. */
export interface RoundAggregated extends Timed {
	readonly kind: "round.aggregated";
	readonly round: number;
	/** SHA-256 of the federated tensors' safetensors file, sorted by name: its object id in the store. */
	readonly weightsSha256: string;
	/** The strategy's state after this round. */
	readonly strategyState: JsonValue;
	/** Object id of the strategy's per-tensor state, or null when it keeps none. */
	readonly slotsSha256: string | null;
	readonly numUpdates: number;
	readonly seconds: number;
}

/** A site's held-out result on the round's weights (round 0: on the initial ones). */
export interface SiteEvaluated extends Timed {
	readonly kind: "site.evaluated";
	readonly round: number;
	readonly site: string;
	readonly loss: number | null;
	readonly numSamples: number;
	readonly metrics: Metrics;
}

/** All evaluations of a round are in, or failed. */
export interface RoundEvaluated extends Timed {
	readonly kind: "round.evaluated";
	readonly round: number;
	/** Mean over sites weighted by samples; null without any. */
	readonly loss: number | null;
	/** Loss by site; null for a site that failed or has no held-out data. */
	readonly perSite: Readonly<Record<string, number | null>>;
	/** Payload bytes since the previous round.evaluated of this process; null when unknown. */
	readonly bytesUp: number | null;
	readonly bytesDown: number | null;
}

/** An attempt brought too few updates. */
export interface RoundFailed extends Timed {
	readonly kind: "round.failed";
	readonly round: number;
	readonly attempt: number;
	readonly numReceived: number;
	readonly numNeeded: number;
}

/** The run has done all its rounds. */
export interface RunCompleted extends Timed {
	readonly kind: "run.completed";
	readonly numRounds: number;
	readonly weightsSha256: string;
}

/** The run cannot go on; the log says why. */
export interface RunFailed extends Timed {
	readonly kind: "run.failed";
	readonly code: FederationErrorCode;
	readonly message: string;
}

/** Somebody stopped the run; it can be resumed. */
export interface RunStopped extends Timed {
	readonly kind: "run.stopped";
	readonly round: number;
}

/** Everything the round loop tells. */
export type RoundEvent =
	| RunStarted
	| RunResumed
	| RunWaiting
	| SiteJoined
	| SiteLeft
	| RoundStarted
	| TaskSent
	| TaskProgressed
	| UpdateReceived
	| UpdateClipped
	| UpdateRejected
	| SiteFailed
	| SiteStalled
	| RoundClosed
	| UpdateLate
	| UpdatesCompared
	| RoundAccepted
	| RoundAggregated
	| SiteEvaluated
	| RoundEvaluated
	| RoundFailed
	| RunCompleted
	| RunFailed
	| RunStopped;

/** Kinds that are only for watching and are not written to the log. */
export const TRANSIENT_KINDS: ReadonlySet<RoundEvent["kind"]> = new Set(["run.waiting", "task.progress"]);
