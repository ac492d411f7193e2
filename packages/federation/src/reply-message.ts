// Results as Flower's replies: one ArrayRecord (training only), one MetricRecord with `num-examples`, and a
// ConfigRecord with the node's signature over the ids of the other two, which Flower ignores. NaN stands for a
// metric without a value: a MetricRecord has no null.
import {
	type ArrayRecord,
	configRecord,
	type DeflatedContent,
	type DeflatedMessage,
	deflateMessage,
	deflateRecord,
	type FlowerMessage,
	isSignedBy,
	joinRecords,
	MESSAGE_ERROR_CODES,
	type MessageMetadata,
	metricRecord,
	type NodeIdentity,
	type ObjectId,
	type ObjectTree,
	type RecordDict,
	replyMetadata,
} from "@zk0/flower";
import type { Metrics } from "./client-app.ts";
import type { SignedReply } from "./events.ts";
import { keyFingerprint } from "./node-id.ts";
import type { TaskPhase, TaskResult } from "./protocol.ts";
import { wireArrays } from "./wire-arrays.ts";

const ARRAYS = "arrays";
const METRICS = "metrics";
const SIGNATURE = "zk0-signature";
const NUM_EXAMPLES = "num-examples";
const LOSS = "loss";
/** Bounds on what a stranger can put into the log with one reply. */
const MAX_METRICS = 1000;
const MAX_METRIC_NAME = 200;
/** Longest failure text kept. */
const MAX_FAILURE_LENGTH = 2000;

/** What a reply is made from. */
export interface ReplyOptions {
	readonly instruction: { readonly id: ObjectId; readonly metadata: MessageMetadata };
	readonly result: TaskResult;
	/** The update's file; null for results without one. */
	readonly updatePath: string | null;
	readonly identity: NodeIdentity;
	readonly nowMs: number;
	readonly signal?: AbortSignal | undefined;
}

/** A signed reply, ready to be pushed; reads the update's file once. */
export async function replyMessage(options: ReplyOptions): Promise<DeflatedMessage> {
	const { instruction, result, updatePath, identity, nowMs, signal } = options;
	const metadata = replyMetadata(instruction.metadata, instruction.id, nowMs / 1000);
	if (result.kind === "failure") {
		return deflateMessage(metadata, { code: MESSAGE_ERROR_CODES.clientAppRaised, reason: result.message });
	}
	const records = new Map<string, DeflatedContent>();
	if (updatePath !== null) records.set(ARRAYS, await deflateRecord(wireArrays(updatePath), { signal }));
	records.set(METRICS, await deflateRecord(metricsRecord(result)));
	const ids = Array.from(records.values(), ({ root }) => root);
	const signature = identity.sign(statementOf(instruction.id, ids));
	records.set(SIGNATURE, await deflateRecord(configRecord([["ecdsa-sha256", signature]])));
	return deflateMessage(metadata, joinRecords(records));
}

function metricsRecord(result: Exclude<TaskResult, { kind: "failure" }>) {
	const entries = Object.entries(result.metrics).map(([name, value]) => [name, value ?? Number.NaN] as const);
	const loss = result.kind === "evaluation" ? [[LOSS, result.loss ?? Number.NaN] as const] : [];
	return metricRecord([...entries, ...loss, [NUM_EXAMPLES, BigInt(result.numSamples)]]);
}

/** What a node signs: the instruction (so run, round and node) and the records of its answer. */
function statementOf(instructionId: string, recordIds: readonly string[]): string {
	return ["zk0 reply 1", instructionId, ...recordIds].join("\n");
}

/** A reply as the server reads it, or why it cannot. */
export type ReadReply =
	| { readonly kind: "failure"; readonly message: string }
	| {
			readonly kind: "update";
			readonly arrays: ArrayRecord;
			readonly numSamples: number;
			readonly metrics: Metrics;
	  }
	| {
			readonly kind: "evaluation";
			readonly loss: number | null;
			readonly numSamples: number;
			readonly metrics: Metrics;
	  }
	| { readonly kind: "defect"; readonly message: string };

/** Reads the answer to a task of `phase`. */
export function readReply({ payload }: FlowerMessage, phase: TaskPhase): ReadReply {
	if (payload.kind === "error") {
		return { kind: "failure", message: payload.error.reason.slice(0, MAX_FAILURE_LENGTH) };
	}
	const arrays = only(payload.content, "arrays");
	const values = only(payload.content, "metrics");
	if (values === undefined) return { kind: "defect", message: "a reply needs exactly one MetricRecord" };
	const numSamples = Number(values.entries.get(NUM_EXAMPLES));
	if (!Number.isSafeInteger(numSamples) || numSamples < 0)
		return { kind: "defect", message: `a reply needs ${NUM_EXAMPLES}, a count` };
	if (values.entries.size > MAX_METRICS)
		return { kind: "defect", message: `more than ${MAX_METRICS} metrics` };
	const metrics: Record<string, number | null> = {};
	for (const [name, value] of values.entries) {
		if (name === NUM_EXAMPLES || name.length > MAX_METRIC_NAME || Array.isArray(value)) continue;
		metrics[name] = Number.isFinite(Number(value)) ? Number(value) : null;
	}
	if (phase === "evaluate") {
		const { [LOSS]: loss = null, ...rest } = metrics;
		return { kind: "evaluation", loss, numSamples, metrics: rest };
	}
	if (arrays === undefined) return { kind: "defect", message: "an update needs exactly one ArrayRecord" };
	return { kind: "update", arrays, numSamples, metrics };
}

function only<K extends "arrays" | "metrics">(content: RecordDict, kind: K) {
	type Wanted = Extract<RecordDict extends ReadonlyMap<string, infer R> ? R : never, { kind: K }>;
	const found = Array.from(content.values()).filter((record): record is Wanted => record.kind === kind);
	return found.length === 1 ? found[0] : undefined;
}

/** The signature of a reply, checked; undefined when there is none or it does not hold. */
export function checkSignature(
	message: FlowerMessage,
	tree: ObjectTree,
	instructionId: ObjectId,
	publicKeyPem: string,
): SignedReply | undefined {
	const record = message.payload.kind === "content" ? message.payload.content.get(SIGNATURE) : undefined;
	const signature = record?.kind === "config" ? record.entries.get("ecdsa-sha256") : undefined;
	if (!(signature instanceof Uint8Array)) return undefined;
	// The signature is the last record; what it covers are all before it.
	const records = (tree.children[0]?.children ?? []).map(({ objectId }) => objectId).slice(0, -1);
	const statement = statementOf(instructionId, records);
	if (!isSignedBy(Buffer.from(publicKeyPem), statement, signature)) return undefined;
	return {
		key: keyFingerprint(publicKeyPem),
		instruction: instructionId,
		records,
		signature: Buffer.from(signature).toString("base64"),
	};
}

/** Whether a recorded signature holds under a key. */
export function isSignedReply(
	{ key, instruction, records, signature }: SignedReply,
	publicKeyPem: string,
): boolean {
	const statement = statementOf(instruction, records);
	return (
		key === keyFingerprint(publicKeyPem) &&
		isSignedBy(Buffer.from(publicKeyPem), statement, Buffer.from(signature, "base64"))
	);
}
