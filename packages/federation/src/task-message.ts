// Tasks as Flower's instructions: message types `train` and `evaluate`, records `arrays` and `config` with the names
// that Flower's own strategies use where they have one.
import {
	type ArrayRecord,
	type ConfigRecord,
	configRecord,
	type DeflatedContent,
	type DeflatedMessage,
	deflateMessage,
	deflateRecord,
	type FlowerMessage,
	instructionMetadata,
	joinRecords,
} from "@zk0/flower";
import { z } from "zod";
import { FederationError } from "./errors.ts";
import { runNumber } from "./node-id.ts";
import type { SentTask, TaskMessage } from "./protocol.ts";

/** Honest work may last; whether a site is alive is found out by its heartbeat, not by a message's age. */
const TASK_TTL_SECONDS = 365 * 24 * 3600;

/** Records of an instruction, as in Flower's strategies. */
const ARRAYS = "arrays";
const CONFIG = "config";

/** The instruction for a node; equal tasks give equal messages. `run` is the run's number where it is not ours. */
export async function taskMessage(
	task: TaskMessage,
	nodeId: bigint,
	weights: DeflatedContent,
	run: bigint = runNumber(task.runId),
): Promise<DeflatedMessage> {
	const metadata = instructionMetadata({
		runId: run,
		dstNodeId: nodeId,
		messageType: task.phase,
		groupId: String(task.round),
		createdAtSeconds: task.createdAtMs / 1000,
		ttlSeconds: TASK_TTL_SECONDS,
	});
	const config = await deflateRecord(taskConfig(task));
	const content = new Map([
		[ARRAYS, weights],
		[CONFIG, config],
	]);
	return deflateMessage(metadata, joinRecords(content));
}

function taskConfig(task: SentTask): ConfigRecord {
	return configRecord([
		["server-round", BigInt(task.round)],
		["proximal-mu", task.proximalMu],
		["run", task.runId],
		["seed", BigInt(task.seed)],
		["local-steps", BigInt(task.numLocalSteps)],
		["global-step", BigInt(task.globalStep)],
		["total-steps", BigInt(task.totalSteps)],
		["learning", JSON.stringify(task.learning)],
		["weights-sha256", task.weights],
		// The name that Flower's fixed clipping has.
		...(task.clipNorm === null ? [] : [["clipping_norm", task.clipNorm] as const]),
		...(task.traceparent === undefined ? [] : [["traceparent", task.traceparent] as const]),
	]);
}

const count = z
	.bigint()
	.min(0n)
	.max(BigInt(Number.MAX_SAFE_INTEGER))
	.transform((value) => Number(value));

const configSchema = z.object({
	"server-round": count,
	"proximal-mu": z.number().nonnegative(),
	run: z.string().min(1).max(200),
	seed: z.bigint().transform((value) => Number(value)),
	"local-steps": count,
	"global-step": count,
	"total-steps": count,
	learning: z.string().max(1_000_000),
	"weights-sha256": z.string().regex(/^[0-9a-f]{64}$/),
	clipping_norm: z.number().positive().optional(),
	// Whoever reads it looks at what it says.
	traceparent: z.string().max(100).optional().catch(undefined),
});

/** An instruction as the node reads it. @throws FederationError bad-message when it is not a task of a zk0 server. */
export function readTask({ metadata, payload }: FlowerMessage): {
	readonly task: SentTask;
	readonly weights: ArrayRecord;
} {
	const { messageType } = metadata;
	const content = payload.kind === "content" ? payload.content : undefined;
	const weights = content?.get(ARRAYS);
	const config = content?.get(CONFIG);
	if (messageType !== "train" && messageType !== "evaluate")
		throw unreadable(`a message of type ${messageType} is not a task`);
	if (weights?.kind !== "arrays" || config?.kind !== "config")
		throw unreadable("a task has no arrays or config");
	const parsed = configSchema.safeParse(Object.fromEntries(config.entries));
	if (!parsed.success) throw unreadable(z.prettifyError(parsed.error), parsed.error);
	const values = parsed.data;
	const task: SentTask = {
		phase: messageType,
		runId: values.run,
		round: values["server-round"],
		seed: values.seed,
		numLocalSteps: values["local-steps"],
		globalStep: values["global-step"],
		totalSteps: values["total-steps"],
		proximalMu: values["proximal-mu"],
		clipNorm: values.clipping_norm ?? null,
		learning: parseJson(values.learning),
		weights: values["weights-sha256"],
		...(values.traceparent === undefined ? {} : { traceparent: values.traceparent }),
	};
	return { task, weights };
}

function parseJson(text: string): SentTask["learning"] {
	try {
		return z.json().parse(JSON.parse(text));
	} catch (cause) {
		throw unreadable("a task's learning settings are not JSON", cause);
	}
}

function unreadable(what: string, cause?: unknown): FederationError {
	return new FederationError("bad-message", `${what}; is the server a zk0 server of this version?`, {
		cause,
	});
}
