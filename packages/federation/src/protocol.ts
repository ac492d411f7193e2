// The messages between a node and the server. Every call is made by the node (outbound connections only), with the
// verbs of Flower's Fleet API (spec: flwr.proto.Fleet): register, heartbeat, pull a task, pull objects, push a
// result, push the objects the server lacks. Objects are files addressed by their SHA-256.
import { z } from "zod";
import type { Metrics, SiteInfo, TaskProgress } from "./client-app.ts";
import { FederationError, type UpdateRejection } from "./errors.ts";
import type { JsonValue } from "./json.ts";

declare const nodeIdBrand: unique symbol;

/** A registered connection of a site; changes when the site registers again. */
export type NodeId = string & { readonly [nodeIdBrand]: true };

/** The only constructor of node ids. */
export function nodeId(text: string): NodeId {
	return text as NodeId; // brand constructor
}

/** What a site is asked to do. */
export type TaskPhase = "train" | "evaluate";

/** A task as it travels; `weights` is the object id of the global weights. */
export interface TaskMessage {
	readonly taskId: string;
	readonly phase: TaskPhase;
	readonly runId: string;
	readonly round: number;
	readonly seed: number;
	readonly numLocalSteps: number;
	readonly globalStep: number;
	readonly totalSteps: number;
	readonly proximalMu: number;
	readonly learning: JsonValue;
	readonly weights: string;
	readonly weightsSizeBytes: number;
}

/** The file of an update. */
export interface UpdateObject {
	readonly sha256: string;
	readonly sizeBytes: number;
}

/** A task's outcome as it travels. */
export type TaskResult =
	| {
			readonly kind: "update";
			readonly object: UpdateObject;
			readonly numSamples: number;
			readonly metrics: Metrics;
	  }
	| {
			readonly kind: "evaluation";
			readonly loss: number | null;
			readonly numSamples: number;
			readonly metrics: Metrics;
	  }
	| { readonly kind: "failure"; readonly message: string };

/** The server's answer to a result or to the last bytes of its object. */
export type ResultStatus =
	/** Durable; the node may forget the task. */
	| { readonly kind: "accepted" }
	/** The server knows nothing of this object (it was restarted): push the result again. */
	| { readonly kind: "unannounced" }
	/** The server needs the object's bytes from `offset` on. */
	| { readonly kind: "wanted"; readonly offset: number }
	/** Not accepted, and sending it again will not help. */
	| { readonly kind: "rejected"; readonly code: UpdateRejection; readonly message: string };

/** Requests and responses of the unary calls. */
export interface UnaryMethods {
	/** Joins as `site`; an earlier node of the same site ends. */
	readonly registerNode: {
		readonly request: { readonly site: string; readonly info: SiteInfo };
		readonly response: { readonly nodeId: NodeId };
	};
	/** Shows life and progress; the answer names the running tasks that are no longer wanted. */
	readonly heartbeat: {
		readonly request: {
			readonly nodeId: NodeId;
			readonly running: readonly string[];
			readonly progress: (TaskProgress & { readonly taskId: string }) | null;
		};
		readonly response: { readonly cancelled: readonly string[] };
	};
	/** The oldest open task of the site, held up to `waitMs` until there is one; the same one until it is done. */
	readonly pullTask: {
		readonly request: { readonly nodeId: NodeId; readonly waitMs: number };
		readonly response: { readonly task: TaskMessage | null };
	};
	/** Reports a task's result; safe to repeat. */
	readonly pushResult: {
		readonly request: {
			readonly nodeId: NodeId;
			readonly taskId: string;
			readonly round: number;
			readonly result: TaskResult;
		};
		readonly response: { readonly status: ResultStatus };
	};
	/** A piece of a wanted object; repeated or misplaced pieces are answered with the wanted offset. */
	readonly pushObject: {
		readonly request: {
			readonly nodeId: NodeId;
			readonly taskId: string;
			readonly sha256: string;
			readonly offset: number;
			readonly content: Uint8Array;
		};
		readonly response: { readonly status: ResultStatus };
	};
	/** Leaves; open tasks of the site fail. */
	readonly unregisterNode: { readonly request: { readonly nodeId: NodeId }; readonly response: null };
}

