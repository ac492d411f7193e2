// What a node is asked and what it answers, as this package sees it. How it travels is in task-message.ts and
// reply-message.ts: Flower's messages, over any of the transports of @zk0/flower.
import type { Metrics } from "./client-app.ts";
import type { JsonValue } from "./json.ts";

/** What a site is asked to do. */
export type TaskPhase = "train" | "evaluate";

/** A task; `weights` is the SHA-256 of the file with the global weights. */
export interface TaskMessage {
	/** Names the task at the server; does not travel: nodes know it by the id of its message. */
	readonly taskId: string;
	readonly phase: TaskPhase;
	readonly runId: string;
	readonly round: number;
	readonly seed: number;
	readonly numLocalSteps: number;
	readonly globalStep: number;
	readonly totalSteps: number;
	readonly proximalMu: number;
	/** Largest L2 norm of the difference that a site may send; null: any. */
	readonly clipNorm: number | null;
	readonly learning: JsonValue;
	readonly weights: string;
	/** Names the task in a trace (W3C Trace Context); absent: the server does not trace. */
	readonly traceparent?: string;
	/** Unix milliseconds, from the run's log: a task that is sent again after a restart is the same message. */
	readonly createdAtMs: number;
}

/** The part of a task that travels. */
export type SentTask = Omit<TaskMessage, "taskId" | "createdAtMs">;

/** Metrics by which a site says that it clipped its update: the norm before, and the limit. */
export const NORM_BEFORE_CLIPPING = "normBeforeClipping";
/** See {@link NORM_BEFORE_CLIPPING}. */
export const CLIPPED_TO = "clippedTo";

/** A task's outcome; an update's tensors travel beside it. */
export type TaskResult =
	| { readonly kind: "update"; readonly numSamples: number; readonly metrics: Metrics }
	| {
			readonly kind: "evaluation";
			readonly loss: number | null;
			readonly numSamples: number;
			readonly metrics: Metrics;
	  }
	| { readonly kind: "failure"; readonly message: string };

const SITE_NAME = /^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$/;

/** Site names are identities and folder names: letters, digits, `.`, `_`, `-`, at most 63. */
export function isSiteName(text: string): boolean {
	return SITE_NAME.test(text);
}
