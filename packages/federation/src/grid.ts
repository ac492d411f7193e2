// What the round loop needs from whatever connects it to the sites: who is there, hand out tasks, hear outcomes.
// FederationServer implements it in process; another engine can, too (a Flower SuperLink would, over ServerAppIo).
import type { Metrics, SiteInfo, TaskProgress } from "./client-app.ts";
import type { UpdateRejection } from "./errors.ts";
import type { SignedReply } from "./events.ts";
import type { TaskMessage, TaskPhase } from "./protocol.ts";
import type { TensorSpecs } from "./update-check.ts";

/** A site that is online. */
export interface OnlineSite {
	readonly site: string;
	readonly info: SiteInfo;
}

/** A task with the site it goes to and what its update must hold (null for evaluation). */
export interface SiteTask {
	readonly site: string;
	readonly message: TaskMessage;
	readonly expects: TensorSpecs | null;
}

/** Which task an outcome belongs to. */
export interface TaskRef {
	readonly taskId: string;
	readonly site: string;
	readonly round: number;
	readonly phase: TaskPhase;
}

/** What happened at the sites. */
export type Outcome =
	| {
			readonly kind: "joined";
			readonly site: string;
			readonly info: SiteInfo;
			/** PEM of the key that it signs with. */
			readonly publicKey: string | null;
	  }
	| {
			readonly kind: "left";
			readonly site: string;
			/** `paused`: outside its own hours; it keeps its task. */
			readonly reason: "left" | "offline" | "paused";
			/** What is known about why. */
			readonly message: string;
	  }
	| { readonly kind: "progress"; readonly task: TaskRef; readonly progress: TaskProgress }
	/** Whole, hashed, checked against the task's specs, and durable in the object store. */
	| {
			readonly kind: "update";
			readonly task: TaskRef;
			readonly sha256: string;
			readonly sizeBytes: number;
			readonly numSamples: number;
			readonly metrics: Metrics;
			/** L2 norm of the site's difference; null: the task sets no limit. */
			readonly norm: number | null;
			readonly signed: SignedReply | null;
	  }
	| {
			readonly kind: "rejected";
			readonly site: string;
			readonly round: number;
			readonly code: UpdateRejection;
			readonly message: string;
			/** True when this ends the site's open task; false when it only concerns a stray message. */
			readonly endsTask: boolean;
	  }
	| {
			readonly kind: "evaluation";
			readonly task: TaskRef;
			readonly loss: number | null;
			readonly numSamples: number;
			readonly metrics: Metrics;
	  }
	| { readonly kind: "failure"; readonly task: TaskRef; readonly message: string };

/** An outcome and the way to say that it is recorded; a site gets its answer only then. */
export interface PendingOutcome {
	readonly outcome: Outcome;
	/** Call once the outcome is durable. */
	settle(): void;
}

/** Bytes of messages moved, seen from the nodes: `bytesUp` leave them, `bytesDown` reach them. */
export interface Traffic {
	readonly bytesUp: number;
	readonly bytesDown: number;
}

/** Access to the sites. */
export interface Grid {
	/** Sites online now, sorted by name. */
	sites(): readonly OnlineSite[];
	/** Queues tasks; a task stays open until its outcome or `withdraw`. */
	send(tasks: readonly SiteTask[]): void;
	/** Makes open tasks unwanted: their sites are told, their results are late. */
	withdraw(taskIds: readonly string[]): void;
	/** Nobody waits for these tasks any more, but a result that is made all the same is taken. */
	release(taskIds: readonly string[]): void;
	/** Takes results of tasks that an earlier process released; they are not handed out. Resolves when it does. */
	reopen(tasks: readonly SiteTask[]): Promise<void>;
	/** When the site of an open task last showed progress on it (a step, or bytes); null: unknown. */
	activeAtMs(taskId: string): number | null;
	/** The next outcome if one has arrived already, else null. */
	poll(): PendingOutcome | null;
	/** The next outcome, in order of arrival. @throws FederationError cancelled | closed */
	next(options?: { readonly signal?: AbortSignal | undefined }): Promise<PendingOutcome>;
	/** Bytes moved since the grid was made, or null when it cannot know. */
	traffic(): Traffic | null;
}