/** Requests of the calls that answer with a stream of bytes. */
export interface StreamMethods {
	/** The bytes of an object from `offset` on. */
	readonly pullObject: {
		readonly request: { readonly nodeId: NodeId; readonly sha256: string; readonly offset: number };
	};
}

/** Names of the unary calls. */
export type UnaryMethod = keyof UnaryMethods;
/** Names of the streaming calls. */
export type StreamMethod = keyof StreamMethods;
/** Request of a unary call. */
export type RequestOf<M extends UnaryMethod> = UnaryMethods[M]["request"];
/** Response of a unary call. */
export type ResponseOf<M extends UnaryMethod> = UnaryMethods[M]["response"];
/** Request of a streaming call. */
export type StreamRequestOf<M extends StreamMethod> = StreamMethods[M]["request"];

/** Largest piece of an object in one message: bounds the memory per node. */
export const MAX_CHUNK_BYTES: number = 1 << 20;
/** Longest text field (site name excepted), against memory exhaustion by a stranger. */
const MAX_TEXT_LENGTH = 10_000;
const SITE_NAME = /^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$/;

/** Site names are identities and folder names: letters, digits, `.`, `_`, `-`, at most 63. */
export function isSiteName(text: string): boolean {
	return SITE_NAME.test(text);
}

const site = z.string().regex(SITE_NAME, "a site name is 1-63 letters, digits, '.', '_' or '-'");
const text = z.string().max(MAX_TEXT_LENGTH);
const node = text.transform(nodeId);
const sha256 = z.string().regex(/^[0-9a-f]{64}$/);
const count = z.int().nonnegative();
const metrics = z.record(text, z.number().nullable());
const info = z.object({ numSamples: count, details: z.record(text, z.json()) });
const progress = z.object({
	taskId: text,
	step: count,
	numSteps: count,
	loss: z.number().nullable(),
	samplesPerSecond: z.number().nullable(),
});
const result = z.discriminatedUnion("kind", [
	z.object({
		kind: z.literal("update"),
		object: z.object({ sha256, sizeBytes: count }),
		numSamples: z.int(),
		metrics,
	}),
	z.object({ kind: z.literal("evaluation"), loss: z.number().nullable(), numSamples: count, metrics }),
	z.object({ kind: z.literal("failure"), message: text }),
]);
const content = z.instanceof(Uint8Array).refine((bytes) => bytes.length <= MAX_CHUNK_BYTES);

const UNARY_REQUESTS: { readonly [M in UnaryMethod]: z.ZodType<RequestOf<M>> } = {
	registerNode: z.object({ site, info }),
	heartbeat: z.object({ nodeId: node, running: z.array(text).max(100), progress: progress.nullable() }),
	pullTask: z.object({ nodeId: node, waitMs: z.number().nonnegative().max(60_000) }),
	pushResult: z.object({ nodeId: node, taskId: text, round: count, result }),
	pushObject: z.object({ nodeId: node, taskId: text, sha256, offset: count, content }),
	unregisterNode: z.object({ nodeId: node }),
};

const STREAM_REQUESTS: { readonly [M in StreamMethod]: z.ZodType<StreamRequestOf<M>> } = {
	pullObject: z.object({ nodeId: node, sha256, offset: count }),
};

/** Checks a unary request that came from outside. @throws FederationError bad-message */
export function parseRequest<M extends UnaryMethod>(method: M, message: unknown): RequestOf<M> {
	return parseWith<RequestOf<M>>(UNARY_REQUESTS[method], method, message);
}

/** Checks a streaming request that came from outside. @throws FederationError bad-message */
export function parseStreamRequest<M extends StreamMethod>(method: M, message: unknown): StreamRequestOf<M> {
	return parseWith<StreamRequestOf<M>>(STREAM_REQUESTS[method], method, message);
}

function parseWith<T>(schema: z.ZodType<T>, method: string, message: unknown): T {
	const parsed = schema.safeParse(message);
	if (!parsed.success) {
		throw new FederationError("bad-message", `${method}: ${z.prettifyError(parsed.error)}`, {
			cause: parsed.error,
		});
	}
	return parsed.data;
}
